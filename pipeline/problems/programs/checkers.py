"""Converts checkers of problem sets to the function `check` that the verifier `code` calls.

Checkers in Python are supported: a function `check(input, output, expected)`, or a script, as in
open-r1's sets, that takes the paths of the input, the expected output and the program's output, and
prints 1 if the output is right. Checkers in C++, such as testlib's, are not supported.
"""

import ast
from collections.abc import Mapping

_SCRIPT = """\
import builtins, contextlib, io, sys

_SOURCE = {source!r}


def check(input, output, expected):
    texts = {{"input.txt": input, "correct_output.txt": expected, "solution_output.txt": output}}
    real = builtins.open

    def open_text(path, mode="r", *args, **kwargs):
        text = texts.get(str(path))
        if text is None:
            return real(path, mode, *args, **kwargs)
        return io.BytesIO(text.encode()) if "b" in mode else io.StringIO(text)

    sys.argv = ["checker.py", *texts]
    said = io.StringIO()
    builtins.open = io.open = open_text
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            exec(compile(_SOURCE, "checker.py", "exec"), {{"__name__": "__main__"}})
    finally:
        builtins.open = io.open = real
    words = said.getvalue().split()
    if not words:
        raise ValueError("the checker printed nothing")
    return words[0] == "1"
"""


def as_check(source: str, name: str) -> Mapping[str, object]:
    """The entries of a target for the checker; empty without one. Raises ValueError."""
    if not source.strip():
        return {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise ValueError(
            f"field {name!r}: expected a checker in Python, got something else; checkers in C++ "
            "(testlib) are not supported: remove such rows, or translate the checker"
        ) from e
    if any(isinstance(one, ast.FunctionDef) and _is_check(one) for one in tree.body):
        return {"checker": source}
    return {"checker": _SCRIPT.format(source=source)}


def _is_check(function: ast.FunctionDef) -> bool:
    """Whether the function has the verifier's form, rather than being a script's helper `check`."""
    names = [argument.arg for argument in function.args.args]
    return function.name == "check" and names == ["input", "output", "expected"]
