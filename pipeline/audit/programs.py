"""Right and wrong programs: the reference solution, and programs that solve nothing.

A stored program that passed is no right one: its verdict is what is examined. A rule applies only where
the target's tests surely refuse its program.
"""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.audit.made import EMPTY, REFUSAL, Made, Source, right, wrong
from verifiers.code.entry_point import entry_point_of
from verifiers.code.targets import Asserts, Calls, StdinStdout, check_target
from verifiers.records import BadTarget

REFERENCES = ("canonical_solution", "reference_solution", "solution", "code")
"""Columns of a problem set that have a solution, if the run keeps them (`problems.meta_fields`)."""
_NOTHING = object()


def programs_for(source: Source) -> list[Made]:
    """The programs for a target of the verifier `code`; none for one that cannot be used."""
    try:
        target = check_target(source.problem.target)
    except BadTarget:
        return []
    if target.language != "python":
        return [*wrong(_no_programs())]
    if isinstance(target, StdinStdout):
        made = _printing(target)
    elif isinstance(target, Calls):
        made = _called(target.entry_point, [case.expected for case in target.cases])
    else:
        made = _asserted(target)
    reference = reference_solution(source.problem.meta, target)
    return [
        *right([] if reference is None else [("reference_solution", _fenced(reference))]),
        *wrong((rule, _fenced(code)) for rule, code in made),
        *wrong(_no_programs()),
    ]


def reference_solution(meta: Mapping[str, object], target: StdinStdout | Calls | Asserts) -> str | None:
    """The program of a row's reference solution; None without one."""
    for name in REFERENCES:
        code = meta.get(name)
        if not isinstance(code, str) or not code.strip():
            continue
        prompt = "" if isinstance(target, StdinStdout) else target.prompt
        # HumanEval's solutions are the body of the function that the prompt begins.
        for program in (code, f"{prompt}{code}"):
            if _compiles(program):
                return program
    return None


def _compiles(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _no_programs() -> Iterator[tuple[str, str]]:
    yield EMPTY, ""
    yield REFUSAL, "I am sorry, but I will not help with this."


def _printing(target: StdinStdout) -> Iterator[tuple[str, str]]:
    """Programs that ignore their input. A checker of the target's own may accept any output."""
    yield "raises", 'raise RuntimeError("not solved")'
    if target.checker is not None:
        return
    outputs = [case.output for case in target.cases]
    if any(output.split() for output in outputs):
        yield "prints_nothing", "import sys\n\nsys.stdin.read()"
        yield "exits_at_once", "import os\n\nos._exit(0)"
    if any(len(one.split()) != len(outputs[0].split()) for one in outputs) or (
        target.rule != "numbers" and any(_words(one) != _words(outputs[0]) for one in outputs)
    ):
        yield "prints_one_output", f"import sys\n\nsys.stdout.write({outputs[0]!r})"


def _words(output: str) -> list[str]:
    """What no rule but `numbers` takes as equal if it differs."""
    return [word.casefold() for word in output.split()]


def _called(name: str, expected: Sequence[object]) -> Iterator[tuple[str, str]]:
    """Functions that return the same, whatever they are given."""
    if not name.isidentifier():
        return
    yield "raises", _function(name, 'raise RuntimeError("not solved")')
    yield "exits_at_once", _function(name, "import os\n    os._exit(0)")
    if any(one is not None for one in expected):
        yield "returns_none", _function(name, "return None")
    first = _literal(expected[0])
    if first is not None and any(_apart(expected[0], one) for one in expected):
        yield "returns_one_result", _function(name, f"return {first}")


def _literal(value: object) -> str | None:
    """Python source of a plain JSON value."""
    plain = value is None or isinstance(value, str | int | float | bool)
    return repr(value) if plain else None


def _apart(one: object, other: object) -> bool:
    """Whether two expected results are so different that no tolerance makes them equal."""
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool) and one is not other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) >= 1 and abs(one - other) > 0.5 * max(abs(one), abs(other))
    return one != other


def _asserted(target: Asserts) -> Iterator[tuple[str, str]]:
    """Functions that fail an assert that compares a call with a constant."""
    tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
    name = target.entry_point or entry_point_of(tests)
    expected = _compared(tests, {name, "candidate"})
    if name is not None and expected:
        yield from _called(name, expected)


def _compared(tests: str, names: Collection[str | None]) -> list[Any]:
    """Constants with which asserts of the tests compare the result of calling one of the names."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare):
            continue
        sides = [node.test.left, *node.test.comparators]
        if len(sides) != 2 or not isinstance(node.test.ops[0], ast.Eq):
            continue
        call = sides[0].func if isinstance(sides[0], ast.Call) else None
        is_ours = isinstance(call, ast.Name) and call.id in names
        if is_ours and (value := _constant(sides[1])) is not _NOTHING:
            found.append(value)
    return found


def _constant(node: ast.expr) -> object:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NOTHING
    return value if isinstance(value, str | int | float | bool | list | tuple | dict) else _NOTHING


def _function(name: str, body: str) -> str:
    return f"def {name}(*args, **kwargs):\n    {body}"


def _fenced(code: str) -> str:
    return f"```python\n{code.rstrip()}\n```"


def proofs_for(source: Source) -> list[Made]:
    """Proofs that prove nothing, for a target of the verifier `formal`."""
    target = source.problem.target
    name, statement = target.tests.get("name"), target.tests.get("statement", target.value)
    if not isinstance(name, str) or not isinstance(statement, str):
        return []
    if target.kind == "coq":
        head = f"Theorem {name} : {statement.strip().removesuffix('.')}.\nProof."
        made = {
            "admitted": f"{head}\nAdmitted.",
            "unfinished": f"{head}\n",
            "abandoned": f"{head}\nAbort.",
        }
    else:
        head = f"theorem {name} : {statement.strip()} := by"
        made = {"sorry": f"{head}\n  sorry", "unfinished": f"{head}\n"}
    fenced = ((rule, f"```{target.kind}\n{proof}\n```") for rule, proof in made.items())
    return [*wrong(fenced), *wrong(_no_programs())]
