"""Extracts the program from a response.

    1. the last fenced block that defines the entry point; without an entry point, the last that reads
       standard input
    2. otherwise the last block that continues the prompt, or the last that is code
    3. without fences, the response itself if it reads as code

Blocks count if they name the language, or no language. Thinking, which ends with the last `</think>` at
a line's end, is ignored. A response that is Python as a whole is the program, with any fences in its
strings; a response whose only fence closes a block that the prompt opened is that block.

If the program lacks a name that another block defines, that definition is added (`pieces.py`).

Code that does not define the entry point continues the prompt and is joined to it. Code that does
define it gets the prompt's imports and helpers above the entry point.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence

from verifiers.code.languages import LANGUAGES, Language
from verifiers.code.reading.blocks import (
    Block,
    Cut,
    cut_at_first_fence,
    find_blocks,
    has_fences,
    tags_as_fences,
    without_special_tokens,
)
from verifiers.code.reading.pieces import with_pieces
from verifiers.code.reading.python_text import (
    compiles,
    dedent,
    defines,
    does_something,
    ends_in_comment,
    indent,
    is_body,
    reads_input,
    without_words,
)

_PYTHON = re.compile(r"(?:(?:i?python|py)(?:3(?:\.\d+)*)?)?")
_PYTHON_TAGS = ("python", "python3", "py")
_END_OF_THOUGHT = re.compile(r"</think>[ \t]*(?=$|```|~~~)|^[ \t]*</think>", re.M)
_BYTE_ORDER_MARK = re.compile(r"^\ufeff+", re.M)
_STARTS_CODE = re.compile(r"(?:def|class|import|from|async def|@\w|if __name__)\b|[ \t]+\S")
_CODE_LINE = re.compile(r"^(?:(?:async )?def \w|class \w|import \w|from [\w.]+ import |@\w)", re.M)
_PARAGRAPH = re.compile(r"\n[ \t]*\n(?=[^\s#])")
_MOST_CUTS = 10


def extract_code(
    response: str, *, prompt: str = "", entry_point: str | None = None, language: str = "python"
) -> str | None:
    """The program to judge; None if the response has no code."""
    response = _answer_of(response.replace("\r\n", "\n"))
    tags = _PYTHON_TAGS if language == "python" else LANGUAGES[language].tags
    response = _without_tag(response, tags)
    if language != "python":
        return _other_code(response, LANGUAGES[language])
    name = entry_point.split(".")[0] if entry_point else None
    if has_fences(response) and _is_program(response, prompt):
        blocks = [Block("python", response)]
    else:
        response = tags_as_fences(response)
        blocks = _python_blocks(response, prompt, name)
    if name is None:
        return _whole(_preferred(blocks), blocks) if blocks else _plain_code(response, name)
    if (code := _last(blocks, lambda body: defines(body, name))) is not None:
        return _with_preamble(_whole(code, blocks), prompt, name)
    if blocks:
        return _continue(prompt, _last(blocks, is_body) or _preferred(blocks), name)
    if defines(response, name) and (code := _plain_code(response, name)) is not None:
        return _with_preamble(code, prompt, name)
    if prompt and response.strip() and _continues(prompt, response):
        return _continue(prompt, response, name)
    return _plain_code(response, name)


def _answer_of(response: str) -> str:
    """The response after the thinking, without byte order marks and end tokens."""
    thought = list(_END_OF_THOUGHT.finditer(response))
    answer = response[thought[-1].end() :] if thought else response
    return without_special_tokens(_BYTE_ORDER_MARK.sub("", answer if answer.strip() else response))


def _without_tag(response: str, tags: Collection[str]) -> str:
    """The response without the remainder of a fence that the prompt began: a line with the language."""
    first, _, rest = response.lstrip(" \t\n").partition("\n")
    return rest if first.strip(" \t").lower() in tags and rest.strip() else response


# ----------------------------------------------------------------------------------- fenced blocks


def _python_blocks(response: str, prompt: str, name: str | None) -> list[Block]:
    """Candidate blocks; those without a language come first, because they may show output."""
    cut = cut_at_first_fence(response)
    if cut is not None and _closes_only(cut, prompt, name):
        found = [Block("python", without_words(cut.before)), *find_blocks(cut.after)]
    else:
        found = find_blocks(response)
        if cut is not None and (program := _program_before(cut.before, name)):
            found.insert(0, Block("python", program))
    found = [one for one in found if _PYTHON.fullmatch(one.language) and one.body.strip()]
    return sorted(found, key=lambda one: bool(one.language))


def _program_before(head: str, name: str | None) -> str | None:
    """An unfenced program before the first block, which then only shows its use; None without one."""
    code = _plain_code(head, name)
    if code is None or not does_something(code):
        return None
    return code if (defines(code, name) if name else reads_input(code)) else None


def _closes_only(cut: Cut, prompt: str, name: str | None) -> bool:
    """Whether the first fence closes a block that the prompt opened."""
    head = cut.before
    if not cut.is_bare or not head.strip():
        return False
    if name and defines(head, name) and compiles(dedent(head)):
        return True
    shown = find_blocks(f"{cut.fence}\n{cut.after}")[0].body
    if does_something(dedent(shown)) or (name and defines(shown, name)):
        return False
    return _is_program(head, prompt) or _STARTS_CODE.match(head.lstrip("\n")) is not None


def _is_program(text: str, prompt: str) -> bool:
    """Whether the whole text is Python, by itself or after the prompt."""
    if does_something(dedent(text)):
        return True
    if compiles(dedent(text)) or not prompt:
        return False
    return any(compiles(joined) for joined in _joined(prompt, text))


def _preferred(blocks: Sequence[Block]) -> str:
    """Chooses between blocks that the rules above cannot distinguish."""
    code = [one for one in blocks if _is_code(one)]
    return _last(code, reads_input) or _last(code or blocks, bool) or ""


def _whole(body: str, blocks: Sequence[Block]) -> str:
    """The block's code with the definitions that it needs from the others, in any order."""
    others = [dedent(one.body) for one in blocks if one.body != body]
    return with_pieces(dedent(body), others)


