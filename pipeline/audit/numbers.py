r"""Numbers in other notations of the same value, and in notations of other values.

A number is an integer, a decimal or a fraction (`3/4`, `\frac{3}{4}`), perhaps with a sign, thousands
separators, a currency sign before it, or a percent sign, a degree sign or a unit behind it. Values are
exact fractions, and every form is read again before it counts as equal or different. What could be read
in two ways has fewer forms: `1.500` may be 1500 in another language.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_PLAIN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"""(?P<before>\\?\$\s?|)(?P<sign>[-+\u2212]?)
    (?:\\[dt]?frac\{{(?P<top>\d+)\}}\{{(?P<under>\d+)\}}
      |(?P<over>\d+)/(?P<below>\d+)
      |(?P<plain>{_PLAIN}))
    (?P<after>\s?\\?%|\s?\^\{{?\\circ\}}?
      |\s?\u00b0|\s?\\text\{{[^{{}}\d]*\}}|\s?[A-Za-z][A-Za-z .]*|)""",
    re.VERBOSE,
)
_LIKE_THOUSANDS = re.compile(r"\d{1,3}\.\d{3}")
_OPERATIONS = re.compile(
    r"factorial|squared|cubed|power|root|percent|degree|mod|\bor\b|\band\b|to\b", re.I
)
"""Words behind a number that change its value, or compare it, instead of being a unit."""
_MOST_DIGITS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number as a text writes it."""

    value: Fraction
    """Without the meaning of what stands before and behind it."""
    digits: str
    """The decimal notation without sign and separators; empty for a fraction."""
    before: str = ""
    after: str = ""
    is_ambiguous: bool = False
    """Whether the value depends on the language."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing stands before or behind it."""
        return not self.before and not self.after

    @property
    def is_fraction(self) -> bool:
        """Whether it is written as a fraction."""
        return not self.digits

    def around(self, text: str) -> str:
        """Another number in the place of this one; a minus sign stands before a currency sign."""
        bare = text.removeprefix("-")
        return f"{text[: len(text) - len(bare)]}{self.before}{bare}{self.after}"


def read_number(text: str) -> Number | None:
    """The number that a text is; None if it is not one that all read alike."""
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] == "$" and "$" not in text[1:-1]:
        text = text[1:-1].strip()
    found = _NUMBER.fullmatch(text)
    if found is None or len(text) > 3 * _MOST_DIGITS or _OPERATIONS.search(found["after"]):
        return None
    top, under = found["top"] or found["over"], found["under"] or found["below"]
    plain = (found["plain"] or "").replace(",", "")
    if len(top or plain) > _MOST_DIGITS or (top and not int(under)):
        return None
    if re.match(r"0\d", plain):
        return None  # a code, or a number of another base
    value = (
        Fraction(int(top), int(under)) if top else Fraction(f"0{plain}" if plain[0] == "." else plain)
    )
    return Number(
        value=value if found["sign"] in ("", "+") else -value,
        digits=plain,
        before=found["before"],
        after=found["after"],
        is_ambiguous=bool(found["plain"])
        and ("," in found["plain"] or _LIKE_THOUSANDS.fullmatch(plain) is not None),
    )


def equal_forms(number: Number, *, is_english: bool) -> Iterator[tuple[str, str]]:
    """Rules and other notations of a plain number's value. Thousands separators and their absence are
    forms only in English, where a comma separates nothing else."""
    if not number.is_plain or (number.is_ambiguous and not is_english):
        return
    for rule, text in _equal(number, is_english):
        again = read_number(text)
        if again is not None and again.is_plain and again.value == number.value:
            yield rule, text


def _equal(number: Number, is_english: bool) -> Iterator[tuple[str, str]]:
    value = number.value
    if (decimal := terminating(value)) is not None:
        if number.is_fraction:
            yield "as_decimal", decimal
        else:
            yield "trailing_zero", f"{decimal}{'0' if '.' in decimal else '.0'}"
            whole, point, rest = decimal.lstrip("-").partition(".")
            if is_english and len(whole) > 3:
                grouped = f"{int(whole):,}{point}{rest}"
                yield "thousands_separators", f"-{grouped}" if value < 0 else grouped
                yield "no_thousands_separators", decimal
        if value > 0:
            yield "plus_sign", f"+{decimal}"
    if value.denominator > 1:
        sign = "-" if value < 0 else ""
        top, under = abs(value.numerator), value.denominator
        yield "as_latex_fraction", rf"{sign}\frac{{{top}}}{{{under}}}"
        yield "as_slash_fraction", f"{sign}{top}/{under}"


def terminating(value: Fraction) -> str | None:
    """The shortest decimal notation of a value; None if it has no end."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        places = max(places, count)
    if rest != 1 or places > _MOST_DIGITS:
        return None
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


def other_values(number: Number) -> Iterator[tuple[str, str]]:
    """Rules and texts of numbers near this one whose value differs; what stands around it stays."""
    for rule, text in _near(number):
        again = read_number(text)
        if again is not None and again.value != number.value:
            yield rule, number.around(text)


def _near(number: Number) -> Iterator[tuple[str, str]]:
    value = number.value
    yield "off_by_one", _written(value + 1, number)
    if number.after and "%" not in number.after:
        # A unit may make numbers equal: 40 and 400 degrees, -5 and 5 apart.
        return
    if value:
        yield "sign_flipped", _written(-value, number)
    if number.is_fraction:
        if value:
            yield "inverted", _written(1 / value, number)
        return
    if (swapped := _swapped(number.digits)) is not None:
        yield "digits_swapped", f"-{swapped}" if value < 0 else swapped
    if value:
        yield "point_shifted", _written(value * 10, number)


def _written(value: Fraction, like: Number) -> str:
    """The value in the notation of a number."""
    decimal = terminating(value)
    if decimal is not None and (not like.is_fraction or value.denominator == 1):
        return decimal
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _swapped(digits: str) -> str | None:
    """The digits with the last two different neighbours exchanged; None if that leaves a zero first."""
    for at in range(len(digits) - 2, -1, -1):
        one, other = digits[at], digits[at + 1]
        if "." not in (one, other) and one != other:
            found = f"{digits[:at]}{other}{one}{digits[at + 2 :]}"
            return None if found.startswith("0") and found[1:2] not in (".", "") else found
    return None


def differs(one: Number | None, other: Number | None) -> bool:
    """Whether two plain numbers surely differ in value."""
    if one is None or other is None or one.is_ambiguous or other.is_ambiguous:
        return False
    return one.is_plain and other.is_plain and one.value != other.value
