"""Python values as JSON, with their types, so that nothing has to be unpickled.

JSON values represent themselves: null, true, "text", 5, 0.5, [1, 2], {"key": 1}. Everything else is an
object with one key that begins with `$`:

    {"$tuple": [1, 2]}   {"$set": [1]}   {"$frozenset": [1]}   {"$dict": [[1, "one"]]}
    {"$int": "0x1f"}     {"$float": "nan"}     {"$bytes": "00ff"}     {"$complex": ["0x1p+0", "0x0p+0"]}
    {"$range": [0, 5, 1]}     {"$iterator": [1, 2]}, which equals nothing and can be iterated once
    {"$fraction": ["0x1", "0x2"]}     {"$decimal": "0.10"}
    {"$keys": [1]}     {"$items": [{"$tuple": [1, "one"]}]}     {"$values": [2]}, the views of dicts
    {"$like": ["numpy.ndarray", [1, 2]]}, compared as the value in it, although Python would not

Uses only the standard library, because this module also runs inside the sandbox. `encode` identifies
values by their real types and takes the plain value out of subclasses, so none of their methods runs.
"""

import itertools
import math
import types
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

_DEEPEST = 200
_SAFE_INTEGER = 2**53
_MOST_ITEMS = 100_000
_MOST_ITERATED = 1000
"""Limit for endless iterators; their items can grow, as Fibonacci's do."""
_MOST_COLLISIONS = 1000
_MOST_DIGITS = 10_000
"""Most digits of fractions and decimals, whose arithmetic takes quadratic time."""


class NoValue(ValueError):
    """The value cannot be compared or encoded; the message says why."""


def encode(value: object, depth: int = 0) -> Any:
    """The value as JSON. Raises NoValue."""
    if depth > _DEEPEST:
        raise NoValue(f"it is nested more than {_DEEPEST} levels deep")
    kind = type(value)
    if value is None or kind is bool:
        return value
    for base, write in _SCALARS:
        if issubclass(kind, base):
            return write(value)
    for base, tag in _SEQUENCES:
        if issubclass(kind, base):
            items = [encode(item, depth + 1) for item in base.__iter__(value)]
            return items if tag is None else {tag: items}
    if issubclass(kind, dict):
        content: Any = value
        pairs = [(k, encode(v, depth + 1)) for k, v in dict.items(content)]
        if all(type(k) is str and not k.startswith("$") for k, _ in pairs):
            return dict(pairs)
        return {"$dict": [[encode(k, depth + 1), v] for k, v in pairs]}
    return _encode_others(value, kind, depth)


def _integer(value: Any) -> Any:
    plain = int.__int__(value)
    return plain if -_SAFE_INTEGER < plain < _SAFE_INTEGER else {"$int": hex(plain)}


def _float(value: Any) -> Any:
    plain = float.__float__(value)
    finite = plain - plain == 0
    return plain if finite else {"$float": float.__repr__(plain)}


_SCALARS: tuple[tuple[type, Any], ...] = (
    (int, _integer),
    (float, _float),
    (str, lambda value: str.__str__(value)),
    (bytes, lambda value: {"$bytes": bytes.hex(value)}),
    (bytearray, lambda value: {"$bytes": bytearray.hex(value)}),
    (complex, lambda value: {"$complex": [value.real.hex(), value.imag.hex()]}),
)
_SEQUENCES: tuple[tuple[Any, str | None], ...] = (
    (list, None),
    (tuple, "$tuple"),
    (set, "$set"),
    (frozenset, "$frozenset"),
)


