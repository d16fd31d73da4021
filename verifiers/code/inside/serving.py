"""The program's process: it loads the program and serves the tests' requests.

The program shares this process and can change anything in it. That gains it nothing: its results are
compared in the tests' process, which it cannot reach.
"""

import asyncio
import builtins
import importlib
import io
import signal
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from verifiers.code.inside.carrying import Carrier
from verifiers.code.inside.peer import Peer
from verifiers.code.inside.shared_files import share_files
from verifiers.code.inside.standin_registry import StandIns


def serve(descriptor: int) -> None:
    """Serves the tests' process on this socket until that process ends."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    standins = StandIns(None)
    operations: dict[str, Callable[..., Any]] = {
        "load": load,
        "run": asyncio.run,
        "seed": _seed,
        "recursion": sys.setrecursionlimit,
    }
    peer = Peer(descriptor, Carrier(1, standins), operations, trusts=True)
    standins.request = peer.request
    share_files()
    for name in ("stdout", "stderr"):
        forward: Any = _Forward(peer, name)
        stream = io.TextIOWrapper(forward, encoding="utf-8", write_through=True)
        setattr(sys, name, stream)
    sys.stdin = _AskedFor(peer)
    builtins.input = lambda prompt="": peer.request("input", prompt)
    peer.serve()


def load(code: str, names: Sequence[str]) -> tuple[types.ModuleType, dict[str, Any]]:
    """The program as the module `solution`, and its values for these names."""
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    exec(compile(code, "solution.py", "exec"), module.__dict__)
    return module, {name: vars(module)[name] for name in names if name in vars(module)}


def _seed(module: str, *state: Any) -> None:
    importlib.import_module(module).seed(*state)


class _Forward(io.RawIOBase):
    """Forwards printed text to the tests, which may examine it."""

    def __init__(self, peer: Peer, stream: str) -> None:
        self._peer, self._stream = peer, stream

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._peer.printed.append((self._stream, bytes(content).decode(errors="replace")))
        return len(content)


class _AskedFor(io.TextIOBase):
    """Standard input, which the tests provide."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def readable(self) -> bool:
        return True

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return str(self._peer.request("stdin", "readline", size))

    def read(self, size: int | None = -1) -> str:
        return str(self._peer.request("stdin", "read", size))
