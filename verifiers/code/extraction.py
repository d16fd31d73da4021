"""Which code a response gives.

    1. the last fenced block in Python, else without a language, that defines the entry point
    2. else, if there are such blocks, the last in Python, else the last that reads as code
    3. without fences, the response itself if it reads as code

Thinking, which ends with the last `</think>` at a line's end, is no part of the response.

Code that does not define the entry point is what the prompt's beginning asks to be continued, and is
joined to it. Code that does gets what the prompt has above the entry point: imports and helpers.
"""

import ast
import re
import textwrap

_FENCE = re.compile(
    r"^[ \t]*(`{3,20}|~{3,20})[ \t]*+([\w+#.-]*+)[^\n]*+\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S
)
_LONGEST = 50_000
"""Characters that are worth parsing: the parser's time can grow with the square."""
_PYTHON = re.compile(r"(?:(?:i?python|py)(?:3(?:\.\d+)*)?)?", re.I)
_END_OF_THOUGHT = re.compile(r"</think>[ \t]*$", re.M)
_BYTE_ORDER_MARK = re.compile(r"^\ufeff+", re.M)
_STARTS_CODE = re.compile(r"(?:def|class|import|from|async def|@\w|if __name__)\b|[ \t]+\S")


def extract_code(response: str, *, prompt: str = "", entry_point: str | None = None) -> str | None:
    """The program to judge; None if the response gives no code."""
    response = _answer_of(response.replace("\r\n", "\n"))
    found = [
        (language, textwrap.dedent(body) if not prompt else body)
        for _, language, body in _FENCE.findall(response)
        if _PYTHON.fullmatch(language) and body.strip()
    ]
    # Without a language a block can be output, so that those with one come first.
    blocks = [body for language, body in found if not language]
    if entry_point is None:
        blocks = [body for body in blocks if _compiles(body) and _does_something(body)] or blocks
    blocks += [body for language, body in found if language]
    if entry_point is None:
        return blocks[-1] if blocks else _plain_code(response)
    name = entry_point.split(".")[0]
    for block in reversed(blocks):
        if defines(block, name):
            return _with_preamble(textwrap.dedent(block), prompt, name)
    if blocks:
        return _continue(prompt, blocks[-1], name)
    if defines(response, name) and (code := _plain_code(response)) is not None:
        return _with_preamble(code, prompt, name)
    if prompt and response.strip() and _continues(prompt, response):
        return _continue(prompt, response, name)
    return _plain_code(response)


def _answer_of(response: str) -> str:
    """What follows the thinking, without byte order marks before code."""
    thought = list(_END_OF_THOUGHT.finditer(response))
    answer = response[thought[-1].end() :] if thought else response
    return _BYTE_ORDER_MARK.sub("", answer if answer.strip() else response)


def _continues(prompt: str, response: str) -> bool:
    """Whether a response without fences is the rest of the prompt; one word of prose parses too."""
    if _STARTS_CODE.match(response):
        return True
    alone = textwrap.dedent(response)
    return _compiles(prompt + response) and not (_compiles(alone) and not _does_something(alone))


def defines(code: str, name: str) -> bool:
    """Whether the code gives `name` a meaning, be it by `def`, `class` or assignment."""
    pattern = (
        rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b"
        rf"|^{re.escape(name)}[ \t]*(?::[^=\n]*)?=(?!=)"
    )
    return re.search(pattern, code, re.M) is not None


def _plain_code(response: str) -> str | None:
    if not response.strip():
        return None
    code = textwrap.dedent(response)
    if _compiles(code):
        return code if _does_something(code) else None
    return response if _STARTS_CODE.match(response.lstrip("\n")) else None


def _does_something(code: str) -> bool:
    """Prose can parse, such as one word; code has a statement that is more than a name or number."""
    plain = (ast.Name, ast.Constant, ast.BinOp, ast.Attribute, ast.Tuple, ast.UnaryOp, ast.Compare)
    return any(
        not (isinstance(statement, ast.Expr) and isinstance(statement.value, plain))
        and not (isinstance(statement, ast.AnnAssign) and statement.value is None)
        for statement in ast.parse(code).body
    )


def _compiles(code: str) -> bool:
    if len(code) > _LONGEST:
        return False
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _continue(prompt: str, block: str, name: str) -> str:
    """The block as the rest of the prompt, indented if it was written without."""
    if not prompt:
        return textwrap.dedent(block)
    body = block.lstrip("\n")
    if defines(prompt, name) and not body[:1].isspace():
        indented = prompt + textwrap.indent(body, "    ")
        if _compiles(indented):
            return indented
    return prompt + block


def _with_preamble(code: str, prompt: str, name: str) -> str:
    preamble = preamble_of(prompt, name)
    if not preamble or "from __future__" in code:
        return code
    return f"{preamble}\n\n\n{code}"


def preamble_of(prompt: str, name: str) -> str:
    """What the prompt has above the definition of `name`: imports and helpers; "" if nothing."""
    match = re.search(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", prompt, re.M)
    preamble = prompt[: match.start()].rstrip() if match else ""
    return preamble if _compiles(preamble) else ""