def _encode_others(value: Any, kind: type, depth: int) -> Any:
    """Values of libraries, recognized by name so that no library is imported."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name == "fractions.Fraction":
        return {"$fraction": [hex(value.numerator), hex(value.denominator)]}
    if name == "decimal.Decimal":
        return {"$decimal": str(value)}
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        plain = encode(value.tolist(), depth + 1)
        return plain if type(plain) is int else {"$like": [name, plain]}
    if name == "collections.deque":
        return {"$like": [name, encode(list(value), depth + 1)]}
    for view, tag in _VIEWS:
        if issubclass(kind, view):
            return {tag: encode(list(value), depth + 1)}
    if kind is range:
        return {"$range": [encode(value.start), encode(value.stop), encode(value.step)]}
    if kind in _ITERATED or kind.__module__ == "itertools":
        items = list(itertools.islice(value, _MOST_ITERATED + 1))
        if len(items) > _MOST_ITERATED:
            raise NoValue(f"it gives more than {_MOST_ITERATED:,} items")
        return {"$iterator": [encode(item, depth + 1) for item in items]}
    raise NoValue(f"a {name} cannot be compared")


_ITERATED: tuple[type, ...] = (
    map, filter, zip, enumerate, reversed, types.GeneratorType, type(iter(())), type(iter([])),
)  # fmt: skip
"""Iterators equal only themselves; tests turn them into a list or set."""
_VIEWS: tuple[tuple[type, str], ...] = (
    (type({}.keys()), "$keys"), (type({}.items()), "$items"), (type({}.values()), "$values"),
)  # fmt: skip


def decode(encoded: Any, depth: int = 0) -> Any:
    """The value of an encoding. Raises NoValue."""
    if depth > 2 * _DEEPEST:
        raise NoValue("it is nested too deeply")
    if isinstance(encoded, list):
        return [decode(item, depth + 1) for item in encoded]
    if not isinstance(encoded, Mapping):
        return encoded
    if len(encoded) == 1 and (tag := next(iter(encoded))).startswith("$"):
        try:
            return _decode_tagged(tag, encoded[tag], depth)
        except NoValue:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as e:
            raise NoValue(f"{tag} cannot be read: {e}"[:200]) from e
    return {key: decode(value, depth + 1) for key, value in encoded.items()}


def _decode_tagged(tag: str, content: Any, depth: int) -> Any:
    if tag in ("$tuple", "$set", "$frozenset", "$iterator", "$range"):
        items = [decode(item, depth + 1) for item in content]
        if tag == "$iterator":
            return iter(items)
        if tag == "$range":
            numbers = range(*items)
            # Tests make a list of it in this process.
            if len(items) != 3 or len(numbers) > _MOST_ITEMS:
                raise NoValue(f"the range is longer than {_MOST_ITEMS:,}")
            return numbers
        if tag == "$tuple":
            return tuple(items)
        check_hashes(items)
        return set(items) if tag == "$set" else frozenset(items)
    if tag in ("$dict", "$items"):
        pairs = [decode(pair["$tuple"] if tag == "$items" else pair, depth + 1) for pair in content]
        check_hashes([key for key, _ in pairs])
        return dict(pairs) if tag == "$dict" else dict(pairs).items()
    if tag == "$keys":
        return dict.fromkeys(decode({"$set": content}, depth + 1)).keys()
    if tag == "$values":
        return dict(enumerate(decode(content, depth + 1))).values()
    if tag == "$like":
        return decode(content[1], depth + 1)
    read = _READERS.get(tag)
    if read is None:
        raise NoValue(f"expected one of {', '.join(sorted(_READERS))}, $tuple, $set, $dict, got {tag}")
    return read(content)


def _fraction(content: Any) -> Any:
    if len(content[0]) + len(content[1]) > _MOST_DIGITS:
        raise NoValue("a fraction has too many digits")
    return Fraction(int(content[0], 0), int(content[1], 0))


def _decimal(content: Any) -> Any:
    from decimal import Decimal

    value = Decimal(content)
    if value.is_finite() and (len(content) > _MOST_DIGITS or abs(value.adjusted()) > _MOST_DIGITS):
        raise NoValue("a decimal has too many digits")
    if value.is_snan():
        raise NoValue("a signalling nan cannot be compared")
    return value


_READERS: dict[str, Any] = {
    "$int": lambda content: int(content, 0),
    "$float": float,
    "$bytes": bytes.fromhex,
    "$complex": lambda content: complex(float.fromhex(content[0]), float.fromhex(content[1])),
    "$fraction": _fraction,
    "$decimal": _decimal,
}


def check_hashes(items: Sequence[Any]) -> None:
    """Raises NoValue for keys chosen to collide: a set of them takes quadratic time."""
    counts: dict[int, int] = {}
    for item in items:
        counts[hash(item)] = count = counts.get(hash(item), 0) + 1
        if count > _MOST_COLLISIONS:
            raise NoValue("its keys collide")


def same(left: Any, right: Any, tolerance: float = 0.0) -> bool:
    """Whether two decoded values are equal as in Python, except that nan equals nan.

    If a float or a complex number is compared with a number, they may differ by `tolerance`, absolute
    or relative to the larger one.
    """
    if isinstance(left, float | complex) or isinstance(right, float | complex):
        return _same_numbers(left, right, tolerance)
    if isinstance(left, list | tuple):
        return (
            type(left) is type(right)
            and len(left) == len(right)
            and all(same(a, b, tolerance) for a, b in zip(left, right, strict=True))
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return _same_items(_by_key(left), _by_key(right), tolerance)
    if isinstance(left, set | frozenset) and isinstance(right, set | frozenset):
        return len(left) == len(right) and _with_one_nan(left) == _with_one_nan(right)
    return bool(left == right)


def shown(value: Any) -> str:
    """The value for a reader of a verdict, in at most 100 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with too many digits, or a deep nesting
        return f"a very long {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def _by_key(mapping: dict[Any, Any]) -> dict[Any, list[Any]]:
    """The values of each key; only nan has several."""
    values: dict[Any, list[Any]] = {}
    for key, value in mapping.items():
        values.setdefault(_with_one_nan(key), []).append(value)
    return values


