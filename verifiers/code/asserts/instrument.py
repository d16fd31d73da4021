"""Test code as a text: which function it tests, and the form in which it is run inside the sandbox.

    1. a mark behind every assertion, so that tests which assert nothing are found out
    2. what a test runner would call, and the tests do not call themselves, is listed

An assertion is an `assert`, a call or a `with` of something named assert... or ...raises, or a branch
that can raise. Nothing is run here, and whether the tests are good is not known.
"""

import ast
import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass

MARK = "__assertion_ran__"
"""What marks call; whoever runs the tests defines it."""


class NoTests(ValueError):
    """The text cannot test the function; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableTests:
    """Test code, and what to call behind it."""

    source: str
    check: bool
    """Whether to call `check` with the function."""
    runners: tuple[str, ...]
    """Functions without arguments, and classes of test methods."""


def entry_point_of(tests: str) -> str | None:
    """The function that the tests call, for those that do not name it; asserts are asked first."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError):
        return None
    asserted = [
        node for one in ast.walk(tree) if isinstance(one, ast.Assert) for node in ast.walk(one.test)
    ]
    others = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    others.sort(key=lambda call: (call.lineno, call.col_offset))
    own = _own_names(tree)
    for node in [*asserted, *others]:
        match node:
            case ast.Call(func=ast.Name(id=name)) if not hasattr(builtins, name) and name not in own:
                return name
    return None


def _own_names(tree: ast.Module) -> set[str]:
    """What the tests define themselves."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                if getattr(node, "module", None) != "solution":
                    names.update(alias.asname or alias.name for alias in aliases)
    return names


def prepare_tests(tests: str, entry_point: str) -> RunnableTests:
    """The tests as they are run inside. Raises NoTests."""
    try:
        module = ast.parse(tests)
        _Marker().visit(module)
        source = ast.unparse(ast.fix_missing_locations(module))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise NoTests(f"they do not parse: {e}") from e
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    called = [
        one for name, one in _last_of_each(module.body).items() if name not in used and is_test(one)
    ]
    check = any(one.name == "check" for one in called)
    if not check and not re.search(rf"\b{re.escape(entry_point.split('.')[0])}\b", tests):
        raise NoTests(f"they do not call `{entry_point}`")
    for one in called:
        if problem := _problem(one):
            raise NoTests(f"nothing calls `{one.name}`, and it {problem}")
    runners = tuple(one.name for one in called if one.name != "check")
    return RunnableTests(source=source, check=check, runners=runners)


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _last_of_each(body: Sequence[ast.stmt]) -> dict[str, _Definition]:
    return {one.name: one for one in body if isinstance(one, _Definition)}


def is_test(one: _Definition) -> bool:
    """Whether a test runner would call it."""
    if not isinstance(one, ast.ClassDef):
        return one.name == "check" or one.name.startswith("test")
    return one.name.startswith("Test") or any(ast.unparse(b).endswith("TestCase") for b in one.bases)


def _problem(one: _Definition) -> str | None:
    """Why what a test runner would call cannot be called here."""
    if isinstance(one, ast.AsyncFunctionDef):
        return "is async"
    if isinstance(one, ast.ClassDef):
        plain = not any(ast.unparse(base).endswith("TestCase") for base in one.bases)
        prepared = any(name.startswith("setup") for name in _last_of_each(one.body))
        return "has a setup that only pytest calls" if plain and prepared else None
    given, args = int(one.name == "check"), one.args
    positional = len(args.posonlyargs) + len(args.args)
    fits = positional - len(args.defaults) <= given and (positional >= given or args.vararg)
    if not fits or None in args.kw_defaults:
        return f"does not take {given} arguments" if not given else "does not take one argument"
    return None


class _Marker(ast.NodeTransformer):
    """Puts a mark behind every assertion."""

    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not _asserts(node):
            return node
        assert isinstance(node, ast.stmt)
        call = ast.Call(func=ast.Name(id=MARK, ctx=ast.Load()), args=[], keywords=[])
        return [node, ast.Expr(value=call)]


def _asserts(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Expr(value=ast.Call() as call):
            return _is_assertion(call)
        case ast.With(items=items):
            return any(
                isinstance(i.context_expr, ast.Call) and _is_assertion(i.context_expr) for i in items
            )
        case ast.If(body=body, orelse=orelse):
            return any(isinstance(one, ast.Raise) for one in (*body, *orelse))
        case ast.Try(body=body, orelse=orelse):
            return any(isinstance(one, ast.Raise | ast.Assert) for one in (*body, *orelse))
    return False


def _is_assertion(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2].lower()
    return name.startswith("assert") or name.endswith("raises")
