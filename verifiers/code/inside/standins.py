"""Stand-ins for objects of the other process: operations on a stand-in happen there.

A class of the other side has a stand-in class here, so that `isinstance`, `except` and attributes work.
`standin_registry.py` makes them.
"""

import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from verifiers.code.inside.trust import Origin

if TYPE_CHECKING:
    from verifiers.code.inside.standin_registry import StandIns


class Unsupported(BaseException):
    """The tests need the program's own process; they cannot catch this."""


class Documentation:
    """The object's documentation, which a stand-in class's own would hide."""

    def __get__(self, subject: Any, cls: Any) -> Any:
        return cls._standins.get(cls if subject is None else subject, "__doc__")


class _Names(Mapping[str, Any]):
    """The `__dict__` of an object of the other process."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._subject, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._subject._standins.request("dir", self._subject))

    def __len__(self) -> int:
        return len(list(iter(self)))


class StandIn:
    """An object of the other process."""

    _standins: "StandIns"
    _number: int
    _origin = Origin.RETURNED

    def __getattr__(self, name: str) -> Any:
        if name in ("__array_interface__", "__array_struct__"):
            # Through these, numpy would read any address that the program names, in this process.
            raise AttributeError(name)
        value = self._standins.get(self, name)
        trust = self._standins.trust
        if trust is not None and not isinstance(value, StandIn | StandInMethod):
            trust.note_attribute(self._origin, f"{type(self).__name__}.{name}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self._standins.request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._standins.request("delete", self, name)

    def __str__(self) -> str:
        return str(self._standins.request("str", self))

    def __repr__(self) -> str:
        return str(self._standins.request("repr", self))

    def __format__(self, spec: str) -> str:
        return str(self._standins.request("format", self, spec))

    def __dir__(self) -> Any:
        return self._standins.request("dir", self)

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return self._standins.get(self, "__dict__")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an object of the other process cannot be copied or pickled")

    def __deepcopy__(self, memo: Any) -> Any:
        return self._standins.request("deepcopy", self)

    def __copy__(self) -> Any:
        return self._standins.request("copy", self)


class StandInClass(type):
    """A class of the other process."""

    _standins: "StandIns"
    _number: int
    _origin_of_made: Origin | None

    def __new__(
        meta, name: str, bases: tuple[type, ...], content: dict[str, Any], **of: Any
    ) -> "StandInClass":
        if "_standins" not in content:
            raise Unsupported(f"the class {name!r} is derived from one of the program's")
        return super().__new__(meta, name, bases, content)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = cls._standins.request("call", cls, args, tuple(kwargs.items()))
        if isinstance(made, StandIn) and cls._origin_of_made is not None:
            object.__setattr__(made, "_origin", cls._origin_of_made)
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name not in ("__doc__", "__annotations__", "__members__"):
            # Attributes that Python itself looks up on classes, such as `__abstractmethods__`.
            raise AttributeError(name)
        return cls._standins.get(cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls._standins.request("set", cls, name, value)

    @property  # type: ignore[misc]
    def __dict__(cls) -> Any:  # type: ignore[override]
        return _Names(cls)

    def __iter__(cls) -> Any:
        return cls._standins.request("iter", cls)

    def __len__(cls) -> int:
        return int(cls._standins.request("len", cls))

    def __getitem__(cls, key: Any) -> Any:
        return cls._standins.request("getitem", cls, key)

    def __contains__(cls, item: Any) -> bool:
        return any(item is one for one in cls)

    def __bool__(cls) -> bool:
        return True


class StandInModule(types.ModuleType):
    """A module of the other process."""

    _standins: "StandIns"
    _number: int

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return _Names(self)

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__spec__", "__file__"):
            raise AttributeError(name)
        value = self._standins.get(self, name)
        self._standins.name(value, name)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self._standins.request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._standins.request("delete", self, name)


class StandInMethod:
    """A method of an object of the other process."""

    def __init__(self, standins: "StandIns", subject: Any, name: str) -> None:
        self._standins, self.__self__, self.__name__ = standins, subject, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        subject = self.__self__
        result = self._standins.request("method", subject, self.__name__, args, tuple(kwargs.items()))
        trust = self._standins.trust
        if trust is not None and isinstance(subject, StandIn):
            name, given = f"{type(subject).__name__}.{self.__name__}", bool(args or kwargs)
            trust.note_method(subject._origin, name, has_arguments=given, result=result)
        return result


class StandInErrorClass(type):
    """An exception class of the other process; its instances are real exceptions here."""

    _standins: "StandIns"
    _number: int

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._standins.request("call", cls, args, tuple(kwargs.items()))
