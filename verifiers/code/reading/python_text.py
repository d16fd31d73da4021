"""Reads Python source without running it.

Lines end at "\\n", and indentation is spaces and tabs, as for Python's tokenizer. The `splitlines` and
`strip` of `str` also treat other characters as white space, which may occur in a program's strings.
"""

import ast
import re
import warnings
from collections.abc import Iterator

_LONGEST = 50_000
"""Longest code that is parsed, in characters: the parser may take quadratic time."""
_TOKENS = re.compile(
    r"#[^\n]*"
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"""(?:\\.|[^\\])*?"""'
    r"|(?P<open>'''|\"\"\")"
    r"|'(?:\\.|[^\\\n'])*+'?"
    r'|"(?:\\.|[^\\\n"])*+"?',
    re.S,
)
_VALUES = (ast.Name, ast.Constant, ast.BinOp, ast.Attribute, ast.Tuple, ast.UnaryOp, ast.Compare)
_READS_INPUT = re.compile(
    r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0\b|\bfileinput\b|\bread\s*\(\s*0\b|/dev/stdin"
)
_FEEDS_INPUT = re.compile(
    r"\bstdin\s*=\s*(?:io\.)?StringIO\s*\(\s*(?!sys\.stdin|stdin|open|os\.read)|\bpatch\s*\("
)


def compiles(code: str) -> bool:
    """Whether Python compiles it as a module; False if it is too long to try."""
    tree = parsed(code)
    return tree is not None and not any(isinstance(one, ast.Return) for one in tree.body)


def does_something(code: str) -> bool:
    """Whether a statement is more than a name or number; prose such as a single word parses too."""
    tree = parsed(code)
    return tree is not None and any(map(_does_something, tree.body))


def _does_something(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, _VALUES))


def without_words(code: str) -> str:
    """Code without surrounding prose that parses as names."""
    tree = parsed(code)
    kept = [
        one
        for one in (tree.body if tree else ())
        if _does_something(one) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    if tree is None or not kept:
        return code
    before = tree.body[: tree.body.index(kept[0])]
    first = before[-1].end_lineno if before else 0
    last = None if kept[-1] is tree.body[-1] else kept[-1].end_lineno
    lines = code.split("\n")[first:last]
    return "\n".join(lines if last is None else [*lines, ""])


def is_body(code: str) -> bool:
    """Whether it is a function's body: indented from its first line, or with a bare `return`."""
    if re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]+[^\s#]", code):
        return True
    return re.search(r"^(?:return|yield)\b", code, re.M) is not None


def defines(code: str, name: str) -> bool:
    """Whether the code defines `name` by `def`, `class` or assignment."""
    pattern = (
        rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b"
        rf"|^{re.escape(name)}[ \t]*(?::[^=\n]*)?=(?!=)"
    )
    return re.search(pattern, code, re.M) is not None


def reads_input(code: str) -> bool:
    """Whether it reads standard input; a test that replaces it with text does not count."""
    return _READS_INPUT.search(code) is not None and _FEEDS_INPUT.search(code) is None


def last_line_of_future(code: str) -> int:
    """Number of the last line of its `from __future__` imports; 0 without one."""
    tree = parsed(code) if "__future__" in code else None
    found = (
        one.end_lineno or 0
        for one in (tree.body if tree else ())
        if isinstance(one, ast.ImportFrom) and one.module == "__future__"
    )
    return max(found, default=0)


def ends_in_string(code: str) -> bool:
    """Whether a triple-quoted string is still open at the end."""
    return any(token["open"] for token in _TOKENS.finditer(code[:_LONGEST]))


def ends_in_comment(code: str) -> bool:
    """Whether the last line is a comment, at least from some point on."""
    code = code[-_LONGEST:]
    tokens = [*_TOKENS.finditer(code)]
    return bool(tokens) and tokens[-1][0].startswith("#") and tokens[-1].end() == len(code)


def indent(code: str, margin: str) -> str:
    """The code indented further; lines inside strings stay unchanged."""
    inside = set(_lines_in_strings(code))
    return "\n".join(
        line if number in inside or not line.strip(" \t") else margin + line
        for number, line in enumerate(code.split("\n"))
    )


def dedent(code: str) -> str:
    """The code without the common indentation of its lines."""
    lines, inside = code.split("\n"), set(_lines_in_strings(code))
    margins = [
        line[: len(line) - len(line.lstrip(" \t"))]
        for number, line in enumerate(lines)
        if number not in inside and line.strip(" \t")
    ]
    margin = min(margins, key=len, default="")
    if not margin or not all(one.startswith(margin) for one in margins):
        return code
    return "\n".join(without_margin(line, margin) for line in lines)


def without_margin(line: str, margin: str) -> str:
    """The line without that indentation, or without as much of it as it has."""
    return line.removeprefix(margin) if line.startswith(margin) else line.lstrip(" \t")


def _lines_in_strings(code: str) -> Iterator[int]:
    """Numbers, from 0, of lines that begin inside a triple-quoted string."""
    if "'''" not in code and '"""' not in code:
        return
    line = position = 0
    for token in _TOKENS.finditer(code):
        line += code.count("\n", position, token.start())
        num_lines = token[0].count("\n")
        yield from range(line + 1, line + num_lines + 1)
        line, position = line + num_lines, token.end()


def parsed(code: str) -> ast.Module | None:
    """The code's tree; None if it does not parse, or is too long to try."""
    if len(code) > _LONGEST:
        return None
    try:
        # Python's warnings, such as for "\\d" in a text, do not concern the caller.
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
