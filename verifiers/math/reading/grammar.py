"""Reads an answer: recursive descent over its tokens.

    answer    = chain { ("," | ";" | "and" | "or") chain }
    chain     = side { ("=" | "<" | ">" | "<=" | ">=" | "!=" | "in" | "approx") side }
    side      = set { ":" set }                           a ratio, where there is more than one
    set       = sum { ("cup" | "cap" | "setminus") sum }
    sum       = [sign] term { ("+" | "-" | "pm" | "mp") term }
    term      = power { ["*" | "/"] power } [unit]         juxtaposition multiplies
    power     = atom { "^" exponent | "!" | "%" | degrees }

Ambiguous notation is read as follows: `1/2x` is `(1/2)x`; a function without brackets takes the factors
after it, so `\\sin 2x` is the sine of `2x`; `-2^2` is `-(2^2)`; a whole number before a fraction makes
a mixed number.
"""

from fractions import Fraction
from functools import lru_cache

from verifiers.answers.number_words import PARTS, SCALES
from verifiers.math.forms.nodes import (
    Apply,
    Congruence,
    Formula,
    Items,
    Number,
    Quantity,
    Ratio,
    Relation,
    SetOperation,
    Unreadable,
)
from verifiers.math.forms.units import (
    CURRENCY_SIGNS,
    find_unit,
    priced,
)
from verifiers.math.reading.atoms import STARTS_FACTOR
from verifiers.math.reading.building import (
    has_absolute_value,
    joined_quantities,
    negative,
    product,
    proper_fraction,
    quotient,
    residues,
    solutions,
    sum_of,
    with_unit,
)
from verifiers.math.reading.cursor import END
from verifiers.math.reading.idioms import without_idioms
from verifiers.math.reading.labels import without_label
from verifiers.math.reading.notation import plain
from verifiers.math.reading.powers import PowerReader
from verifiers.math.reading.tokens import Token, tokenize
from verifiers.math.reading.wording import read_sentence, read_words

_LONGEST_KEPT = 200
"""Longest answer that is cached, in characters."""
_RELATIONS = frozenset(["=", "<", ">", "<=", ">=", "!=", "in", "approx"])
_SEPARATORS = frozenset([",", ";", "and", "or"])
_SET_OPERATIONS = frozenset(["cup", "cap", "setminus"])
_PLUS_MINUS = {"pm": "plus_minus", "mp": "minus_plus"}
_ZERO = Number(Fraction(0))


def read(text: str) -> Formula:
    """The formula of an answer. Raises Unreadable."""
    return _remembered(text) if len(text) <= _LONGEST_KEPT else read_by(Parser, text)


def read_by(parser: "type[Parser]", text: str) -> Formula:
    """The formula of an answer, read by this parser. Raises Unreadable."""
    text = without_idioms(without_label(plain(text)))
    if (words := read_words(text)) is not None:
        return words
    try:
        return parser(tokenize(text)).answer()
    except Unreadable:
        if (sentence := read_sentence(text)) is not None:
            return sentence
        raise


@lru_cache(maxsize=4096)
def _remembered(text: str) -> Formula:
    return read_by(Parser, text)


