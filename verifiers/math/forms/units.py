"""Units of measurement as dimensions: 5 cm is 0.05 m and cannot be compared with 5 s.

A unit is a product of powers of base dimensions, times a factor. Each currency is its own dimension,
because there are no exchange rates. Temperature scales are separate, because they differ by more than a
factor. Words that are not units (`apples`) are nouns: they say what is counted, not how much.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

_DIMENSION_TABLE = """
length  m meter metre 米 1 | 千米 公里 1000 | 厘米 1/100 | 毫米 1/1000
length  km kilometer kilometre 1000 | cm centimeter centimetre 1/100
length  mm millimeter millimetre 1/1000 | nm nanometer nanometre 1/1000000000
length  micrometer micron 1/1000000 | in inch inches inche 127/5000 | ft foot feet 381/1250
length  yd yard 1143/1250 | mi mile 201168/125 | furlong 25146/125
mass    千克 公斤 1 | 克 1/1000 | 吨 1000
mass    kg kilogram kilo 1 | g gram gm 1/1000 | mg milligram 1/1000000 | tonne 1000
mass    lb lbs pound 45359237/100000000 | oz ounce 45359237/1600000000
mass    ton 45359237/50000 | stone 317514659/50000000
time    秒 1 | 分钟 60 | 小时 3600 | 天 86400
time    s sec second 1 | ms millisecond 1/1000 | min minute 60 | h hr hour 3600 | day 86400
time    week wk 604800 | fortnight 1209600
months  month 1 | yr year 12 | decade 120 | century centurie 1200
angle   rad radian 弧度 1 | deg degree 度 pi/180
current A amp ampere 1
kelvin  K kelvin 1
celsius celsius 1
fahrenheit fahrenheit 1
mxn     peso 1
cny     yuan renminbi 元 1
krw     won 1
usd     dollar usd buck 美元 1 | dime 1/10 | nickel 1/20 | cent ¢ penny pennie pence 1/100
eur     euro eur € 1
gbp     £ gbp 1
inr     rupee inr ₹ 1
jpy     yen jpy ¥ 1
bit     bit 1 | byte 8 | kb kilobyte 8000 | mb megabyte 8000000 | gb gigabyte 8000000000
bit     tb terabyte 8000000000000 | kib kibibyte 8192 | mib mebibyte 8388608 | gib gibibyte 8589934592
bit     tib tebibyte 8796093022208
"""
_DERIVED = {
    "l": ("dm^3", ("l", "L", "liter", "litre")),
    "ml": ("cm^3", ("ml", "milliliter", "millilitre", "cc")),
    "gallon": ("231 in^3", ("gal", "gallon")),
    "quart": ("231/4 in^3", ("quart", "qt")),
    "pint": ("231/8 in^3", ("pint",)),
    "cup": ("231/16 in^3", ("cup",)),
    "kw": ("1000 kg m^2/s^3", ("kw", "kilowatt")),
    "mw": ("1000000 kg m^2/s^3", ("megawatt",)),
    "kwh": ("3600000 kg m^2/s^2", ("kwh",)),
    "mpg": ("16/3696 mi/in^3", ("mpg",)),
    "n": ("kg m/s^2", ("N", "newton")),
    "j": ("kg m^2/s^2", ("J", "joule")),
    "kj": ("1000 kg m^2/s^2", ("kj", "kilojoule")),
    "w": ("kg m^2/s^3", ("W", "watt")),
    "pa": ("kg/m/s^2", ("pa", "pascal")),
    "v": ("kg m^2/s^3/A", ("V", "volt")),
    "ohm": ("kg m^2/s^3/A^2", ("ohm",)),
    "c": ("A s", ("coulomb",)),
    "hz": ("1/s", ("hz", "hertz")),
    "mph": ("mi/h", ("mph",)),
    "kmh": ("km/h", ("kph", "kmh", "kmph")),
    "acre": ("4840 yd^2", ("acre",)),
    "hectare": ("10000 m^2", ("ha", "hectare")),
}
NOT_NOUNS = frozenset(
    (
        "and or not no than less more fewer under least most about percent pct percentage half "
        "halves third thirds fourth fourths fifth fifths sixth sixths "
        "seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths "
        "thousandth thousandths hundred hundreds thousand thousands million millions billion "
        "billions trillion trillions dozen dozens lakh lakhs crore crores grand bn mil score "
        "scores squared cubed square cubic times plus minus divided by degree degrees to "
        "through from between mod modulo choose factorial pi radians negative positive point "
        "remainder base if unless except infinity root over each wrong incorrect sin cos tan "
        "cot sec csc log exp sqrt alpha beta gamma delta theta lambda omega phi sigma epsilon "
        # Numbers, parts and negations in other languages.
        "nicht nein kein keine keinen pas ni non sino sondern mais mille mil millones millions "
        "milliards millionen milliarden tausend hundert demi medio media halb halbe mezzo "
        "milhão milhões bilhão bilhões trilhões mila milione milioni miliardo miliardi "
        "million milliard milliardi billón billones millón cento cientos centaines milhares "
        "millier milliers douzaine douzaines docena docenas dúzia dúzias dozzina dozzine dutzend "
        "billion billionen mio mrd demie meia mezza media moitié mitad metade metà hälfte "
        "quadrat kubik carré cuadrado quadrado quadrato plus moins menos meno mínus weniger mehr "
        "тысяч тысячи тысяча миллион миллиона миллионов миллиард миллиарда миллиардов половина не нет "
        "тыс млн млрд половиной десятков сотен дюжина дюжин "
        "万 亿 千 百 十 倍 半 成 折 千万 百万 十万 百亿 千亿 万亿 打 不 非 萬 億 兆 千萬 百萬 十萬 割 "
        "만 억 천 백 조 배 백만 천만 십만 ألف آلاف مئة مائة مليون ملايين مليار نصف ليس "
        "हज़ार हजार लाख करोड़ bin milyon milyar ribu juta miliar "
        "nửa rưỡi nghìn ngàn triệu tỷ meio"
    ).split()
)
"""Words after a number that may change its value."""
_MULTIPLIES = re.compile("[万萬亿億兆千百十半成折割倍打억천백배]|만(?!큼)|조(?!각)|.{1,3}半")
"""Prefixes written together with the thing that is counted: 7万元 is 70,000 yuan."""
_POWER_WORDS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_POWERS_OF_NOUNS = {2: "square", 3: "cubic"}
_PART = re.compile(r"(?:[^\W\d_]|[€£¥₹¢])+|\^|-?\d+|[/*·()]")
_MOST_PARTS = 24
_DEGREES_OF = re.compile(r"\bdegrees?\s+(?=celsius|fahrenheit)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of powers of dimensions, times a factor."""

    dimensions: tuple[tuple[str, int], ...] = ()
    """(dimension, power), sorted; empty for a noun."""
    factor: Fraction = Fraction(1)
    """Factor to the base unit of the dimensions, times (pi/180) to the power `half_turns`."""
    half_turns: int = 0
    percent: bool = False
    noun: str = ""
    """Words that are not a unit: the thing that is counted or measured."""

    @property
    def measures(self) -> bool:
        """Whether this is a unit of measurement."""
        return bool(self.dimensions)


