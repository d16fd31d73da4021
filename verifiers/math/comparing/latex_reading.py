r"""Passes text to math-verify's LaTeX grammar, if its reading is certain.

The grammar silently misreads much of its input: `\sin x / x` as the sine of 1, `a_k` as one constant,
`\frac{\partial f}{\partial x}` as 0. So only text of known signs, in forms with one meaning, is passed
on, and the result is checked again. No text is evaluated as code.
"""

import re
from functools import lru_cache
from typing import Any

_MOST_CHARACTERS = 400
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
        # E and I are constants in the LaTeX grammar, and T transposes.
        r"(?<![\\a-zA-Z])[a-zA-Z]*[EIT]",
        # Functions that may be read as factors.
        r"[fghFGH]\s*\(",
        # Subscripts are allowed only at the big operators and at logarithms.
        r"(?<!\\sum)(?<!\\prod)(?<!\\int)(?<!\\lim)(?<!\\log)_",
        # Products of numbers, mixed numbers, exponents of several digits, powers with factorials.
        r"\d\s+\d|\d\s*\\frac|\^\s*\d\d|\d\.(?!\d)|(?<!\d)\.|!\s*!|\^\s*(?:\w|\{[^{}]*\})\s*!",
        # `1/2x` may be `(1/2)x` or `1/(2x)`; repeated slashes.
        r"/\s*(?!(?:\d+|[a-zA-Z]|\([^()]*\)|\{[^{}]*\})!?(?:\^(?:\w|\{[^{}]*\}))?\s*(?:[-+)}|]|$))",
        # Functions without brackets take what follows, even after multiplication signs.
        rf"{_FUNCTION}(?:[_^](?:\w|{_GROUP}))*\s*(?![\s({{])[^-+)(}}]*?(?:/|\*|\\cdot|\\times|!)",
        # The power of a function or of its bracketed argument; brackets further on.
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


class Unsure(ValueError):
    """A text's meaning or value is uncertain."""


@lru_cache(maxsize=1024)
def read_latex(text: str) -> Any:
    """The expression in sympy's terms; None if its reading is uncertain."""
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        text, side = _one_side(_rewritten(text))
        _check_text(text)
        return _checked(_converted(text), side)
    except Unsure:
        return None


def _converted(text: str) -> Any:
    """The LaTeX grammar's result for the text, which must match to the end without being trimmed."""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    config = ConversionConfig(lowercase_symbols=False, interpret_as_mixed_fractions=False)
    try:
        return latex2sympy(text, is_real=True, normalization_config=None, conversion_config=config)
    except Exception as e:
        raise Unsure(str(e)) from e


def _rewritten(text: str) -> str:
    """The text rewritten into forms that the LaTeX grammar reads correctly."""
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
    """A command's argument, and the remaining text. Raises Unsure."""
    text = text.lstrip()
    if command := _COMMAND.match(text):
        return command[0], text[command.end() :]
    if not text.startswith("{"):
        if not text[:1].isalnum():
            raise Unsure("an argument is missing")
        return text[0], text[1:]
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return text[1:i].strip(), text[i + 1 :]
    raise Unsure("a brace is not closed")


def _one_side(text: str) -> tuple[str, str]:
    """The text without the signs of one-sided limits, and the side. Raises Unsure for several."""
    sides = [match[3] or match[4] for match in _SIDE.finditer(text)]
    if sides and (len(set(sides)) > 1 or len(sides) < text.count("\\lim")):
        raise Unsure("limits from several sides")
    return _SIDE.sub(r"\1\2", text), sides[0] if sides else "+-"


def _check_text(text: str) -> None:
    r"""Raises Unsure for signs that the LaTeX grammar drops, or that have several meanings.

    Examples: percent and degree signs, `\text`, `\cdots`, commas, subscripts of variables.
    """
    position = 0
    while position < len(text):
        match = _SIGN.match(text, position)
        if match is None or (match[1] and match[1] not in _COMMANDS):
            raise Unsure(f"{text[position : position + 10]!r} has no certain reading")
        position = match.end()
    if any(pattern.search(text) for pattern in _DOUBTFUL):
        raise Unsure("it can be read in several ways")
    if "[" in text and not re.fullmatch(r"[^\[\]]*(?:\\sqrt\s*\[\d+\][^\[\]]*)*", text):
        raise Unsure("square brackets outside a root")
    num_integrals = text.count("\\int")
    num_d = len(_LETTER_D.findall(_COMMAND.sub(" ", text)))
    if num_integrals and (num_d != num_integrals or len(_DIFFERENTIAL.findall(text)) != num_d):
        raise Unsure("an integral without its differential, or a differential without its integral")


def _checked(expression: Any, side: str) -> Any:
    """The expression with its limits from the intended side. Raises Unsure if in doubt."""
    import sympy

    if not isinstance(expression, sympy.Expr):
        raise Unsure("no expression")
    if expression.has(sympy.core.function.AppliedUndef, sympy.AccumBounds, sympy.nan, sympy.zoo):
        raise Unsure("an unknown function")
    _check_derivatives(expression)
    bound = set()
    for part in expression.atoms(sympy.Sum, sympy.Product, sympy.Integral):
        for limits in part.limits:
            if len(limits) != 3 or not isinstance(limits[0], sympy.Symbol):
                raise Unsure("a sum or integral without bounds")
            bound.add(limits[0])
    bound |= {part.args[1] for part in expression.atoms(sympy.Limit)}
    if bound & expression.free_symbols:
        raise Unsure("a letter has a meaning inside and another one outside")
    for symbol in expression.free_symbols | bound:
        if len(symbol.name) > 1 and symbol.name not in _GREEK:
            raise Unsure(f"{symbol.name} is not a variable")
    expression = _sided(expression, side)
    imaginary = [symbol for symbol in expression.free_symbols if symbol.name == "i"]
    return expression.subs(imaginary[0], sympy.I) if imaginary else expression


def _check_derivatives(expression: Any) -> None:
    """Raises Unsure unless derivatives are of functions of the variable alone."""
    import sympy

    for part in expression.atoms(sympy.Derivative):
        # What follows a derivative may or may not belong to it.
        if (
            part is not expression
            or part.expr.is_Symbol
            or part.expr.free_symbols != set(part.variables)
        ):
            raise Unsure("a derivative of something unknown")


def _sided(expression: Any, side: str) -> Any:
    """Sets the side of limits: the grammar reads all as right-sided; without a sign use both sides."""
    import sympy

    def with_side(part: Any) -> Any:
        inner, variable, point, _ = part.args
        return sympy.Limit(inner, variable, point, side)

    def is_limit(part: Any) -> bool:
        return isinstance(part, sympy.Limit) and not part.args[2].is_infinite

    return expression.replace(is_limit, with_side)