class Parser(PowerReader):
    """Reads the tokens of one answer."""

    # ---------------------------------------------------------------------------------- structure

    def answer(self) -> Formula:
        formula = self.read_list()
        if self.next.kind != END.kind:
            raise self.lost()
        return formula

    def read_list(self) -> Formula:
        """Several items with separators, or a single item."""
        items, joiner, between = [self.read_chain()], "", []
        while self.next.kind in _SEPARATORS:
            kinds = set()
            while self.next.kind in _SEPARATORS:
                kind = self.take().kind
                kinds.add(kind)
                joiner = kind if kind in ("and", "or") else joiner or ","
            if self.next.kind == END.kind:
                break
            between.append(kinds)
            items.append(self.read_chain())
        if len(items) == 1:
            return items[0]
        return residues(items) or solutions(items, between) or Items(tuple(items), joiner=joiner)

    def read_chain(self) -> Formula:
        """Several sides with relation signs, or a single side."""
        if self.next.kind == "approx":
            self.take()
        sides, signs = [self._side()], []
        while self.next.kind in _RELATIONS:
            signs.append(self.take().kind)
            if self.next.kind == "=" and signs[-1] in "<>":
                signs[-1] += self.take().kind
            sides.append(self._side())
        formula = Relation(tuple(sides), tuple(signs)) if signs else sides[0]
        return self._with_modulus(formula) if self.next.kind == "mod" else formula

    def _with_modulus(self, formula: Formula) -> Formula:
        self.take()
        self.expect("{")
        modulus = self.read_sum()
        self.expect("}")
        if not isinstance(formula, Relation):
            return Congruence(None, formula, modulus)
        if formula.signs != ("=",):
            raise self.lost()
        left, right = formula.sides
        return Congruence(left, right, modulus)

    def _side(self) -> Formula:
        parts = [self._set()]
        while self.next.kind == ":" and not self._bars:
            self.take()
            parts.append(self._set())
        return Ratio(tuple(parts)) if len(parts) > 1 else parts[0]

    def _set(self) -> Formula:
        formula = self.read_sum()
        while self.next.kind in _SET_OPERATIONS:
            self.add_layer()
            formula = SetOperation(self.take().kind, formula, self.read_sum())
        return formula

    # ---------------------------------------------------------------------------------- arithmetic

    def read_sum(self) -> Formula:
        """Terms with plus and minus signs."""
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
        formula = self.read_power()
        while True:
            kind = self.next.kind
            if kind in ("*", "/"):
                self.take()
                sign = self.take().kind if self.next.kind in ("-", "+") else "+"
                right = self._factor()
                right = negative(right) if sign == "-" else right
                if kind == "*":
                    formula = product(formula, right)
                    continue
                self.add_layer()
                formula = quotient(formula, right)
            elif kind in STARTS_FACTOR or (kind in ("|", "left|") and not (kind == "|" and self._bars)):
                if kind == "|" and self._bars_are_unclear(formula):
                    raise Unreadable("bars in a product are ambiguous")
                formula = self.read_product(formula)
            else:
                break
        if isinstance(formula, Number) and self.next.text.lower() in _SCALES:
            formula = Number(formula.value * _SCALES[self.take().text.lower()])
        if currency is not None:
            return self._priced(formula, currency)
        if self.next.kind == "currency":
            return self._priced(formula, self.take())
        return self._with_unit(formula)

    def read_product(self, left: Formula) -> Formula:
        """Juxtaposition: a product, or a mixed number."""
        spaced, kind = self.next.spaced, self.next.kind
        if (mixed := self._mixed(left)) is not None:
            return self._with_degree_sign(mixed)
        if kind == "number" and (not isinstance(left, Apply) or not self._may_multiply()):
            raise self.lost()
        if kind == "(" and not spaced and isinstance(left, Number) and left.places is not None:
            raise Unreadable("a decimal before a bracket may be a product or a repeating decimal")
        return product(left, self.read_power())

    def _may_multiply(self) -> bool:
        return self._tokens[self.position - 1].kind in (")", "}", "]", "!", "right|", "|", "number")

    def _bars_are_unclear(self, before: Formula) -> bool:
        """Whether a bar may either open or close: after `|2|x` it may, after `|x|` it opens."""
        return self._tokens[self.position - 1].kind != "|" and has_absolute_value(before)

    def _factor(self) -> Formula:
        """The factor after a multiplication or division sign."""
        factor = self.read_power()
        mixed = self._mixed(factor)
        return factor if mixed is None else mixed

    def _mixed(self, whole: Formula) -> Formula | None:
        """The mixed number of `whole`, just read, and the fraction after it; None if there is none."""
        if not isinstance(whole, Number) or whole.places is not None or whole.value.denominator != 1:
            return None
        start = self.position
        if self._tokens[start - 1].kind != "number" or self.next.kind not in ("frac", "number"):
            return None
        fraction = self.read_atom()
        if (
            self._tokens[start].kind == "number"
            and self._tokens[start].spaced
            and self.next.kind == "/"
        ):
            self.take()
            fraction = self.fraction(fraction, self.read_atom())
        improper = isinstance(fraction, Number) and fraction.value >= 1
        if improper and self._tokens[start].kind == "frac":
            raise Unreadable("a number before an improper fraction is neither a product nor mixed")
        if (value := proper_fraction(fraction)) is None or self._tokens[start].kind == self.next.kind:
            self.position = start
            return None
        return self.mixed(whole, fraction, value)

    def mixed(self, whole: Number, fraction: Formula, value: Fraction) -> Formula:
        """A whole number followed by a fraction, whose value is given."""
        return Number(whole.value + value)

    # --------------------------------------------------------------------------------------- units

    def _with_unit(self, formula: Formula) -> Formula:
        if self.next.kind != "word" or self.next.text.lower() in _JOINING:
            return formula
        quantity = with_unit(formula, self._unit_text())
        if self.next.kind != "number" or not isinstance(quantity, Quantity):
            return quantity
        if self._tokens[self.position - 1].kind in ("*", "/"):
            raise Unreadable("a product of quantities: their sizes, or its value?")
        self.add_layer()
        rest = self._with_unit(self.read_power())  # as in `2 hours 30 minutes`
        return joined_quantities(quantity, rest)

    def _unit_text(self) -> str:
        start = self.position
        while self._belongs_to_unit(start):
            self.take()
        return " ".join(token.text for token in self._tokens[start : self.position])

    def _belongs_to_unit(self, start: int) -> bool:
        kind, before = self.next.kind, self._tokens[self.position - 1].kind
        if kind == "word":
            return self.next.text.lower() not in _JOINING
        if kind == "name":
            return before in ("/", "*") or (before == "word" and find_unit(self.next.text) is not None)
        if kind == "number":
            return before in ("^", "-", "{")
        return kind in ("^", "/", "-", "*", ".") or (kind in ("{", "}") and self.position > start)

    def _priced(self, formula: Formula, currency: Token) -> Formula:
        """A price; following words, as in `$5 per day`, say what it is for."""
        words = []
        while self.next.kind in ("word", "/"):
            words.append(self.take().text)
        return Quantity(formula, priced(CURRENCY_SIGNS[currency.text], " ".join(words)))


_JOINING = frozenset(["and", "or"])
_SCALES: dict[str, Fraction] = {
    **{name: Fraction(value) for name, value in SCALES.items()},
    **{f"{name}s": Fraction(value) for name, value in SCALES.items()},
    **{name: Fraction(1, value) for name, value in PARTS.items()},
}
"""Factors for words after a number."""
