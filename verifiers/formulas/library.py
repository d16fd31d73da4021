r"""Asks math-verify's LaTeX grammar and sympy about sums, products, integrals, limits and derivatives.

The LaTeX grammar reads much of what it is given as something else, and silently: `\sin x / x` as the
sine of 1, `a_k` as one constant, `\frac{\partial f}{\partial x}` as 0. So only text of known signs in
forms that leave no doubt is given to it, and what comes back is looked through once more. None of the
text is evaluated as code.

Equal are values that are the same exactly, or to a hundred digits; sums with numbers for bounds are
added up term by term, and what sympy finds for infinite sums, integrals and limits counts only if
numbers bear it out. To be run in a process that can be killed: simplifying may take for ever.
"""

import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verifiers.formulas.comparison import Comparison, no, unknown, yes
from verifiers.formulas.equality import Equal, Point, points

_DIGITS = 110
_SAME, _DIFFERENT = 10.0**-95, 10.0**-80
"""Relative differences: what is less is none, what is more is one."""
_TINY = 10.0**-60
"""Values below this are compared only exactly."""
_ROUNDED = 0.01
"""Decimals may be rounded: only what differs by more is another number."""
_ENOUGH = 3
_MOST_TERMS = 3000
_MOST_CHARACTERS = 400
_CHECK_DIGITS, _CHECKED = 15, 10.0**-8
_NEAR = 10**6
"""How near to the point of a limit its function is looked at, and how far out."""
_NEAR_DIGITS, _LIMIT_CHECKED = 60, 0.1

_COMMANDS = frozenset(
    (
        "sum prod int lim frac binom sqrt infty to rightarrow pi cdot times partial "
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp "
        "lfloor rfloor lceil rceil alpha beta delta theta lambda mu nu rho sigma tau phi omega"
    ).split()
)
_GREEK = frozenset("alpha beta delta theta lambda mu nu rho sigma tau phi omega".split())
_SIGN = re.compile(r"\\([a-zA-Z]+)|[0-9a-zA-Z\s+\-*/^_=()\[\]{}!|.]")
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|ln|log|exp)(?![a-z])"
_GROUP = r"\{[^{}]*\}"
_DOUBTFUL = tuple(
    re.compile(pattern)
    for pattern in (
        # E and I are constants to the LaTeX grammar, T transposes.
        r"(?<![\\a-zA-Z])[a-zA-Z]*[EIT]",
        # Functions, which may be read as factors.
        r"[fghFGH]\s*\(",
        # Subscripts stand only below the big operators, and at logarithms.
        r"(?<!\\sum)(?<!\\prod)(?<!\\int)(?<!\\lim)(?<!\\log)_",
        # Products of numbers, mixed numbers, several digits raised, powers with factorials.
        r"\d\s+\d|\d\s*\\frac|\^\s*\d\d|\d\.(?!\d)|(?<!\d)\.|!\s*!|\^\s*(?:\w|\{[^{}]*\})\s*!",
        # `1/2x` is `(1/2)x` to some and `1/(2x)` to others; slashes behind slashes.
        r"/\s*(?!(?:\d+|[a-zA-Z]|\([^()]*\)|\{[^{}]*\})!?(?:\^(?:\w|\{[^{}]*\}))?\s*(?:[-+)}|]|$))",
        # Functions without brackets take what follows, even behind signs of multiplication.
        rf"{_FUNCTION}(?:[_^](?:\w|{_GROUP}))*\s*(?![\s({{])[^-+)(}}]*?(?:/|\*|\\cdot|\\times|!)",
        # The power of a function or of what stands in its brackets; brackets further on.
        rf"{_FUNCTION}\s*\([^()]*\)\s*[\^!]",
        rf"{_FUNCTION}(?:[_^](?:\w|{_GROUP}))*\s*[^\s({{\\^_][^-+)}}]*\(",
        # Absolute values nest in more than one way.
        r"\|[^|]*\|[^|]*\|",
        # Differentials below a bar.
        r"\}\s*\{\s*d\s*(?:[a-z]|\\[a-z]+)\s*\}.*\\int|\\int.*\}\s*\{\s*d\s*(?:[a-z]|\\[a-z]+)\s*\}",
    )
)
_UPRIGHT = re.compile(r"\\(?:mathrm|text|operatorname|rm)\s*\{\s*([dei])\s*\}")
_UPPER_FIRST = re.compile(rf"(\\(?:sum|prod|int))\s*\^\s*(\w|\\infty|{_GROUP})\s*_\s*(\w|{_GROUP})")
_SHORT_SCRIPT = re.compile(r"([_^])\s*(\d(?!\d)|[a-zA-Z])")
_BELOW = re.compile(r"(\\(?:sum|prod|int|lim|log))\s+_")
_WITH_ARGUMENTS = re.compile(r"\\(frac|binom)(?![a-zA-Z])")
_SIDE = re.compile(r"(\\to|\\rightarrow)([^{}]*?)\^\s*(?:\{\s*([-+])\s*\}|([-+]))")
_DIFFERENTIAL = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]*d(?=\s*(?:[a-zA-Z]|\\[a-z]+))")
_LETTER_D = re.compile(r"d")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_NATURAL = re.compile(r"\\log(?!\s*_)(?![a-zA-Z])")
_DECIMAL = re.compile(r"\d\.\d")