PERCENT = Unit(factor=Fraction(1, 100), percent=True)


def _base_units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _DIMENSION_TABLE.strip().splitlines():
        dimension, entries = line.split(maxsplit=1)
        for entry in entries.split("|"):
            *names, factor = entry.split()
            turns = int(factor == "pi/180")
            unit = Unit(((dimension, 1),), Fraction(1) if turns else Fraction(factor), turns)
            units |= dict.fromkeys(names, unit)
    return units


_UNITS = _base_units()
_UNITS["dm"] = Unit((("length", 1),), Fraction(1, 10))
DEGREE = _UNITS["degree"]
DOLLAR, POUND = _UNITS["dollar"], _UNITS["pound"]
CELSIUS, FAHRENHEIT = _UNITS["celsius"], _UNITS["fahrenheit"]
CURRENCY_SIGNS = {"$": DOLLAR, "€": _UNITS["€"], "£": _UNITS["£"], "¥": _UNITS["¥"], "₹": _UNITS["₹"]}


def is_power_word(word: str) -> bool:
    """Whether the word is a power, such as `square` or `cu`."""
    return word.lower() in _POWER_WORDS


def find_unit(word: str) -> Unit | None:
    """The unit with this name, singular or plural; None if the word is not a unit."""
    if found := _UNITS.get(word):
        return found
    if len(word) < 2:
        return None
    lower = word.lower()
    return _UNITS.get(lower) or (_UNITS.get(lower[:-1]) if lower.endswith("s") else None)


