"""Two processes that use each other's objects: tests in one, the program under test in the other.

Only one side runs at a time: it sends a request and serves requests until the answer arrives. Plain
values travel as copies, whose changes are carried along (`carrying.py`); all other objects stay where
they are, and the other side has stand-ins for them (`standins.py`).

A message is 4 bytes of length and JSON: `[kind, content, changes, dropped, printed]`. `kind` is "?" (a
request, answered by one of the others), "=" (a result) or "!" (an exception). Nothing is unpickled, and
neither side runs the other's code: a request names an operation from the table below.
"""

import copy
import json
import operator
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

from verifiers.code.inside.carrying import Carrier, Unreadable
from verifiers.code.inside.guard import check_access
from verifiers.code.inside.standins import Unsupported

_MOST_BYTES = 1 << 28
_SMALL, _LARGE = 4096, 1 << 20
"""Bytes per read: for a message, which is usually short, and for the rest of a long one."""


class PeerLost(BaseException):
    """The other process ended or sent unreadable data; tests cannot catch it as `Exception`."""

    def __init__(self, reason: str, *, forged: bool = False) -> None:
        super().__init__(reason)
        self.forged = forged
        """Whether it sent something that the harness never sends."""


class Peer:
    """One side of the channel."""

    def __init__(
        self,
        descriptor: int,
        carrier: Carrier,
        operations: Mapping[str, Callable[..., Any]],
        *,
        trusts: bool,
    ) -> None:
        """`descriptor` is a stream socket. `operations` are those that only this side has.

        `trusts`: the other side may use any attribute.
        """
        # Spelled out, because the sandbox forbids asking the kernel for a socket's type.
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=descriptor)
        self.carrier = carrier
        self._operations = {**OPERATIONS, **operations}
        self._trusts = trusts
        self.printed: list[tuple[str, str]] = []
        """(`stdout` or `stderr`, text), sent along with the next message."""
        self.on_printed: Callable[[str, str], object] = lambda stream, text: None
        self.on_stored: Callable[[Any, Any], object] = lambda subject, value: None
        """Called when the other side stores a value in an object of this side."""
        self.num_requests = 0
        self.returned: list[Any] = []
        """Results of calls since the list was last cleared."""
        self._thread = threading.get_ident()

    def request(self, operation: str, *operands: Any) -> Any:
        """The result of an operation on the other side. Raises what the operation raised; PeerLost."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("only the main thread can use objects of the other process")
        self.num_requests += 1
        self._send("?", (operation, *operands))
        result = self._serve_until_answer()
        if operation in ("call", "method"):
            self.returned.append(result)
        return result

    def serve(self) -> None:
        """Answers requests until the other side ends."""
        try:
            self._serve_until_answer()
        except PeerLost:
            return

    # ----------------------------------------------------------------------------------- messages

    def _serve_until_answer(self) -> Any:
        while True:
            # A list, so that a served message can be released while it is being served.
            message = [*self._receive()]
            if message[0] == "=":
                return message[1]
            if message[0] == "!":
                raise message[1]
            self._answer(message)

    def _answer(self, message: list[Any]) -> None:
        try:
            operation, *operands = message.pop()
            result = self._perform(operation, operands)
        except (PeerLost, Unsupported, MemoryError):
            raise
        except BaseException as e:  # noqa: BLE001 - untrusted code; the asking side gets it
            # Frames hold arguments, which would stay shared.
            self._send("!", e.with_traceback(None))
            return
        operands.clear()
        try:
            self._send("=", result)
        except (PeerLost, MemoryError):
            raise
        except Exception as e:  # noqa: BLE001 - iterating over a value can run untrusted code
            self._send("!", ValueError(f"the result cannot be carried: {type(e).__name__}: {e}"[:200]))

    def _send(self, kind: str, content: Any) -> None:
        encoded = self.carrier.encode(content)
        del content
        changes, dropped = self.carrier.changes()
        message = json.dumps([kind, encoded, changes, dropped, self.printed]).encode()
        self.printed.clear()
        if len(message) > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES:,} bytes, got {len(message):,}")
        try:
            self._channel.sendall(struct.pack(">I", len(message)) + message)
        except OSError as e:
            raise PeerLost("the program's process ended") from e

    def _receive(self) -> tuple[str, Any]:
        try:
            content = self._read_message()
        except OSError as e:
            raise PeerLost("the program's process ended") from e
        try:
            kind, encoded, changes, dropped, printed = json.loads(content)
            for stream, text in printed:
                self.on_printed(stream, text)
            self.carrier.apply(changes)
            decoded = self.carrier.decode(encoded)
            self.carrier.drop(dropped)
            if kind not in ("?", "=", "!") or (kind == "!" and not isinstance(decoded, BaseException)):
                raise Unreadable(f"a message of kind {kind!r:.50}")
            return kind, decoded
        except MemoryError:
            raise
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as e:
            why = f"the program sent what cannot be read ({type(e).__name__})"
            raise PeerLost(why, forged=True) from e

    def _read_message(self) -> bytes:
        """The next message, usually in one read, because the two sides take turns."""
        content = self._read(4)
        (size,) = struct.unpack(">I", content[:4])
        if size > _MOST_BYTES:
            raise PeerLost("the program sent a message that is too long", forged=True)
        while len(content) < size + 4:
            content += self._read(size + 4 - len(content))
        if len(content) > size + 4:
            raise PeerLost("the program sent more than a message", forged=True)
        return bytes(content[4:])

    def _read(self, least: int) -> bytearray:
        parts = bytearray()
        while len(parts) < least:
            part = self._channel.recv(_SMALL if not parts else min(least, _LARGE))
            if not part:
                raise PeerLost("the program's process ended")
            parts += part
        return parts

    # --------------------------------------------------------------------------------- operations

    def _perform(self, operation: str, operands: list[Any]) -> Any:
        if operation in self._operations:
            return self._operations[operation](*operands)
        subject, *more = operands
        if not self._trusts and not (self.carrier.owns(subject) and not isinstance(subject, str)):
            raise AttributeError("expected an object that was given to the program")
        operands.clear()
        if operation == "call":
            args, kwargs = more
            return subject(*args, **dict(kwargs))
        name = more[0]
        if not self._trusts:
            check_access(subject, name, changes=operation in ("set", "delete"))
        if operation == "method":
            args, kwargs = more[1:]
            return getattr(subject, name)(*args, **dict(kwargs))
        if operation == "get":
            return self.carrier.member(subject, name)
        if operation == "set":
            self.on_stored(subject, more[1])
            return setattr(subject, name, more[1])
        if operation == "delete":
            return delattr(subject, name)
        raise Unreadable(f"the operation {operation!r:.50}")


def _next(iterator: Any) -> Any:
    """The next item in a tuple; StopIteration would end a generator that serves."""
    try:
        return (next(iterator),)
    except StopIteration as e:
        return [e.value]


def _exit(subject: Any, error: BaseException | None) -> Any:
    return type(subject).__exit__(subject, None if error is None else type(error), error, None)


_BUILTINS: tuple[Callable[..., Any], ...] = (
    len, bool, int, float, complex, round, str, repr, hash, iter, reversed, dir, format, divmod,
)  # fmt: skip
OPERATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, name)
        for name in (
            "add sub mul truediv floordiv mod pow matmul lshift rshift and_ or_ xor iadd isub imul "
            "itruediv ifloordiv imod ipow iand ior ixor imatmul eq ne lt le gt ge contains getitem "
            "setitem delitem neg pos invert abs index"
        ).split()
    },
    **{function.__name__: function for function in _BUILTINS},
    "next": _next,
    "enter": lambda subject: type(subject).__enter__(subject),
    "exit": _exit,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
