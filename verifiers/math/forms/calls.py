"""Values of undefined functions, such as `I(0)` and `y(t)`: they equal only themselves."""

from collections.abc import Iterator

from verifiers.math.forms.nodes import Apply, Formula, Quantity, Variable


def call(name: str, arguments: tuple[Formula, ...]) -> Formula:
    """The function with this name, applied to the arguments."""
    return Apply(f"{name}()", arguments)


def calls_in(formula: Formula) -> frozenset[Formula]:
    """All such values in an expression."""
    return frozenset(_calls(formula))


def with_calls_named(formula: Formula) -> Formula:
    """The expression with each such value replaced by a variable."""
    if isinstance(formula, Quantity):
        return Quantity(with_calls_named(formula.value), formula.unit)
    if not isinstance(formula, Apply):
        return formula
    if _is_call(formula):
        return Variable(repr(formula))
    return Apply(formula.name, tuple(map(with_calls_named, formula.args)))


def _calls(formula: Formula) -> Iterator[Formula]:
    if isinstance(formula, Quantity):
        yield from _calls(formula.value)
    elif isinstance(formula, Apply):
        if _is_call(formula):
            yield formula
        for argument in formula.args:
            yield from _calls(argument)


def _is_call(formula: Apply) -> bool:
    return formula.name.endswith("()")
