"""Transfers values between two processes as JSON, and keeps shared ones in step.

Plain values travel as copies: numbers, text, containers, dates, numpy's arrays. A mutable value has a
key on both sides for as long as both hold it, so that each sees the other's changes, as within one
process. A value that is not plain stays where it is: the other side gets a stand-in (`standins.py`).

A value is null, true, a number or a text as in JSON, or a list that begins with a tag. Only exact types
are plain, compared by identity: a class that calls itself `collections.deque` is not plain.
"""

import base64
import builtins
import collections
import datetime
import decimal
import fractions
import operator
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable
from typing import Any

_SAFE_INTEGER = 2**53
_MOST_DEEP = 200


class Unreadable(ValueError):
    """The other side sent something that this encoder never writes."""


class Method:
    """A method found on an object: it is called by name and never leaves its side."""

    def __init__(self, subject: Any, name: str) -> None:
        self.subject, self.name = subject, name


class Carrier:
    """Encodes and decodes for one side of the channel; holds both sides' keys and numbers."""

    def __init__(self, side: int, standins: Any) -> None:
        """`side` is 0 or 1, and the reverse on the other side. `standins` makes stand-ins."""
        self._standins = standins
        self._next_key = side
        self._keys: dict[int, int] = {}
        self._shared: dict[int, _Shared] = {}
        self._owned: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._described: set[int] = set()
        self._depth = 0

    # ------------------------------------------------------------------------------------- encode

    def encode(self, value: Any) -> Any:
        """The value as JSON. Raises whatever iterating raises; RecursionError if nested too deeply."""
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int:
            return value if -_SAFE_INTEGER < value < _SAFE_INTEGER else ["i", hex(value)]
        self._depth += 1
        try:
            if self._depth > _MOST_DEEP:
                raise RecursionError(f"expected values at most {_MOST_DEEP} deep")
            if kind is tuple:
                return ["t", *map(self.encode, value)]
            if kind in _MUTABLE:
                return self._encode_mutable(value, kind)
            if kind in _PLAIN:
                tag, take_apart, _ = _PLAIN[kind]
                return [tag, *map(self.encode, take_apart(value))]
            return self._encode_object(value, kind)
        finally:
            self._depth -= 1

    def _encode_mutable(self, value: Any, kind: type) -> Any:
        key = self._keys.get(id(value))
        if key is not None:
            return ["r", key]
        key, self._next_key = self._next_key, self._next_key + 2
        self._keep(key, value)
        tag, parts, _, extra, _ = _MUTABLE[kind]
        return [tag, key, self.encode(extra(value)), *map(self.encode, parts(value))]

    def _encode_object(self, value: Any, kind: type) -> Any:
        if kind is Method:
            return ["M", self.encode(value.subject), value.name]
        number = self._standins.number_of(value)
        if number is not None:
            return ["o", number]
        if value is Ellipsis or value is NotImplemented:
            return ["T", str(value)]
        if isinstance(value, type) and value in _NAMES_OF_TYPES:
            return ["T", _NAMES_OF_TYPES[value]]
        if (array := _encode_array(value, kind)) is not None:
            return array
        if isinstance(value, BaseException):
            return ["e", self._own(value), self.encode(kind), *map(self.encode, _safe(value.args))]
        if isinstance(value, type):
            return self._encode_class(value)
        for base, plain in _EXTENDED.items():
            # For a class derived from a plain one, such as a named tuple: the value, by its real type.
            if issubclass(kind, base):
                return ["x", self._own(value), self.encode(kind), self.encode(plain(value))]
        return ["h", self._own(value), self._standins.kind_of(value), self.encode(kind)]

    def _encode_class(self, cls: type) -> Any:
        number = self._own(cls)
        if number in self._described:
            return ["c", number]
        self._described.add(number)
        bases = [self.encode(base) for base in cls.__bases__]
        return ["c", number, cls.__name__, cls.__module__, bases, self._standins.operations_of(cls)]

    def _own(self, value: Any) -> int:
        """The other side's number for an object of this side, which stays alive from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._owned)
            self._owned.append(value)
        return number

    def owns(self, value: Any) -> bool:
        """Whether the other side has been given this very object."""
        return id(value) in self._numbers

    def member(self, subject: Any, name: str) -> Any:
        """An attribute; a method becomes a `Method`, which is called by name."""
        value = getattr(subject, name)
        bound = isinstance(value, types.MethodType | types.BuiltinMethodType)
        if bound and value.__self__ is subject and not isinstance(subject, type | types.ModuleType):
            return Method(subject, name)
        return value

    # ------------------------------------------------------------------------------------- decode

    def decode(self, encoded: Any) -> Any:
        """The decoded value. Raises Unreadable, and other exceptions for malformed content."""
        if not isinstance(encoded, list):
            if isinstance(encoded, dict):
                raise Unreadable("an object")
            return encoded
        tag = encoded[0]
        if tag == "t":
            return tuple(map(self.decode, encoded[1:]))
        if tag in _MUTABLE_TAGS:
            return self._decode_mutable(encoded)
        if tag in _PLAIN_TAGS:
            return _PLAIN_TAGS[tag](*map(self.decode, encoded[1:]))
        return self._decode_object(tag, encoded)

    def _decode_mutable(self, encoded: list[Any]) -> Any:
        tag, key, extra, *parts = encoded
        make, _, fill = _MUTABLE_TAGS[tag]
        if type(key) is not int or key in self._shared:
            raise Unreadable("a key")
        value = make(self.decode(extra))
        self._keep(key, value)
        fill(value, list(map(self.decode, parts)))
        self._shared[key].remember()
        return value

    def _decode_object(self, tag: str, encoded: list[Any]) -> Any:
        if tag == "r":
            return self._shared[encoded[1]].value
        if tag == "i":
            return int(encoded[1], 16)
        if tag == "o":
            return self._owned[_index(encoded[1])]
        if tag == "T":
            return _TYPES[encoded[1]]
        if tag == "n":
            return _decode_array(*encoded[1:])
        if tag == "M":
            return self._standins.method(self.decode(encoded[1]), encoded[2])
        if tag == "c":
            if len(encoded) > 2:
                _, number, name, module, bases, operations = encoded
                self._standins.add_class(
                    number, name, module, list(map(self.decode, bases)), operations
                )
            return self._standins.class_of(encoded[1])
        if tag == "e":
            return self._standins.error(
                encoded[1], self.decode(encoded[2]), [*map(self.decode, encoded[3:])]
            )
        if tag == "x":
            return self._standins.extended(encoded[1], self.decode(encoded[2]), self.decode(encoded[3]))
        if tag == "h":
            return self._standins.instance(encoded[1], encoded[2], self.decode(encoded[3]))
        raise Unreadable(f"the tag {tag!r:.50}")

    # ------------------------------------------------------------------------------------- shared

    def _keep(self, key: int, value: Any) -> None:
        self._keys[id(value)] = key
        self._shared[key] = _Shared(value)

    def changes(self) -> tuple[list[Any], list[int]]:
        """Changes here in shared values, and the keys of those that this side no longer holds."""
        # A list, because values within a change become shared too.
        changes = [
            [key, *map(self.encode, parts)]
            for key, shared in list(self._shared.items())
            if (parts := shared.changed_parts()) is not None
        ]
        parts = None
        dropped = [key for key in sorted(self._shared) if self._release(key)]
        return changes, dropped

    def _release(self, key: int) -> bool:
        # One reference from the table, one from the argument of the counting function.
        if sys.getrefcount(self._shared[key].value) > 2:
            return False
        self._forget(key)
        return True

    def apply(self, changes: list[Any]) -> None:
        """Applies the other side's changes here."""
        for key, *parts in changes:
            shared = self._shared[key]
            decoded = list(map(self.decode, parts))
            _MUTABLE[type(shared.value)][2](shared.value, decoded)
            shared.remember()

    def drop(self, keys: list[Any]) -> None:
        """Forgets values that the other side no longer holds."""
        for key in keys:
            if key in self._shared:
                self._forget(key)

    def _forget(self, key: int) -> None:
        del self._keys[id(self._shared[key].value)]
        del self._shared[key]


