"""The program as the tests' process sees it: in a process of its own, or in the same one."""

import builtins
import importlib
import random
import signal
import sys
from collections.abc import Callable
from typing import Any, Protocol

from verifiers.code.inside.carrying import Carrier
from verifiers.code.inside.guard import is_mock
from verifiers.code.inside.peer import Peer, PeerLost
from verifiers.code.inside.serving import load
from verifiers.code.inside.standin_registry import StandIns
from verifiers.code.inside.standins import StandIn, StandInClass
from verifiers.code.inside.trust import Trust

_MODULES = {"np": "numpy", "numpy": "numpy"}
"""Names of libraries in tests whose values both processes understand."""


class UnderTest(Protocol):
    """Interface of a program to the code that runs tests."""

    returned: list[Any]
    """Recent results of its functions."""

    def load(self, code: str, names: list[str]) -> tuple[Any, dict[str, Any]]:
        """The module `solution`, and its values for these names. Raises what the program raises."""

    def borrowed(self, name: str, value: Any, *, given_literals: bool) -> Any:
        """A value of the program that the tests use as if it were their own.

        `given_literals`: they call it only with literals.
        """

    def find(self, entry_point: str) -> Any:
        """A function, or `Class.method` on an instance made without arguments."""

    def was_used(self) -> bool:
        """Whether the tests used anything of it since it was loaded."""

    def consulted(self) -> list[str]:
        """Assertions that it decided itself."""

    def raised(self, error: BaseException) -> bool:
        """Whether the program raised this exception."""


class Apart:
    """A program in a process of its own, at the other end of a socket."""

    def __init__(self, descriptor: int, entry_point: str) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._entry_point = entry_point.split(".")[0]
        self._trust = Trust(self._entry_point)
        self._standins = StandIns(self._trust)
        operations: dict[str, Callable[..., Any]] = {
            "input": lambda prompt: builtins.input(prompt),
            "stdin": lambda method, size: _stream("stdin", method, ("read", "readline"))(size),
        }
        self._peer = Peer(descriptor, Carrier(0, self._standins), operations, trusts=False)
        self._peer.on_printed = lambda stream, text: _stream(stream, "write", ("write",))(text)
        self._standins.request = self._peer.request
        self.returned = self._peer.returned
        self._num_to_load = 0
        self._is_reached_by_requests = True
        self._peer.on_stored = self._note_stored
        # Tests seed this process's generators, and mean the program's as well.
        random.seed = self._both(random.seed, "seed", "random")
        sys.setrecursionlimit = self._both(sys.setrecursionlimit, "recursion")
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed = self._both(numpy.random.seed, "seed", "numpy.random")

    def load(self, code: str, names: list[str]) -> tuple[Any, dict[str, Any]]:
        solution, found = self._peer.request("load", code, tuple(names))
        for name, value in found.items():
            self._standins.name(value, name)
        self._num_to_load = self._peer.num_requests
        # A function of Python's, such as `f = int`, is called here.
        tested = found.get(self._entry_point)
        self._is_reached_by_requests = tested is None or isinstance(tested, StandIn | StandInClass)
        return solution, found

    def find(self, entry_point: str) -> Any:
        before = self._peer.num_requests
        found = _find(entry_point)
        self._num_to_load += self._peer.num_requests - before
        return found

    def borrowed(self, name: str, value: Any, *, given_literals: bool) -> Any:
        if name == self._entry_point:
            return value
        is_class, is_function = isinstance(value, type), isinstance(value, StandIn) and callable(value)
        module = _MODULES.get(name, name)
        if not is_function and (module in sys.stdlib_module_names or name in _MODULES):
            # Python's or numpy's own, so that the program cannot substitute another.
            return importlib.import_module(module)
        if is_class and name[:1].isupper():
            return value
        if not is_function:
            self._trust.consulted.append(name)
            return value
        if given_literals:
            return value
        function: Callable[..., Any] = value

        def ask(*args: Any, **kwargs: Any) -> Any:
            self._trust.consulted.append(name)
            return function(*args, **kwargs)

        return ask

    def was_used(self) -> bool:
        return self._peer.num_requests > self._num_to_load or not self._is_reached_by_requests

    def consulted(self) -> list[str]:
        return self._trust.consulted

    def raised(self, error: BaseException) -> bool:
        return isinstance(error, PeerLost) or self._standins.number_of(error) is not None

    def _note_stored(self, subject: Any, value: Any) -> None:
        if is_mock(subject) and isinstance(value, StandIn | StandInClass):
            # Tests that ask the mock for it ask the program.
            self._trust.consulted.append(f"{type(value).__name__}, stored in a mock")

    def _both(self, function: Callable[..., Any], operation: str, *first: str) -> Callable[..., None]:
        """A function that also runs in the other process."""

        def both(*arguments: Any) -> None:
            function(*arguments)
            self._peer.request(operation, *first, *arguments)

        return both


class Here:
    """A program in this process, for tests that work no other way; it can forge their results."""

    def __init__(self) -> None:
        self.returned: list[Any] = []

    def load(self, code: str, names: list[str]) -> tuple[Any, dict[str, Any]]:
        return load(code, names)

    def find(self, entry_point: str) -> Any:
        return _find(entry_point)

    def borrowed(self, name: str, value: Any, *, given_literals: bool) -> Any:
        return value

    def was_used(self) -> bool:
        return True

    def consulted(self) -> list[str]:
        return []

    def raised(self, error: BaseException) -> bool:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return trace is not None and trace.tb_frame.f_code.co_filename == "solution.py"


def _find(entry_point: str) -> Any:
    found: Any = sys.modules["solution"]
    for name in entry_point.split("."):
        if isinstance(found, type):
            found = found()
        found = getattr(found, name)
    return found


def _stream(name: Any, method: Any, allowed: tuple[str, ...]) -> Callable[[Any], Any]:
    """A method of a standard stream, which the tests may have replaced."""
    if name not in ("stdin", "stdout", "stderr") or method not in allowed:
        raise ValueError("a stream")
    function: Callable[[Any], Any] = getattr(getattr(sys, name), method)
    return function
