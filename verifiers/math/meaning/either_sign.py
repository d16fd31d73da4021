"""Expressions with `\\pm`, which stand for two expressions."""

from verifiers.math.forms.nodes import Apply, Formula, Items, Quantity, Unreadable

_EITHER_SIGN = frozenset(["plus_minus", "minus_plus"])


def written_out(items: Items) -> Items:
    """The items with every `±` expanded into its two readings."""
    flat: list[Formula] = []
    for item in items.items:
        signs = both_signs(item)
        flat.extend(signs if signs is not None else (item,))
    return Items(tuple(flat), items.left, items.right, items.joiner)


def both_signs(formula: Formula) -> tuple[Formula, ...] | None:
    """Both readings of an expression with `±`; None without one."""
    if _num_signs(formula) > 1:
        raise Unreadable("several signs \u00b1 are ambiguous: they may agree or differ")
    plus, minus = _with_sign(formula, 1), _with_sign(formula, -1)
    return None if plus == minus else (plus, minus)


def _num_signs(formula: Formula) -> int:
    if isinstance(formula, Quantity):
        return _num_signs(formula.value)
    if not isinstance(formula, Apply):
        return 0
    return (formula.name in _EITHER_SIGN) + sum(map(_num_signs, formula.args))


def _with_sign(formula: Formula, sign: int) -> Formula:
    if isinstance(formula, Quantity):
        return Quantity(_with_sign(formula.value, sign), formula.unit)
    if not isinstance(formula, Apply):
        return formula
    arguments = tuple(_with_sign(argument, sign) for argument in formula.args)
    if formula.name in _EITHER_SIGN:
        left, right = arguments
        minus = (formula.name == "plus_minus") == (sign < 0)
        return Apply("add", (left, Apply("neg", (right,)) if minus else right))
    return Apply(formula.name, arguments)
