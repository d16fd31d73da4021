"""Plants faults in programs by rule, to test the judges of programs."""

import ast
import copy
from collections.abc import Iterator

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}


def mutants(code: str, function: str) -> Iterator[tuple[str, str]]:
    """(the change, the faulty program), for each rule and each place in `function`."""
    tree = ast.parse(code)
    for fault in ("return None", "raise ValueError", "return {argument}"):
        changed = copy.deepcopy(tree)
        twin = next(n for n in changed.body if isinstance(n, ast.FunctionDef) and n.name == function)
        statement = fault.format(argument=twin.args.args[0].arg)
        twin.body = ast.parse(statement).body
        yield statement, ast.unparse(ast.fix_missing_locations(changed))
    body = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    )
    places = [node for statement in body.body for node in ast.walk(statement)]
    for index, place in enumerate(places):
        changed = copy.deepcopy(tree)
        twin = next(n for n in changed.body if isinstance(n, ast.FunctionDef) and n.name == function)
        node = [n for statement in twin.body for n in ast.walk(statement)][index]
        before = ast.unparse(place)
        if _change(node):
            what = f"line {getattr(place, 'lineno', 0)}: {before} -> {ast.unparse(node)}"
            yield what, ast.unparse(ast.fix_missing_locations(changed))


def _change(node: ast.AST) -> bool:
    """Changes the node in place, if a rule applies to it."""
    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in _COMPARE:
            node.ops = [_COMPARE[type(op)](), *rest]
        case ast.BinOp(op=op) if type(op) in _BINARY:
            node.op = _BINARY[type(op)]()
        case ast.AugAssign(op=op) if type(op) in _BINARY:
            node.op = _BINARY[type(op)]()
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.Return(value=ast.expr() as value):
            # A list or pair around the right value: only a comparison of whole values detects it.
            node.value = ast.List(elts=[value], ctx=ast.Load())
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value)):
            node.value = value + 1
        case _:
            return False
    return True