_FAILURES = (
    ArithmeticError,
    ValueError,
    TypeError,
    NotImplementedError,
    AttributeError,
    RecursionError,
)
"""What sympy raises where it finds no value, such as for a sum that diverges."""


class _Unsure(ValueError):
    """It cannot be said what a text means, or what its value is."""


def compare_by_library(gold: str, answer: str) -> Comparison:
    """Compares two answers in plain LaTeX."""
    found = _compare(gold, answer)
    if found.equal is not Equal.YES and (_NATURAL.search(gold) or _NATURAL.search(answer)):
        # `\log` is the natural logarithm to some and the decimal one to others.
        natural = _compare(_NATURAL.sub(r"\\ln", gold), _NATURAL.sub(r"\\ln", answer))
        return found if natural.equal is found.equal or natural.equal is Equal.UNKNOWN else natural
    return found


def _compare(gold: str, answer: str) -> Comparison:
    ours, theirs = _parse(gold), _parse(answer)
    if ours is None:
        return unknown("the gold answer cannot be read")
    if theirs is None:
        return unknown("the answer cannot be read")
    rounded = bool(_DECIMAL.search(gold) or _DECIMAL.search(answer))
    found = _by_values(ours, theirs, rounded)
    if found is Equal.NO:
        return no("not equal at a point that was tried")
    if found is Equal.YES:
        return yes("equal at the points that were tried")
    return unknown("it cannot be told whether they are equal")


# ------------------------------------------------------------------------------------------ reading


@lru_cache(maxsize=1024)
def _parse(text: str) -> Any:
    """The expression in sympy's terms; None if it cannot be told for sure what it is."""
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        text, side = _one_side(_rewritten(text))
        _check_text(text)
        return _checked(_converted(text), side)
    except _Unsure:
        return None


def _converted(text: str) -> Any:
    """What the LaTeX grammar makes of the text: nothing is taken off, and it has to fit to the end."""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    config = ConversionConfig(lowercase_symbols=False, interpret_as_mixed_fractions=False)
    try:
        return latex2sympy(text, is_real=True, normalization_config=None, conversion_config=config)
    except Exception as e:
        raise _Unsure(str(e)) from e


