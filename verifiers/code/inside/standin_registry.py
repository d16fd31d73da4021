"""The stand-ins of one side, and their operators.

On the tests' side `trust.py` decides which operators are left to the program.
"""

import builtins
import types
from collections.abc import Callable, Generator
from typing import Any, cast

from verifiers.code.inside.standins import (
    Documentation,
    StandIn,
    StandInClass,
    StandInErrorClass,
    StandInMethod,
    StandInModule,
)
from verifiers.code.inside.trust import Origin, Trust

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_ARITHMETIC = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "truediv", "floordiv": "floordiv",
    "mod": "mod", "pow": "pow", "matmul": "matmul", "lshift": "lshift", "rshift": "rshift",
    "and": "and_", "or": "or_", "xor": "xor", "divmod": "divmod",
}  # fmt: skip
_INPLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor")
_UNARY = {
    "len": "len", "bool": "bool", "int": "int", "float": "float", "complex": "complex",
    "index": "index", "neg": "neg", "pos": "pos", "invert": "invert", "abs": "abs", "hash": "hash",
    "iter": "iter", "reversed": "reversed", "enter": "enter",
}  # fmt: skip
_TO_NUMBERS = frozenset("len bool int float complex index neg pos invert abs round".split())
_WITH_OPERANDS = ("getitem", "setitem", "delitem", "round", "exit")
_REFLECTED = {f"r{name}": operation for name, operation in _ARITHMETIC.items()}
_EVERY = (
    *_COMPARISONS, *_ARITHMETIC, *_REFLECTED, *_INPLACE, *_UNARY, *_WITH_OPERANDS,
    "contains", "call", "next",
)  # fmt: skip
_SILENT = (StopIteration, StopAsyncIteration, GeneratorExit)
_CARRIED = tuple(
    getattr(builtins, name)
    for name in ("int", "float", "str", "bytes", "complex", "tuple", "frozenset")
)


