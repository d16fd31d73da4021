"""Finds the function that test code tests, if its target does not name it."""

import ast
import builtins


def entry_point_of(tests: str) -> str | None:
    """The function that the tests call, from their asserts first; None if there is none."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    asserted = [
        node for one in ast.walk(tree) if isinstance(one, ast.Assert) for node in ast.walk(one.test)
    ]
    others = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    others.sort(key=lambda call: (call.lineno, call.col_offset))
    own = _own_names(tree)
    called = [
        node.func.id
        for node in [*asserted, *others]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in own
    ]
    # A program may define a name that Python has too, such as `sum`.
    return next((name for name in called if not hasattr(builtins, name)), next(iter(called), None))


def _own_names(tree: ast.Module) -> set[str]:
    """Names that the tests define themselves."""
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