def _rewritten(text: str) -> str:
    """The same in the forms that the LaTeX grammar reads right."""
    text = _UPRIGHT.sub(r" \1", text)
    text = _UPPER_FIRST.sub(r"\1_\3^\2 ", text)
    text = _BELOW.sub(r"\1_", text)
    text = _SHORT_SCRIPT.sub(r"\1{\2}", text)
    for match in reversed(list(_WITH_ARGUMENTS.finditer(text))):
        head, rest = text[: match.end()], text[match.end() :]
        top, rest = _argument(rest)
        bottom, rest = _argument(rest)
        differential = re.fullmatch(r"d\s*([a-z]|\\[a-z]+)", top)
        if match[1] == "frac" and differential and "\\int" in head and not bottom.startswith("d"):
            text = f"{head}{{1}}{{{bottom}}} {top} {rest}"
        else:
            text = f"{head}{{{top}}}{{{bottom}}}{rest}"
    return text.strip()


def _argument(text: str) -> tuple[str, str]:
    """What a command takes as its argument, and the rest. Raises _Unsure."""
    text = text.lstrip()
    if command := _COMMAND.match(text):
        return command[0], text[command.end() :]
    if not text.startswith("{"):
        if not text[:1].isalnum():
            raise _Unsure("an argument is missing")
        return text[0], text[1:]
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return text[1:i].strip(), text[i + 1 :]
    raise _Unsure("a brace is not closed")


def _one_side(text: str) -> tuple[str, str]:
    """The text without the signs of one-sided limits, and the side. Raises _Unsure for several."""
    sides = [match[3] or match[4] for match in _SIDE.finditer(text)]
    if sides and (len(set(sides)) > 1 or len(sides) < text.count("\\lim")):
        raise _Unsure("limits from several sides")
    return _SIDE.sub(r"\1\2", text), sides[0] if sides else "+-"


def _check_text(text: str) -> None:
    r"""Raises _Unsure for signs that the LaTeX grammar drops or that mean several things.

    Such as percent and degree signs, `\text`, `\cdots`, commas, subscripts of variables.
    """
    position = 0
    while position < len(text):
        match = _SIGN.match(text, position)
        if match is None or (match[1] and match[1] not in _COMMANDS):
            raise _Unsure(f"{text[position : position + 10]!r} is not read for sure")
        position = match.end()
    if any(pattern.search(text) for pattern in _DOUBTFUL):
        raise _Unsure("it can be read in several ways")
    if "[" in text and not re.fullmatch(r"[^\[\]]*(?:\\sqrt\s*\[\d+\][^\[\]]*)*", text):
        raise _Unsure("brackets that are none of a root")
    num_integrals = text.count("\\int")
    num_d = len(_LETTER_D.findall(_COMMAND.sub(" ", text)))
    if num_integrals and (num_d != num_integrals or len(_DIFFERENTIAL.findall(text)) != num_d):
        raise _Unsure("an integral without its differential, or a differential without its integral")


def _checked(expression: Any, side: str) -> Any:
    """The expression with its limits from the side meant. Raises _Unsure for what is in doubt."""
    import sympy

    if not isinstance(expression, sympy.Expr):
        raise _Unsure("no expression")
    if expression.has(sympy.core.function.AppliedUndef, sympy.AccumBounds, sympy.nan, sympy.zoo):
        raise _Unsure("a function that is not known")
    _check_derivatives(expression)
    bound = set()
    for part in expression.atoms(sympy.Sum, sympy.Product, sympy.Integral):
        for limits in part.limits:
            if len(limits) != 3 or not isinstance(limits[0], sympy.Symbol):
                raise _Unsure("a sum or integral without bounds")
            bound.add(limits[0])
    bound |= {part.args[1] for part in expression.atoms(sympy.Limit)}
    if bound & expression.free_symbols:
        raise _Unsure("a letter has a meaning inside and another one outside")
    for symbol in expression.free_symbols | bound:
        if len(symbol.name) > 1 and symbol.name not in _GREEK:
            raise _Unsure(f"{symbol.name} is no variable")
    expression = _sided(expression, side)
    imaginary = [symbol for symbol in expression.free_symbols if symbol.name == "i"]
    return expression.subs(imaginary[0], sympy.I) if imaginary else expression