class StandIns:
    """All stand-ins of one side."""

    def __init__(self, trust: Trust | None) -> None:
        """`trust`: the rules on the tests' side; None on the program's side."""
        self.trust = trust
        self.request: Callable[..., Any]
        self._objects: dict[int, Any] = {}
        self._classes: dict[int, type] = {}
        self._others: dict[int, int] = {}
        """By id: numbers of objects that cannot hold their own, such as a generator or an exception."""

    # ----------------------------------------------------------------------------- for the encoder

    def number_of(self, value: Any) -> int | None:
        """The other side's number for an object that it owns; None for others."""
        if isinstance(value, StandIn | StandInClass | StandInModule | StandInErrorClass):
            return value._number
        return self._others.get(id(value))

    def kind_of(self, value: Any) -> str:
        """The kind of special stand-in that the other side needs."""
        if isinstance(value, types.GeneratorType):
            return "generator"
        if isinstance(value, types.CoroutineType):
            return "coroutine"
        return "module" if isinstance(value, types.ModuleType) else "object"

    def operations_of(self, cls: type) -> list[str]:
        """The operators that a class defines itself."""
        # Not with getattr, which would find the metaclass's.
        found = {name for one in cls.__mro__ if one is not object for name in vars(one)}
        hashable = getattr(cls, "__hash__", None) is not None
        return [n for n in _EVERY if f"__{n}__" in found and (n != "hash" or hashable)]

    # ----------------------------------------------------------------------------- for the decoder

    def add_class(
        self, number: int, name: str, module: str, bases: list[type], operations: Any
    ) -> None:
        """Makes the stand-in of a class, with the given operators."""
        if number in self._classes or not all(isinstance(base, type) for base in bases):
            raise ValueError("a class")
        own = [base for base in bases if isinstance(base, StandInClass)]
        errors = [base for base in bases if issubclass(base, BaseException)]
        plain = [base for base in bases if issubclass(base, _CARRIED)]
        content: dict[str, Any] = {
            "_standins": self, "_number": number, "__module__": str(module), "_origin_of_made": None,
        }  # fmt: skip
        if errors:
            parents: tuple[type, ...] = tuple(errors)
            content["__getattr__"] = _error_attribute
            self._classes[number] = StandInErrorClass(str(name), parents, content)
            return
        if plain:
            content["__getattr__"] = _extended_attribute
            self._classes[number] = StandInClass(str(name), tuple(plain), content)
            return
        for operation in operations:
            if operation in _EVERY:
                content[f"__{operation}__"] = self._operator(operation)
        if "eq" in operations and "hash" not in operations:
            content["__hash__"] = None
        content["__doc__"] = Documentation()
        parents = tuple(own) or (StandIn,)
        self._classes[number] = StandInClass(str(name), parents, content)

    def class_of(self, number: int) -> type:
        return self._classes[number]

    def instance(self, number: int, kind: str, cls: Any) -> Any:
        """The stand-in of an object, always the same one."""
        if number not in self._objects:
            self._objects[number] = self._make(number, kind, cls)
        return self._objects[number]

    def _make(self, number: int, kind: str, cls: Any) -> Any:
        plain = (
            cls
            if isinstance(cls, StandInClass) and issubclass(cls, StandIn)
            else self._plain_class(cls)
        )
        made: Any = object.__new__(plain)
        object.__setattr__(made, "_number", number)
        if kind == "module":
            module = StandInModule("solution")
            object.__setattr__(module, "_standins", self)
            object.__setattr__(module, "_number", number)
            return module
        if kind in ("generator", "coroutine"):
            other = self._generator(made) if kind == "generator" else self._coroutine(made)
            self._others[id(other)] = number
            return other
        return made

    def _plain_class(self, cls: Any) -> type:
        """The stand-in class for objects of Python's own classes, such as functions and iterators."""
        number = -1 - len(self._classes)
        name = cls.__name__ if isinstance(cls, type) else "object"
        operations = ["call", *_EVERY] if cls is types.FunctionType else self.operations_of(cls)
        self.add_class(number, name, "builtins", [], operations)
        return self._classes[number]

    def error(self, number: int, cls: Any, args: list[Any]) -> BaseException:
        """An exception, of the same class as far as this side knows it."""
        if number in self._objects:
            return cast(BaseException, self._objects[number])
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise ValueError("an exception")
        if issubclass(cls, _SILENT):
            # Raised by a function, these would silently end a loop of the tests.
            args, cls = [f"{cls.__name__} was raised", *args], RuntimeError
        try:
            known_class = not isinstance(cls, StandInErrorClass)
            error = cls(*args) if known_class else cls.__new__(cls)
        except (TypeError, ValueError):
            error = cls.__new__(cls)
        error.args = tuple(args)
        error._number = number
        self._objects[number] = error
        self._others[id(error)] = number
        return cast(BaseException, error)

    def extended(self, number: int, cls: Any, plain: Any) -> Any:
        """A value of a class derived from a plain one, such as a named tuple."""
        if number not in self._objects:
            base = next(base for base in _CARRIED if isinstance(plain, base))
            if not (isinstance(cls, type) and issubclass(cls, base)):
                raise ValueError("a derived value")
            value = base.__new__(cls, plain)
            value._number = number
            self._objects[number] = value
            self._others[id(value)] = number
        return self._objects[number]

    def name(self, value: Any, name: str) -> None:
        """Records the name under which the tests know a class of the program."""
        if isinstance(value, StandInClass) and self.trust is not None:
            type.__setattr__(value, "_origin_of_made", self.trust.origin_by(name))

    def method(self, subject: Any, name: str) -> Any:
        return StandInMethod(self, subject, name)

    def get(self, subject: Any, name: str) -> Any:
        """An attribute of an object on the other side."""
        return self.request("get", subject, name)

    # ------------------------------------------------------------------------------------ operators

    def _operator(self, name: str) -> Any:
        if name in _COMPARISONS or name in _ARITHMETIC:
            return self._binary(_ARITHMETIC.get(name, name), compares=name in _COMPARISONS)
        if name in _INPLACE:
            return self._binary(name, compares=False)
        if name in _REFLECTED:
            return self._binary(_REFLECTED[name], compares=False, reflected=True)
        if name == "contains":
            return lambda subject, item: self._contains(subject, item)
        if name == "call":
            return lambda subject, *a, **k: self.request("call", subject, a, tuple(k.items()))
        if name == "next":
            return lambda subject: self._next(subject)
        operation = _UNARY.get(name, name)
        if name == "exit":
            return lambda subject, kind, error, trace: self.request("exit", subject, error)
        return lambda subject, *operands: self._other_operator(operation, subject, operands)

    def _other_operator(self, operation: str, subject: Any, operands: tuple[Any, ...]) -> Any:
        result = self.request(operation, subject, *operands)
        if self.trust is not None and operation in _TO_NUMBERS and not isinstance(result, StandIn):
            self.trust.note_plain(subject._origin, f"{type(subject).__name__}.__{operation}__")
        return result

    def _binary(self, operation: str, *, compares: bool, reflected: bool = False) -> Any:
        def apply(subject: Any, other: Any) -> Any:
            of_other = other._origin if isinstance(other, StandIn) else None
            name = f"{type(subject).__name__}.__{operation}__"
            if self.trust is not None and not self.trust.may_operate(
                subject._origin, of_other, name, compares=compares
            ):
                return NotImplemented
            operands = (other, subject) if reflected else (subject, other)
            result = self.request(operation, *operands)
            if self.trust is not None and of_other is None and not compares:
                if isinstance(result, StandIn):
                    object.__setattr__(result, "_origin", Origin.COMPUTED)
                else:
                    self.trust.note_plain(Origin.COMPUTED, name)
            return result

        return apply

    def _contains(self, subject: Any, item: Any) -> bool:
        if self.trust is not None and subject._origin is Origin.RETURNED:
            return any(item is one or item == one for one in subject)
        return bool(self.request("contains", subject, item))

    def _next(self, subject: Any) -> Any:
        answer = self.request("next", subject)
        if isinstance(answer, tuple):
            return answer[0]
        raise StopIteration(*answer)

    def _generator(self, subject: Any) -> Generator[Any, Any, Any]:
        """A real generator, because tests check the type."""
        while True:
            answer = self.request("next", subject)
            if not isinstance(answer, tuple):
                return answer[0]
            yield answer[0]

    async def _coroutine(self, subject: Any) -> Any:
        return self.request("run", subject)


def _error_attribute(error: Any, name: str) -> Any:
    if name.startswith("__") or "_number" not in vars(error):
        raise AttributeError(name)
    return error._standins.get(error, name)


def _extended_attribute(value: Any, name: str) -> Any:
    if name.startswith("__") or "_number" not in vars(value):
        raise AttributeError(name)
    return value._standins.get(value, name)