class _Shared:
    """A mutable value that both sides hold, with its parts as of the last exchange."""

    __slots__ = ("_parts", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.remember()

    def remember(self) -> None:
        self._parts = tuple(_MUTABLE[type(self.value)][1](self.value))

    def changed_parts(self) -> tuple[Any, ...] | None:
        """The parts, if they have changed; compared by identity, because == runs their code."""
        before, self._parts = self._parts, tuple(_MUTABLE[type(self.value)][1](self.value))
        if len(before) == len(self._parts) and all(map(operator.is_, before, self._parts)):
            return None
        return self._parts


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise Unreadable("a number")
    return number


def _safe(args: Any) -> tuple[Any, ...]:
    return args if type(args) is tuple else ()


def _pairs(value: Any) -> list[Any]:
    """Keys and values, alternating."""
    return [part for pair in value.items() for part in pair]


def _fill_pairs(value: Any, parts: list[Any]) -> None:
    value.clear()
    for key, part in zip(parts[::2], parts[1::2], strict=True):
        value[key] = part


def _fill_list(value: Any, parts: list[Any]) -> None:
    value[:] = parts


def _fill_by_adding(value: Any, parts: list[Any]) -> None:
    value.clear()
    for part in parts:
        value.add(part) if type(value) is set else value.append(part)


def _fill_bytes(value: bytearray, parts: list[Any]) -> None:
    value[:] = parts[0]


def _nothing(value: Any) -> None:
    return None


def _encode_array(value: Any, kind: type) -> Any:
    """A numpy array or scalar of numbers, booleans or fixed-length text; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (kind is numpy.ndarray or isinstance(value, numpy.generic)):
        return None
    if value.dtype.kind not in "biufcSUmM" or value.dtype.names:
        return None
    is_array = kind is numpy.ndarray
    content = base64.b64encode(value.tobytes()).decode()
    return ["n", value.dtype.str, list(value.shape), content, is_array]


def _decode_array(dtype: Any, shape: Any, content: Any, is_array: Any) -> Any:
    import numpy

    kind = numpy.dtype(dtype) if isinstance(dtype, str) else None
    if kind is None or kind.kind not in "biufcSUmM":
        raise Unreadable("an array")
    array = numpy.frombuffer(base64.b64decode(content), dtype=kind).reshape(shape).copy()
    return array if is_array else array[()]


# For each mutable type: tag, its parts, how to set them, constructor arguments, constructor.
_MUTABLE: dict[type, tuple[str, Callable[..., Any], Callable[..., None], Callable[..., Any], Any]] = {
    list: ("l", list, _fill_list, _nothing, lambda _: []),
    dict: ("d", _pairs, _fill_pairs, _nothing, lambda _: {}),
    set: ("s", list, _fill_by_adding, _nothing, lambda _: set()),
    bytearray: ("B", lambda v: [bytes(v)], _fill_bytes, _nothing, lambda _: bytearray()),
    collections.deque: (
        "q", list, _fill_by_adding, lambda v: v.maxlen, lambda m: collections.deque(maxlen=m)
    ),
    collections.Counter: ("C", _pairs, _fill_pairs, _nothing, lambda _: collections.Counter()),
    collections.OrderedDict: (
        "O", _pairs, _fill_pairs, _nothing, lambda _: collections.OrderedDict()
    ),
    collections.defaultdict: (
        "D", _pairs, _fill_pairs, lambda v: v.default_factory, lambda f: collections.defaultdict(f)
    ),
}  # fmt: skip
_MUTABLE_TAGS = {tag: (make, kind, fill) for kind, (tag, _, fill, _, make) in _MUTABLE.items()}
# For each plain immutable type: tag, its parts, constructor.
_PLAIN: dict[type, tuple[str, Callable[[Any], Any], Callable[..., Any]]] = {
    frozenset: ("F", list, lambda *items: frozenset(items)),
    bytes: ("b", lambda v: [v.hex()], bytes.fromhex),
    complex: ("z", lambda v: [v.real, v.imag], complex),
    range: ("R", lambda v: [v.start, v.stop, v.step], range),
    slice: ("S", lambda v: [v.start, v.stop, v.step], slice),
    fractions.Fraction: ("Q", lambda v: [v.numerator, v.denominator], fractions.Fraction),
    decimal.Decimal: ("E", lambda v: [str(v)], decimal.Decimal),
    datetime.date: ("da", lambda v: [v.toordinal()], datetime.date.fromordinal),
    datetime.time: ("dt", lambda v: [v.isoformat()], datetime.time.fromisoformat),
    datetime.datetime: ("dd", lambda v: [v.isoformat()], datetime.datetime.fromisoformat),
    datetime.timedelta: ("de", lambda v: [v.days, v.seconds, v.microseconds], datetime.timedelta),
    pathlib.PosixPath: ("p", lambda v: [str(v)], pathlib.PosixPath),
    pathlib.PurePosixPath: ("pp", lambda v: [str(v)], pathlib.PurePosixPath),
    uuid.UUID: ("u", lambda v: [v.int], lambda number: uuid.UUID(int=number)),
    re.Pattern: ("P", lambda v: [v.pattern, v.flags], re.compile),
    type({}.keys()): ("vk", list, lambda *items: dict.fromkeys(items).keys()),
    type({}.values()): ("vv", list, lambda *items: dict(enumerate(items)).values()),
    type({}.items()): ("vi", list, lambda *items: dict(items).items()),
}
_PLAIN_TAGS = {tag: make for tag, _, make in _PLAIN.values()}
_EXTENDED: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    complex: lambda value: complex(value.real, value.imag),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
"""Immutable types whose derived classes travel as their value, and how to extract it."""
_TYPES: dict[str, Any] = {
    **{name: value for name, value in vars(builtins).items() if isinstance(value, type)},
    **{kind.__name__: kind for kind in (*_MUTABLE, *_PLAIN) if kind.__module__ != "builtins"},
    "NoneType": type(None),
    "Ellipsis": Ellipsis,
    "NotImplemented": NotImplemented,
}
_NAMES_OF_TYPES = {kind: name for name, kind in _TYPES.items() if isinstance(kind, type)}
