"""Runs programs in a sandbox and reads the harness's answers."""

import asyncio
import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from importlib.resources import files
from typing import Any, Self, TypeVar

from sandbox import CHANNEL, Limits, Program, Result, Sandbox, SandboxConfig, Status
from verifiers.records import NothingKnown

_PACKAGE = "verifiers.code.inside"
_INSIDE = (
    "values", "harness", "trust", "standins", "standin_registry", "carrying", "guard", "peer",
    "shared_files", "serving", "report", "programs", "runners", "testing",
)  # fmt: skip
"""In an order in which each can import the preceding ones."""


T = TypeVar("T")
_HELD_UP_BY = 50_000
"""Size of content, in bytes, that takes some ten milliseconds to read and compare."""


class Runs:
    """A sandbox with the harness in it."""

    def __init__(self, config: SandboxConfig | None, *, pytest: bool = False) -> None:
        """With `pytest`, tests can use pytest, which is imported in advance."""
        self.sandbox = Sandbox(
            config, modules=_inside(*_INSIDE, *(["pytest_plugin"] if pytest else []))
        )
        self._files: Mapping[str, bytes] = {}

    def with_files(self, files: Mapping[str, bytes]) -> Self:
        """The same sandbox; programs find these files in their working folder."""
        runs = copy(self)
        runs._files = files
        return runs

    async def run(self, program: Program) -> Result:
        """The program's result. Raises NothingKnown; SandboxUnavailable."""
        if self._files:
            program = replace(program, files={**self._files, **program.files})
        result = await self.sandbox.run(program)
        if result.status is Status.KILLED:
            raise NothingKnown("the program was killed from outside, twice")
        return result

    async def call_harness(self, function: str, request: dict[str, Any], limits: Limits) -> Result:
        """Runs a function of `inside/harness.py`, with the request on its standard input."""
        code = f"from {_PACKAGE}.harness import {function}; {function}()"
        return await self.run(Program(code=code, stdin=json.dumps(request).encode(), limits=limits))

    async def run_tests(self, request: dict[str, Any], limits: Limits) -> Result:
        """Runs `inside/testing.py`, with a companion process for the program if they are separate."""
        return await self.run(
            Program(
                code=f"from {_PACKAGE}.testing import run_tests; run_tests({CHANNEL})",
                companion=f"from {_PACKAGE}.serving import serve; serve({CHANNEL})"
                if request["apart"]
                else None,
                stdin=json.dumps(request).encode(),
                limits=limits,
            )
        )

    async def close(self) -> None:
        """Ends the sandbox. Calling it twice is safe."""
        await self.sandbox.close()


async def off_loop(num_bytes: int, function: Callable[..., T], *arguments: Any) -> T:
    """The function's result; computed in a thread if the content is large enough to block the loop."""
    if num_bytes < _HELD_UP_BY:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def answers(result: Result, most: int) -> list[dict[str, Any]]:
    """Complete lines from the harness; an untrusted process may have written anything."""
    found: list[dict[str, Any]] = []
    for line in result.stdout.split(b"\n")[:-1][:most]:
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(answer, dict):
            break
        found.append(answer)
    return found


def _inside(*names: str) -> dict[str, str]:
    folder = files(_PACKAGE)
    return {f"{_PACKAGE}.{name}": folder.joinpath(f"{name}.py").read_text() for name in names}
