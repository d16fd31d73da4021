"""Reads an answer: recursive descent over its tokens.

    answer    = chain { ("," | ";" | "and" | "or") chain }
    chain     = side { ("=" | "<" | ">" | "<=" | ">=" | "!=" | "in" | "approx") side }
    side      = set { ":" set }                           a ratio, where there is more than one
    set       = sum { ("cup" | "cap" | "setminus") sum }
    sum       = [sign] term { ("+" | "-" | "pm" | "mp") term }
    term      = power { ["*" | "/"] power } [unit]         juxtaposition multiplies
    power     = atom { "^" exponent | "!" | "%" | degrees }

Where notation is ambiguous: `1/2x` is `(1/2)x`; a function without brackets takes the factors after it,
so `\\sin 2x` is the sine of `2x`; `-2^2` is `-(2^2)`; a whole number before a fraction makes it mixed.
"""

from fractions import Fraction
from functools import lru_cache

from verifiers.formulas.building import (
    determinant,
    divide,
    negative,
    numeral,
    product,
    proper_fraction,
    sum_of,
    with_unit,
)
from verifiers.formulas.cursor import END, Cursor
from verifiers.formulas.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Number,
    Quantity,
    Ratio,
    Relation,
    SetOperation,
    Unreadable,
    Variable,
)
from verifiers.formulas.notation import plain
from verifiers.formulas.tokens import Token, tokenize
from verifiers.formulas.units import CURRENCY_SIGNS, DEGREE, PERCENT
from verifiers.formulas.wording import read_sentence, read_words

_LONGEST_KEPT = 200
"""Characters of an answer that is worth remembering."""
_RELATIONS = frozenset(["=", "<", ">", "<=", ">=", "!=", "in", "approx"])
_SEPARATORS = frozenset([",", ";", "and", "or"])
_SET_OPERATIONS = frozenset(["cup", "cap", "setminus"])
_CLOSING = {
    "(": ")]",
    "[": "])",
    "{": "}",
    "\\{": ("\\}",),
    "<<": (">>",),
    "lfloor": ("rfloor",),
    "lceil": ("rceil",),
}
_OPENING = frozenset(_CLOSING)
_STARTS_FACTOR = frozenset(
    ["number", "name", "constant", "function", "frac", "sqrt", "binom", "begin"]
) | (_OPENING - {"\\{"})
_CONTINUES_ARGUMENT = _STARTS_FACTOR - {"function", "(", "["}
_PLUS_MINUS = {"pm": "plus_minus", "mp": "minus_plus"}
_ZERO = Number(Fraction(0))
_ARC = {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "arsinh": "asinh", "arcosh": "acosh"}
_ALIASES |= {"artanh": "atanh", "lg": "log10"}