def _check_derivatives(expression: Any) -> None:
    """Letters may depend on the variable: only functions of that alone have a known derivative."""
    import sympy

    for part in expression.atoms(sympy.Derivative):
        # What stands behind one may belong to it or not.
        if (
            part is not expression
            or part.expr.is_Symbol
            or part.expr.free_symbols != set(part.variables)
        ):
            raise _Unsure("a derivative of something unknown")


def _sided(expression: Any, side: str) -> Any:
    """The LaTeX grammar takes every limit from the right; without a sign it is one from both sides."""
    import sympy

    def with_side(part: Any) -> Any:
        inner, variable, point, _ = part.args
        return sympy.Limit(inner, variable, point, side)

    def is_limit(part: Any) -> bool:
        return isinstance(part, sympy.Limit) and not part.args[2].is_infinite

    return expression.replace(is_limit, with_side)


# ---------------------------------------------------------------------------------------- comparing


def _by_values(one: Any, other: Any, rounded: bool) -> Equal:
    """Compares expressions at points; a difference at one is enough, agreement at several."""
    symbols = {symbol.name: symbol for symbol in one.free_symbols | other.free_symbols}
    whole = frozenset(symbol.name for symbol in _whole(one) | _whole(other))
    agreed = 0
    for point in _points(frozenset(symbols), whole):
        at = {symbols[name]: _rational(value) for name, value in point.items()}
        found = _at(one, other, at, rounded)
        if found is Equal.NO:
            return Equal.NO
        agreed += found is Equal.YES
        if agreed >= (2 * _ENOUGH if symbols else 1):
            break
    return Equal.YES if agreed >= (_ENOUGH if symbols else 1) else Equal.UNKNOWN


def _whole(expression: Any) -> set[Any]:
    """Variables that stand for natural numbers: in the bounds of sums, in factorials and binomials."""
    import sympy

    found: set[Any] = set()
    for part in expression.atoms(sympy.Sum, sympy.Product):
        for _, *bounds in part.limits:
            found = found.union(*(bound.free_symbols for bound in bounds))
    for part in expression.atoms(sympy.factorial, sympy.binomial):
        found |= part.free_symbols
    return {symbol for symbol in found if symbol in expression.free_symbols}


def _points(names: frozenset[str], whole: frozenset[str]) -> Iterator[Point]:
    """Those of other comparisons, and small ones, where power series converge."""
    if not names:
        yield {}
        return
    for number, point in enumerate(points(names, whole)):
        small = {
            name: value if name in whole else (value / (1 + abs(value))).limit_denominator(100)
            for name, value in point.items()
        }
        yield small
        if number < _ENOUGH and small != point:
            yield {name: value.limit_denominator(100) for name, value in point.items()}


