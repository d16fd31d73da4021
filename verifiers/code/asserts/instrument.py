"""Prepares test code: analyses it, and rewrites it into the form that runs.

    1. each plain assert becomes a case of its own, so that all of them are counted
    2. other assertions are followed by a marker, so that tests without assertions are detected
    3. each test function reports that it ran, so that functions that nothing calls can be called

An assertion is an `assert`, a call or a `with` of something named assert..., ...raises or ...warns, or
a branch that can raise or calls `fail`.
"""

import ast
import builtins
import importlib.util
import marshal
import re
import sys
from collections import Counter
from dataclasses import dataclass

from verifiers.code.inside.report import ASSERTED, CASE, RAN, BadTests

_CARRIED_LIBRARIES = frozenset({"numpy", "pytest", "solution", "_pytest"})
_PATCHABLE = re.compile(
    r"(solution|__main__)(\.|$)|builtins\.(input|print)$|sys\.(stdin|stdout|stderr)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Test code that is ready to run."""

    code: bytes
    """Compiled and marshalled, for the same Python version in the tests' process."""
    needs_pytest: bool
    one_process: str
    """Feature that only works in the program's own process; "" if there is none."""
    names: tuple[str, ...]
    """Names that the tests use but do not define."""
    given_literals: tuple[str, ...]
    """Names among them that are called only with literals."""
    sources: tuple[str, ...]
    """Source of the asserts, by the number of their case."""


def prepare(tests: str, entry_point: str, preamble: str = "") -> Prepared:
    """The tests in the form that runs. Raises BadTests.

    `preamble` is the prompt's code above the entry point.
    """
    try:
        module = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise BadTests(f"they do not parse: {e}") from e
    nodes = list(ast.walk(module))
    root = entry_point.split(".")[0]
    defined = {one.name for one in module.body if isinstance(one, _DEFINITIONS)}
    if root in defined:
        raise BadTests(f"they define `{root}` themselves")
    if "check" not in defined and not re.search(rf"\b{re.escape(root)}\b", tests):
        raise BadTests(f"they do not call `{entry_point}`")
    if not any(_asserts(node) for node in nodes):
        raise BadTests("they assert nothing")
    needs_pytest = _needs_pytest(module, nodes)
    _check_form(module)
    of_prompt = _nodes_of(preamble)
    _check_libraries([*nodes, *of_prompt])
    one_process = _other_library([*nodes, *of_prompt]) or _one_process(nodes)
    given_literals = _given_literals(nodes)
    # Where exceptions are caught, a failing assert has to raise.
    counts_cases = not needs_pytest and not any(isinstance(n, ast.Try | ast.TryStar) for n in nodes)
    instrumented = _Instrumented(counts_cases=counts_cases)
    instrumented.visit(module)
    return Prepared(
        code=marshal.dumps(compile(ast.fix_missing_locations(module), "tests.py", "exec")),
        needs_pytest=needs_pytest,
        one_process=one_process,
        names=tuple(sorted(_borrowed_names(nodes) | {root})),
        given_literals=tuple(sorted(given_literals)),
        sources=tuple(instrumented.sources),
    )


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _is_test(one: ast.stmt) -> bool:
    if isinstance(one, ast.ClassDef):
        return one.name.startswith("Test") or _is_test_case(one)
    return isinstance(one, _DEFINITIONS) and one.name.startswith("test")


def _is_test_case(one: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("TestCase") for base in one.bases)


def _needs_pytest(module: ast.Module, nodes: list[ast.AST]) -> bool:
    """Whether the tests use fixtures, parameters, marks or set-ups, which only pytest provides."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(_OF_PYTEST):
            return True
    for one in module.body:
        if isinstance(one, _DEFINITIONS) and one.name in _MODULE_SETUPS:
            return True
        if isinstance(one, ast.ClassDef) and _is_test(one) and not _is_test_case(one):
            methods = [method for method in one.body if isinstance(method, _DEFINITIONS)]
            if any(m.name.startswith(("setup", "teardown")) or _has_parameters(m, 1) for m in methods):
                return True
        elif not isinstance(one, ast.ClassDef) and _is_test(one) and _has_parameters(one, 0):
            return True
    return False


_OF_PYTEST = ("pytest.mark", "pytest.fixture", "pytest.param", "pytest.skip", "pytest.importorskip")
_MODULE_SETUPS = (
    "setup_module", "teardown_module", "setup_function", "teardown_function", "pytest_generate_tests",
)  # fmt: skip


def _has_parameters(one: ast.stmt, num_given: int) -> bool:
    if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) or not one.name.startswith("test"):
        return False
    args = one.args
    return len(args.posonlyargs) + len(args.args) - len(args.defaults) > num_given


def _borrowed_names(nodes: list[ast.AST]) -> set[str]:
    """Names that neither the tests nor Python define."""
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.discard(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.discard(name)
            case ast.ExceptHandler(name=str(name)):
                names.discard(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names -= {alias.asname or alias.name.split(".")[0] for alias in aliases}
    # A program that defines `all` or `abs` would change the tests' meaning.
    return {name for name in names - vars(builtins).keys() if not name.startswith("__")}


def _given_literals(nodes: list[ast.AST]) -> set[str]:
    """Functions that never receive a value that another one may have returned."""
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    literal: set[str] = set()
    other: set[str] = set()
    for call in calls:
        assert isinstance(call.func, ast.Name)
        parts = [p for a in (*call.args, *(k.value for k in call.keywords)) for p in ast.walk(a)]
        depends = any(isinstance(part, ast.Name | ast.Call | ast.Attribute) for part in parts)
        (other if depends else literal).add(call.func.id)
    # A function that is mentioned elsewhere can be called under another name.
    num_mentioned = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    num_called = Counter(call.func.id for call in calls if isinstance(call.func, ast.Name))
    return {name for name in literal - other if num_mentioned[name] == num_called[name]}


def _check_form(module: ast.Module) -> None:
    """Raises BadTests for a `check` that does not accept the function."""
    for one in module.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == "check":
            args = one.args
            positional = len(args.posonlyargs) + len(args.args)
            fits = positional - len(args.defaults) <= 1 and (positional >= 1 or args.vararg)
            if not fits or None in args.kw_defaults:
                raise BadTests("`check` does not take one argument")


def _imported(node: ast.AST) -> list[str]:
    """Packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


def _nodes_of(preamble: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(preamble)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise BadTests(f"the code above the entry point in the prompt does not parse: {e}") from e


def _check_libraries(nodes: list[ast.AST]) -> None:
    """Raises BadTests for a missing package, because no program is wrong for that reason."""
    for name in {name for node in nodes for name in _imported(node)} - sys.stdlib_module_names:
        if name not in ("solution", "__main__") and importlib.util.find_spec(name) is None:
            raise BadTests(f"they need the package `{name}`, which is not installed")


def _other_library(nodes: list[ast.AST]) -> str:
    for name in (name for node in nodes for name in _imported(node)):
        if name not in sys.stdlib_module_names and name not in _CARRIED_LIBRARIES:
            return f"the tests use `{name}`, whose objects cannot leave a process"
    return ""


def _one_process(nodes: list[ast.AST]) -> str:
    """Feature that does not work across processes, such as patching modules; "" if there is none."""
    for node in nodes:
        for name in _OF_THREADS.intersection(_imported(node)):
            return f"the tests use `{name}`, but only one thread can reach the other process"
        if isinstance(node, ast.Call) and (target := _patched(node)) is not None:
            if not _PATCHABLE.match(target):
                return f"the tests patch `{target}`, which the program uses in its own process"
        elif isinstance(node, ast.Attribute) and node.attr in _OF_WARNINGS_AND_LOGS:
            return f"the tests use `{node.attr}`, which only sees its own process"
        elif isinstance(node, ast.arg) and node.arg in ("caplog", "recwarn"):
            return f"the tests use `{node.arg}`, which only sees its own process"
        elif (looked := _of_objects(node)) is not None:
            return f"the tests use `{looked}`, which inspects an object's internals"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in _OF_THE_PROCESS:
            return f"the tests use `{ast.unparse(node)}`, which is separate in each process"
    return ""


def _of_objects(node: ast.AST) -> str | None:
    """A function of Python's that inspects objects' internals, which stand-ins do not support."""
    if isinstance(node, ast.ImportFrom):
        found = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        found = [f"{node.value.id}.{node.attr}"]
    else:
        return None
    return next((name for name in found if name in _OF_OBJECTS), None)


_OF_OBJECTS = frozenset(
    [f"inspect.{name}" for name in (
        "getfullargspec getmembers getsource getsourcelines isabstract isclass isfunction ismethod "
        "signature"
    ).split()]
    + [f"dataclasses.{name}" for name in "asdict astuple fields is_dataclass replace".split()]
    + ["pickle.dumps", "pickle.loads"]
)  # fmt: skip
_OF_THREADS = frozenset({"threading", "concurrent", "multiprocessing"})
_OF_WARNINGS_AND_LOGS = frozenset(
    "assertLogs assertNoLogs assertWarns assertWarnsRegex catch_warnings deprecated_call warns".split()
)
_OF_THE_PROCESS = frozenset(
    "os.environ os.putenv os.chdir monkeypatch.setenv monkeypatch.chdir monkeypatch.delenv".split()
)


def _patched(call: ast.Call) -> str | None:
    """The target that a call of mock's `patch` or pytest's `monkeypatch` replaces."""
    name = ast.unparse(call.func)
    texts = [str(a.value) if isinstance(a, ast.Constant) else ast.unparse(a) for a in call.args[:2]]
    if name.endswith(("patch.object", "monkeypatch.setattr", "monkeypatch.delattr")) and texts:
        # With an attribute's name, or its whole path as one text.
        return texts[0] if isinstance(call.args[0], ast.Constant) else ".".join(texts)
    is_patch = name == "patch" or name.endswith(("mock.patch", "patch.dict"))
    return texts[0] if is_patch and texts and isinstance(call.args[0], ast.Constant) else None


class _Instrumented(ast.NodeTransformer):
    """Wraps assertions in cases and adds markers."""

    def __init__(self, *, counts_cases: bool) -> None:
        """`counts_cases`: each assert becomes a case of its own."""
        self._counts_cases = counts_cases
        self.sources: list[str] = []
        self._in_with = 0

    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
        self._in_with += isinstance(node, ast.With | ast.AsyncWith)
        self.generic_visit(node)
        self._in_with -= isinstance(node, ast.With | ast.AsyncWith)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.main":
            # Its tests run anyway.
            return ast.copy_location(ast.Constant(0), node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name.startswith("test") or node.name == "check"
        ):
            node.body.insert(0, _call(RAN, node.name))
        if not _asserts(node):
            return node
        assert isinstance(node, ast.stmt)
        if isinstance(node, ast.Assert) and self._counts_cases and not self._in_with:
            self.sources.append(ast.unparse(node)[:300])
            case = ast.Call(ast.Name(CASE, ast.Load()), [ast.Constant(len(self.sources) - 1)], [])
            return ast.copy_location(ast.With([ast.withitem(case)], [node]), node)
        return [node, ast.copy_location(_call(ASSERTED), node)]


def _call(name: str, *arguments: str) -> ast.Expr:
    values: list[ast.expr] = [ast.Constant(argument) for argument in arguments]
    return ast.Expr(ast.Call(ast.Name(name, ast.Load()), values, []))


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
            return any(_raises(one) for one in (*body, *orelse))
        case ast.Try(body=body, orelse=orelse, handlers=handlers):
            handling = [one for handler in handlers for one in handler.body if _raises(one)]
            return bool(handling) or any(_raises(o) or _asserts(o) for o in (*body, *orelse))
    return False


def _raises(one: ast.stmt) -> bool:
    """Whether it is a `raise`, or a call of `fail` from unittest or pytest."""
    if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call):
        return ast.unparse(one.value.func).rpartition(".")[2] == "fail"
    return isinstance(one, ast.Raise)


def _is_assertion(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2].lower()
    return name.startswith("assert") or name.endswith(("raises", "warns"))
