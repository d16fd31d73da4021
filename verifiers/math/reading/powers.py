"""Reads an atom with its postfix operators: powers, factorials, percent and degree signs."""

from fractions import Fraction

from verifiers.math.forms.nodes import Apply, Formula, Number, Quantity, Unreadable
from verifiers.math.forms.units import CELSIUS, DEGREE, FAHRENHEIT, PERCENT
from verifiers.math.reading.atoms import AtomReader
from verifiers.math.reading.building import divide, negative, sum_of

_TEMPERATURES = {
    name: unit
    for names, unit in (("C Celsius celsius", CELSIUS), ("F Fahrenheit fahrenheit", FAHRENHEIT))
    for name in names.split()
}


class PowerReader(AtomReader):
    """Reads powers. Subclasses read the products that contain them."""

    def read_power(self) -> Formula:
        """An atom with its powers, factorials, percent and degree signs."""
        base = self.read_atom()
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
                base = Apply("pow", (base, self.read_exponent()))
            elif kind == "!":
                self.take()
                if self.next.kind == "!":
                    raise Unreadable("double factorials are not computed here")
                base = Apply("factorial", (base,))
            elif kind == "%":
                self.take()
                base = Quantity(base, PERCENT)
            elif kind == "deg":
                self.take()
                base = self._degrees(base)
            else:
                return base

    def read_exponent(self) -> Formula:
        """The exponent after `^`; towers associate to the right."""
        self.enter()
        sign = self.take().kind if self.next.kind in ("-", "+") else "+"
        exponent = self.read_atom()
        if self.next.kind == "^":
            self.take()
            exponent = Apply("pow", (exponent, self.read_exponent()))
        self.depth -= 1
        return negative(exponent) if sign == "-" else exponent

    def _with_degree_sign(self, base: Formula) -> Formula:
        """A mixed number with the degree or percent sign after it, if there is one."""
        start = self.position
        if self.next.kind == "^":
            self.take()
        if self.next.kind == "deg" or self.is_braced("deg"):
            self.skip_braced()
            return self._degrees(base)
        self.position = start
        return base

    def _degrees(self, base: Formula) -> Formula:
        """The value with its degree sign taken: a temperature, or an angle with minutes and seconds."""
        if self.next.text in _TEMPERATURES:
            return Quantity(base, _TEMPERATURES[self.take().text])
        terms = [base]
        for num_marks, in_degree in ((1, 60), (2, 3600)):  # minutes and seconds of arc
            if self.next.kind == "number" and self._num_marks() == num_marks:
                terms.append(divide(self.read_atom(), Number(Fraction(in_degree))))
                self.position += num_marks
        return Quantity(sum_of(terms), DEGREE)

    def _num_marks(self) -> int:
        """Number of `'` after the next token."""
        place = self.position + 1
        while place < len(self._tokens) and self._tokens[place].kind == "'":
            place += 1
        return place - self.position - 1