def _rational(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _at(one: Any, other: Any, at: dict[Any, Any], rounded: bool) -> Equal:
    try:
        return _same(_value(one, at), _value(other, at), rounded)
    except _FAILURES:
        return Equal.UNKNOWN


def _same(x: Any, y: Any, rounded: bool) -> Equal:
    if x.is_Rational and y.is_Rational and not rounded:
        return Equal.YES if x == y else Equal.NO
    x, y = x.evalf(_DIGITS), y.evalf(_DIGITS)
    if not (x.is_Float or x.is_Rational) or not (y.is_Float or y.is_Rational):
        return Equal.UNKNOWN
    if not (x.is_finite and y.is_finite):
        return Equal.UNKNOWN
    size, difference = max(abs(x), abs(y)), abs(x - y)
    if min(abs(x), abs(y)) < _TINY:
        return Equal.NO if size > _ROUNDED else Equal.UNKNOWN
    if difference <= _SAME * size:
        return Equal.YES
    return Equal.NO if difference > (_ROUNDED if rounded else _DIFFERENT) * size else Equal.UNKNOWN


# ------------------------------------------------------------------------------------------- values


def _value(expression: Any, at: dict[Any, Any]) -> Any:
    """The exact value at a point. Raises _Unsure, and whatever sympy raises."""
    import sympy

    _check_bounds(expression, at)
    value = _evaluated(expression.subs(at), [_MOST_TERMS]).doit()
    if value.has(
        sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative, sympy.Piecewise
    ):
        raise _Unsure("it has no value that is known")
    if value.free_symbols or value.has(sympy.nan, sympy.zoo, sympy.oo, sympy.AccumBounds):
        raise _Unsure("it has no finite value")
    return sympy.re(value) if value.has(sympy.I) and sympy.im(value).equals(0) else value


def _check_bounds(expression: Any, at: dict[Any, Any]) -> None:
    """Formulas for sums are meant for those with terms. Raises _Unsure at other points."""
    import sympy

    for part in expression.atoms(sympy.Sum, sympy.Product):
        for _, lower, upper in part.limits:
            if (upper - lower).subs(at).is_negative:
                raise _Unsure("a sum without terms")


def _evaluated(expression: Any, left: list[int]) -> Any:
    """The expression with its sums, products, integrals and limits replaced by what they are."""
    import sympy

    if isinstance(expression, sympy.Sum | sympy.Product):
        *inner, (variable, lower, upper) = expression.limits
        if (upper - lower).is_Integer and lower.is_Integer:
            body = expression.func(expression.function, *inner) if inner else expression.function
            terms = [
                _evaluated(body.subs(variable, k), left) for k in _range(int(lower), int(upper), left)
            ]
            return sympy.Add(*terms) if isinstance(expression, sympy.Sum) else sympy.Mul(*terms)
    if isinstance(expression, sympy.Sum | sympy.Product | sympy.Integral | sympy.Limit):
        return _found(expression)
    if not expression.args:
        return expression
    return expression.func(*(_evaluated(argument, left) for argument in expression.args))


def _range(lower: int, upper: int, left: list[int]) -> range:
    """The numbers from `lower` to `upper`; their number is taken off that of terms left."""
    left[0] -= max(upper - lower + 1, 1)
    if left[0] < 0:
        raise _Unsure("more terms than are added up here")
    return range(lower, upper + 1)


def _found(expression: Any) -> Any:
    """What sympy finds, if numbers bear it out: what it finds is now and then wrong."""
    import sympy

    value = expression.doit()
    if not value.is_number or value.has(type(expression)) or not value.is_finite:
        raise _Unsure("it has no finite value that is known")
    if isinstance(expression, sympy.Limit):
        _check_limit(expression, value)
        return value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        number = expression.evalf(_CHECK_DIGITS)
    _check_near(number, value, _CHECKED)
    return value


def _check_limit(limit: Any, value: Any) -> None:
    """Looks at the function close to the point, on each side that counts."""
    import sympy

    inner, variable, point, side = limit.args
    # A number of some digits, since powers of exact ones would be computed to the last.
    near = sympy.Float(_NEAR, _NEAR_DIGITS)
    if point.is_infinite:
        places = [sympy.sign(point) * near]
    else:
        signs = {"+": (1,), "-": (-1,)}.get(str(side), (1, -1))
        places = [point + sign / near for sign in signs]
    if inner.has(sympy.Sum, sympy.Product, sympy.Integral):
        raise _Unsure("a limit of sums")
    for place in places:
        number = inner.subs(variable, place.evalf(_NEAR_DIGITS)).evalf(_CHECK_DIGITS)
        _check_near(number, value, _LIMIT_CHECKED)


def _check_near(number: Any, value: Any, tolerance: float) -> None:
    value = value.evalf(_CHECK_DIGITS)
    if not (number.is_number and number.is_finite and value.is_number):
        raise _Unsure("no number to check it by")
    if not abs(number - value) <= tolerance * max(abs(value), 1):
        raise _Unsure("numbers speak against it")