def _is_code(block: Block) -> bool:
    """Blocks that name the language count even with syntax errors, unless they are only a value."""
    code = dedent(block.body)
    return does_something(code) or (bool(block.language) and not compiles(code))


def _last(blocks: Sequence[Block], holds: Callable[[str], bool]) -> str | None:
    return next((one.body for one in reversed(blocks) if holds(one.body)), None)


def _other_code(response: str, language: Language) -> str | None:
    """The last block with the program's beginning, preferably named; otherwise the response itself."""
    cut = cut_at_first_fence(response)
    if cut is None:
        return response if language.begins.search(response) else None
    if cut.is_bare and language.begins.search(cut.before):
        return cut.before
    blocks = find_blocks(response)
    named = [one for one in blocks if one.language in language.tags]
    bare = [one for one in blocks if not one.language and language.begins.search(one.body)]
    for some in (named, bare):
        if some:
            return _last(some, lambda body: bool(language.begins.search(body))) or some[-1].body
    return None


# ---------------------------------------------------------------------------------- without fences


def _plain_code(response: str, name: str | None) -> str | None:
    """An unfenced response without surrounding prose; None if it does not read as code."""
    if not response.strip():
        return None
    code = dedent(response)
    if does_something(code):
        return without_words(code)
    if compiles(code):
        return None
    wanted = name is None or defines(code, name)
    starts = [0] if _STARTS_CODE.match(response.lstrip("\n")) else []
    starts += [one.start() for one in [*_CODE_LINE.finditer(code)][:1]]
    for start in starts:
        for end in _ends_of_code(code, start):
            part = code[start:end]
            if wanted and does_something(part) and (name is None or defines(part, name)):
                return without_words(part)
    return response if _STARTS_CODE.match(response.lstrip("\n")) else None


def _ends_of_code(code: str, start: int) -> Iterator[int]:
    """Positions where prose may begin: after blank lines, the last position first."""
    ends = [one.start() + 1 for one in _PARAGRAPH.finditer(code, start)]
    yield from (len(code), *reversed(ends[-_MOST_CUTS:]))


def _continues(prompt: str, response: str) -> bool:
    """Whether an unfenced response continues the prompt; a single word of prose parses too."""
    if _STARTS_CODE.match(response):
        return True
    alone = dedent(response)
    if compiles(alone) and not does_something(alone):
        return False
    return any(compiles(joined) for joined in _joined(prompt, response))


# ------------------------------------------------------------------------------- with the prompt


def _continue(prompt: str, block: str, name: str) -> str:
    """The block as the continuation of the prompt."""
    if not prompt:
        return dedent(block)
    choices = [*_joined(prompt, block)]
    if not is_body(block) and not defines(prompt, name):
        choices.insert(0, prompt + block)
    return next((one for one in choices if compiles(one)), choices[0])


def _joined(prompt: str, block: str) -> Iterator[str]:
    """Ways to join them, the most likely first, with lost white space restored."""
    body = re.sub(r"\A(?:[ \t]*\n)+", "", block)
    starts_line = prompt.endswith("\n") or not prompt
    whole = prompt if starts_line else prompt + "\n"
    is_indented = body[:1] in (" ", "\t")
    if is_indented:
        yield whole + body
        # The prompt's last line is the body's first indentation.
        yield prompt.rstrip(" \t") + body
        yield prompt + body
        return
    margin = _margin_inside(prompt)
    if not starts_line and not ends_in_comment(prompt):
        yield prompt + body
    yield whole + indent(body, margin)
    # A response without leading white space has lost only that of its first line.
    yield whole + margin + body
    yield whole + body


def _margin_inside(prompt: str) -> str:
    """Indentation for text after the prompt, which ends within a function."""
    last = next((line for line in reversed(prompt.split("\n")) if line.strip()), "")
    margin = last[: len(last) - len(last.lstrip(" \t"))]
    return margin + "    " if last.rstrip().endswith(":") or not margin else margin


def _with_preamble(code: str, prompt: str, name: str) -> str:
    preamble = preamble_of(prompt, name)
    if not preamble or "from __future__" in code:
        return code
    return f"{preamble}\n\n\n{code}"


def preamble_of(prompt: str, name: str) -> str:
    """The prompt's imports and helpers above the definition of `name`; "" if there are none."""
    match = re.search(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", prompt, re.M)
    preamble = prompt[: match.start()].rstrip() if match else ""
    return preamble if compiles(preamble) else ""