def _same_items(left: dict[Any, list[Any]], right: dict[Any, list[Any]], tolerance: float) -> bool:
    return left.keys() == right.keys() and all(same(left[k], right[k], tolerance) for k in left)


_NAN = float("nan")


def _with_one_nan(value: Any) -> Any:
    """The value with one object for every nan, so that Python finds it equal to itself."""
    if isinstance(value, float) and value != value:
        return _NAN
    if isinstance(value, tuple):
        return tuple(map(_with_one_nan, value))
    return frozenset(map(_with_one_nan, value)) if isinstance(value, set | frozenset) else value


def _same_numbers(left: Any, right: Any, tolerance: float) -> bool:
    """Compares exactly: a float holds 53 bits of a large integer, a difference of floats even fewer."""
    numbers = isinstance(left, int | float | complex) and isinstance(right, int | float | complex)
    if not numbers or left == right or not tolerance:
        return bool(left == right) or (numbers and _same_parts(left, right))
    if type(left) is float and type(right) is float:
        distance = abs(left - right)
        bound = tolerance * max(1.0, abs(left), abs(right))
        # Only values within their rounding error need exact arithmetic, which is much slower.
        if distance < bound * _BELOW or bound * _ABOVE < distance < math.inf:
            return distance < bound
    parts = (left.real, left.imag, right.real, right.imag)
    if not all(isinstance(part, int) or math.isfinite(part) for part in parts):
        return _same_parts(left, right)
    a, b, c, d = map(Fraction, parts)
    if b == d == 0:
        return abs(a - c) <= Fraction(tolerance) * max(Fraction(1), abs(a), abs(c))
    if max(abs(a), abs(c)) > _BEYOND_FLOATS:  # squaring it would take long
        return False
    apart, scale = (a - c) ** 2 + (b - d) ** 2, max(Fraction(1), a * a + b * b, c * c + d * d)
    return apart <= Fraction(tolerance) ** 2 * scale


_BEYOND_FLOATS = 2**2000
_BELOW, _ABOVE = 1 - 1e-12, 1 + 1e-12


def _same_parts(left: complex, right: complex) -> bool:
    return all(
        a == b or (a != a and b != b) for a, b in ((left.real, right.real), (left.imag, right.imag))
    )
