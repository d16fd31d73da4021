"""Programs in several blocks: imports in one, a helper in another, the function in the last.

Other blocks contribute only statements that define a name which the program uses but lacks. A complete
program stays unchanged.
"""

import ast
import builtins
from collections.abc import Iterator, Sequence

from verifiers.code.reading.python_text import parsed

_GIVEN = frozenset({*dir(builtins), "__name__", "__file__", "__doc__"})
_MOST_BLOCKS, _MOST_PIECES = 20, 100
"""More than an honest response has."""


def with_pieces(code: str, others: Sequence[str]) -> str:
    """The program after the definitions it needs from other blocks; later blocks take precedence."""
    missing = _missing(code) if others else set()
    if not missing:
        return code
    statements = [
        (block, one, names)
        for block in others[-_MOST_BLOCKS:]
        for one in getattr(parsed(block), "body", ())
        if (names := _names_given(one))
    ]
    pieces: list[str] = []
    found: set[str] = set()
    while len(pieces) < _MOST_PIECES and (need := [one for one in statements if one[2] & missing]):
        block, statement, names = need[-1]
        piece = _source(block, statement)
        pieces.insert(0, piece)
        found |= names
        missing = (missing | _missing(piece)) - found
    return "\n".join([*pieces, code])


def _missing(code: str) -> set[str]:
    """Names that the code uses but never binds."""
    tree = parsed(code)
    if tree is None:
        return set()
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            # A star import can bind any name.
            return set()
        else:
            bound.update(_names_bound(node))
    return used - bound - _GIVEN


def _names_bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name.split(".")[0] for alias in aliases)
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            yield name


def _names_given(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement can provide to another block."""
    match statement:
        case ast.Assign(targets=targets):
            return {node.id for one in targets for node in ast.walk(one) if isinstance(node, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return {name}
        case (
            ast.FunctionDef()
            | ast.AsyncFunctionDef()
            | ast.ClassDef()
            | ast.Import()
            | ast.ImportFrom()
        ):
            return set(_names_bound(statement))
    return set()


def _source(block: str, statement: ast.stmt) -> str:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(one.lineno for one in decorators)])
    return "\n".join(block.split("\n")[first - 1 : statement.end_lineno])