def read(text: str) -> Formula:
    """What an answer means. Raises Unreadable."""
    return _remembered(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> Formula:
    text = plain(text)
    if (words := read_words(text)) is not None:
        return words
    try:
        return _Parser(tokenize(text)).answer()
    except Unreadable:
        if (sentence := read_sentence(text)) is not None:
            return sentence
        raise


_remembered = lru_cache(maxsize=4096)(_read)


class _Parser(Cursor):
    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._bars = 0
        """Open `|`, inside of which the next one closes."""

    # ---------------------------------------------------------------------------------- structure

    def answer(self) -> Formula:
        formula = self._list()
        if self.next.kind != END.kind:
            raise self.lost()
        return formula

    def _list(self) -> Formula:
        items, joiner = [self._chain()], ""
        while self.next.kind in _SEPARATORS:
            while self.next.kind in _SEPARATORS:
                kind = self.take().kind
                joiner = kind if kind in ("and", "or") else joiner or ","
            if self.next.kind == END.kind:
                break
            items.append(self._chain())
        return Items(tuple(items), joiner=joiner) if len(items) > 1 else items[0]

    def _chain(self) -> Formula:
        sides, signs = [self._side()], []
        while self.next.kind in _RELATIONS:
            signs.append(self.take().kind)
            if self.next.kind == "=" and signs[-1] in "<>":
                signs[-1] += self.take().kind
            sides.append(self._side())
        return Relation(tuple(sides), tuple(signs)) if signs else sides[0]

    def _side(self) -> Formula:
        parts = [self._set()]
        while self.next.kind == ":" and not self._bars:
            self.take()
            parts.append(self._set())
        return Ratio(tuple(parts)) if len(parts) > 1 else parts[0]

    def _set(self) -> Formula:
        formula = self._sum()
        while self.next.kind in _SET_OPERATIONS:
            self.add_layer()
            formula = SetOperation(self.take().kind, formula, self._sum())
        return formula

    # ---------------------------------------------------------------------------------- arithmetic

    def _sum(self) -> Formula:
        terms = [self._signed_term()]
        while (kind := self.next.kind) in ("+", "-", "pm", "mp"):
            if kind != "-":
                self.take()
            term = self._signed_term()
            if kind in _PLUS_MINUS:
                self.add_layer()
                terms = [Apply(_PLUS_MINUS[kind], (sum_of(terms), term))]
            else:
                terms.append(term)
        return sum_of(terms)

    def _signed_term(self) -> Formula:
        """A term with the signs before it."""
        sign = self.next.kind
        if sign not in ("+", "-", "pm", "mp"):
            return self._term()
        self.take()
        self.enter()
        term = self._signed_term()
        self.depth -= 1
        if sign in _PLUS_MINUS:
            return Apply(_PLUS_MINUS[sign], (_ZERO, term))
        return negative(term) if sign == "-" else term

    def _term(self) -> Formula:
        currency = self.take() if self.next.kind == "currency" else None
        if currency is not None and self.next.kind == "-":
            raise self.lost()
        formula = self._power()
        while True:
            kind = self.next.kind
            if kind in ("*", "/"):
                self.take()
                sign = self.take().kind if self.next.kind in ("-", "+") else "+"
                right = self._power()
                right = negative(right) if sign == "-" else right
                if kind == "*":
                    formula = product(formula, right)
                    continue
                self.add_layer()
                formula = Apply("div", (formula, right))
                if not isinstance(formula.args[0], Number | Variable | Constant | Apply):
                    raise self.lost()
            elif kind in _STARTS_FACTOR or (
                kind in ("|", "lfloor", "lceil") and not (kind == "|" and self._bars)
            ):
                formula = self._times(formula)
            else:
                break
        if isinstance(formula, Number) and self.next.text.lower() in _SCALES:
            formula = Number(formula.value * _SCALES[self.take().text.lower()])
        if currency is not None:
            return self._priced(formula, currency)
        if self.next.kind == "currency":
            return self._priced(formula, self.take())
        return self._with_unit(formula)

    def _times(self, left: Formula) -> Formula:
        """Juxtaposition: a product, or a mixed number."""
        spaced, kind = self.next.spaced, self.next.kind
        if kind == "number" and not isinstance(left, Number | Apply):
            raise self.lost()
        right = self._power()
        if isinstance(left, Number) and left.places is None and left.value.denominator == 1:
            fraction = right
            if kind == "number" and spaced and self.next.kind == "/":
                self.take()
                fraction = divide(right, self._atom())
            if (kind == "frac" or fraction is not right) and (
                value := proper_fraction(fraction)
            ) is not None:
                return Number(left.value + value)
        if kind == "number" and isinstance(left, Number):
            raise self.lost()
        return product(left, right)

    def _power(self) -> Formula:
        base = self._atom()
        while True:
            kind = self.next.kind
            if kind in ("^", "!", "%", "deg"):
                self.add_layer()
            if kind == "^":
                self.take()
                if self.next.kind == "deg" or self.is_braced("deg"):
                    self.skip_braced()
                    base = self._degrees(base)
                    continue
                if self.next.kind == "'":
                    raise self.lost()
                base = Apply("pow", (base, self._exponent()))
            elif kind == "!":
                self.take()
                base = Apply("factorial", (base,))
            elif kind == "%":
                self.take()
                base = Quantity(base, PERCENT)
            elif kind == "deg":
                self.take()
                base = self._degrees(base)
            else:
                return base

    def _degrees(self, base: Formula) -> Formula:
        if self.next.kind == "name" and self.next.text in ("C", "F"):
            raise self.lost()
        if self.next.kind == "number" and self.following == "'":
            minutes = self._atom()
            self.take()
            base = Apply("add", (base, divide(minutes, Number(Fraction(60)))))
        return Quantity(base, DEGREE)

    def _exponent(self) -> Formula:
        self.enter()
        sign = self.take().kind if self.next.kind in ("-", "+") else "+"
        exponent = self._atom()
        if self.next.kind == "^":
            self.take()
            exponent = Apply("pow", (exponent, self._exponent()))
        self.depth -= 1
        return negative(exponent) if sign == "-" else exponent

    # --------------------------------------------------------------------------------------- atoms

    def _atom(self) -> Formula:
        token = self.take()
        kind = token.kind
        if kind == "number":
            assert token.value is not None
            return Number(token.value, token.places)
        if kind == "name":
            return self._name(token.text)
        if kind == "constant":
            return Constant(token.text)
        if kind == "set":
            return NamedSet(token.text)
        if kind == "empty":
            return NamedSet("empty")
        if kind == "numeral":
            digits, _, base = token.text.partition("_")
            return numeral(digits, int(base))
        self.enter()
        try:
            return self._compound(token)
        finally:
            self.depth -= 1

    def _compound(self, token: Token) -> Formula:
        kind = token.kind
        if kind in _OPENING:
            return self._bracketed(kind)
        if kind == "|":
            self._bars += 1
            inner = self._sum()
            self._bars -= 1
            self.expect("|")
            return Apply("abs", (inner,))
        if kind == "frac":
            return divide(self._argument(), self._argument())
        if kind == "binom":
            return Apply("binom", (self._argument(), self._argument()))
        if kind == "sqrt":
            return self._root()
        if kind == "function":
            return self._function(token.text)
        if kind == "begin":
            return self._matrix(token.text)
        self.position -= 1
        raise self.lost()

    def _name(self, name: str) -> Formula:
        if self.next.kind == "_":
            self.take()
            name += "_" + self._subscript()
        elif name == "e" or name == "i":
            return Constant(name)
        while self.next.kind == "'":
            self.take()
            name += "'"
        if name in _FUNCTION_LETTERS and self.next.kind == "(" and not self.next.spaced:
            return self._named_function(name)
        return Variable(name)

    def _named_function(self, name: str) -> Formula:
        """`f(x)` before an equals sign is a name for what follows; elsewhere it is unknown."""
        end = self.position + 1
        while end < len(self._tokens) and self._tokens[end].kind in ("name", ","):
            end += 1
        after = [token.kind for token in self._tokens[end : end + 2]]
        if after != [")", "="]:
            return Variable(name)
        arguments = "".join(token.text for token in self._tokens[self.position : end + 1])
        self.position = end + 1
        return Variable(name + arguments)

    def _subscript(self) -> str:
        if self.next.kind != "{":
            return self.take().text
        self.take()
        parts = []
        while self.next.kind not in ("}", END.kind):
            parts.append(self.take().text)
        self.expect("}")
        return "".join(parts)

    def _bracketed(self, left: str) -> Formula:
        if self.next.kind in _CLOSING[left] and left in ("\\{", "{"):
            self.take()
            return NamedSet("empty")
        # In braces a bar after something is that of a set-builder.
        bars, self._bars = self._bars, int(left == "\\{")
        inner = self._list()
        if left == "\\{" and self.next.kind in ("|", ":"):
            self.take()
            inner = self._list()  # of a set-builder only the condition is kept
            self.expect("\\}")
            self._bars = bars
            return inner
        self._bars = bars
        right = self.take().kind
        if right not in _CLOSING[left]:
            self.position -= 1
            raise self.lost()
        if left in ("lfloor", "lceil"):
            return Apply({"lfloor": "floor", "lceil": "ceil"}[left], (inner,))
        bare = isinstance(inner, Items) and not inner.left
        if left == "\\{" or (left == "{" and bare):
            return Items(inner.items if bare else (inner,), "{", "}")  # type: ignore[union-attr]  # bare: Items
        if bare:
            return Items(inner.items, "(" if left == "<<" else left, ")" if right == ">>" else right)  # type: ignore[union-attr]  # bare: Items
        if (
            left == "["
            and right == "]"
            and not isinstance(inner, Number | Variable | Constant | Apply | Matrix)
        ):
            return Items((inner,), "[", "]")
        return inner

    def _argument(self) -> Formula:
        """Of a LaTeX command: a group or one token."""
        if self.next.kind == "{":
            self.take()
            return self._bracketed("{")
        return self._atom()

    def _root(self) -> Formula:
        if self.next.kind == "[":
            self.take()
            degree = self._sum()
            self.expect("]")
            return Apply("root", (self._argument(), degree))
        return Apply("sqrt", (self._argument(),))

    def _function(self, name: str) -> Formula:
        name = _ALIASES.get(name, name)
        base: Formula | None = None
        power: Formula | None = None
        while self.next.kind in ("^", "_"):
            if self.take().kind == "^":
                power = self._exponent()
            else:
                base = self._argument()
        if power == Number(Fraction(-1)) and name in _ARC:
            name, power = "arc" + name, None
            name = {"arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"}.get(name, name)
        arguments = self._function_arguments()
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise self.lost()
            name, arguments = "log_base", (*arguments, base)
        formula: Formula = Apply(name, arguments)
        return formula if power is None else Apply("pow", (formula, power))

    def _function_arguments(self) -> tuple[Formula, ...]:
        if self.next.kind in ("(", "{", "["):
            inner = self._bracketed(self.take().kind)
            return inner.items if isinstance(inner, Items) else (inner,)
        if self.next.kind == "-":
            self.take()
            return (negative(self._power()),)
        argument = self._power()
        while self.next.kind in _CONTINUES_ARGUMENT:
            argument = self._times(argument)
        return (argument,)

    def determinant(self) -> Formula:
        matrix = self._matrix("matrix")
        assert isinstance(matrix, Matrix)
        if len(matrix.rows) != len(matrix.rows[0]) or len(matrix.rows) > 4:
            raise self.lost()
        return determinant(matrix.rows)

    def _determinant(self) -> Formula:
        matrix = self._matrix("matrix")
        assert isinstance(matrix, Matrix)
        if len(matrix.rows) != len(matrix.rows[0]) or len(matrix.rows) > 4:
            raise self.lost()
        return determinant(matrix.rows)

    def _matrix(self, name: str) -> Formula:
        if name == "vmatrix":
            return self._determinant()
        if name.rstrip("*") not in ("pmatrix", "bmatrix", "matrix", "array", "Bmatrix", "smallmatrix"):
            raise self.lost()
        rows: list[list[Formula]] = [[]]
        while True:
            rows[-1].append(self._chain())
            sign = self.take()
            if sign.kind == "\\\\" and self.next.kind != "end":
                rows.append([])
            elif sign.kind == "\\\\" or sign.kind == "end":
                if sign.kind == "\\\\":
                    self.expect("end")
                break
            elif sign.kind != "&":
                self.position -= 1
                raise self.lost()
        if len({len(row) for row in rows}) != 1:
            raise self.lost()
        return Matrix(tuple(map(tuple, rows)))

    # --------------------------------------------------------------------------------------- units

    def _with_unit(self, formula: Formula) -> Formula:
        if self.next.kind != "word":
            return formula
        start = self.position
        while self.next.kind in ("word", "^", "/", "-", "*") or (
            self.next.kind in ("number", "{", "}", "name") and self.position > start
        ):
            if self.next.kind == "name" and self._tokens[self.position - 1].kind not in ("/", "*"):
                break
            if self.next.kind == "word" and self.next.text.lower() in _JOINING:
                break
            self.take()
        text = " ".join(token.text for token in self._tokens[start : self.position])
        return with_unit(formula, text)

    def _priced(self, formula: Formula, currency: Token) -> Formula:
        """A price; words after it, as in `$5 per day`, say what it is for."""
        while self.next.kind in ("word", "/"):
            self.take()
        return Quantity(formula, CURRENCY_SIGNS[currency.text])


_FUNCTION_LETTERS = frozenset("fghFGHPQTy")
_JOINING = frozenset(["and", "or"])
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