def read_unit(text: str) -> Unit | None:
    """A unit such as `km/h`, `square feet`, `m^2`, `dollars per day`, or a noun; None for neither."""
    text = _DEGREES_OF.sub("", re.sub(r"-\s+(?=\d)", "-", text))
    parts = _PART.findall(text)
    if len(parts) > _MOST_PARTS or "".join(parts) != re.sub(r"[\s{}\\.]", "", text):
        return None
    unit, sign, pending_power = Unit(), 1, 1
    nouns: list[str] = []
    position = 0
    while position < len(parts):
        part, position = parts[position], position + 1
        lower = part.lower()
        if part == "/" or lower == "per":
            if any(d in _CURRENCIES for d, _ in unit.dimensions):
                return priced(unit, " ".join(parts[position - 1 :]))
            sign = -1
        elif part in "*·()":
            continue
        elif lower in _POWER_WORDS:
            pending_power = _POWER_WORDS[lower]
            if lower.endswith("d") and unit.dimensions:
                unit, pending_power = _power(unit, pending_power), 1
        elif part == "1" and position == 1:
            continue
        elif part == "^" and nouns:
            named = {"2": "square", "3": "cubic"}.get("".join(parts[position : position + 1]))
            if named is None:
                return None
            nouns.append(named)
            position += 1
        elif (found := find_unit(part)) and not (
            lower == "in" and position < len(parts) and parts[position].isalpha()
        ):
            power = 1
            if position + 1 < len(parts) and parts[position] == "^":
                try:
                    power, position = int(parts[position + 1]), position + 2
                except ValueError:
                    return None
                if abs(power) > 9:
                    return None
            unit = _times(unit, _power(found, sign * power * pending_power))
            pending_power = 1
        elif part.isalpha() and lower not in NOT_NOUNS and not _MULTIPLIES.match(lower):
            nouns += [_POWERS_OF_NOUNS[pending_power], lower] if pending_power > 1 else [lower]
            pending_power = 1
        else:
            return None
    if not (unit.measures or nouns):
        return None
    return replace(unit, noun=" ".join(nouns))


def _times(one: Unit, other: Unit) -> Unit:
    powers = dict(one.dimensions)
    for dimension, power in other.dimensions:
        powers[dimension] = powers.get(dimension, 0) + power
    dimensions = tuple(sorted((d, p) for d, p in powers.items() if p))
    return Unit(dimensions, one.factor * other.factor, one.half_turns + other.half_turns)


def _power(unit: Unit, power: int) -> Unit:
    dimensions = tuple((d, p * power) for d, p in unit.dimensions)
    return Unit(dimensions, unit.factor**power, unit.half_turns * power)


def priced(currency: Unit, words: str) -> Unit:
    """A currency with the priced thing as its noun: `per day`."""
    return replace(currency, noun=" ".join(words.lower().replace("/", " per ").split()))


_CURRENCIES = frozenset(["usd", "eur", "gbp", "inr", "jpy", "mxn", "cny", "krw"])


def _derived_units() -> Iterator[tuple[str, Unit]]:
    for definition, names in _DERIVED.values():
        number, _, rest = definition.partition(" ")
        has_factor = number.replace("/", "").isdigit()
        unit = read_unit(rest if has_factor else definition)
        assert unit is not None
        unit = Unit(unit.dimensions, unit.factor * (Fraction(number) if has_factor else 1))
        yield from ((name, unit) for name in names)


_UNITS |= dict(_derived_units())
