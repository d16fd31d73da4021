"""Runs of programs in a sandbox, and what the harness inside sends back of them."""

import asyncio
import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from importlib.resources import files
from typing import Any, Self, TypeVar

from sandbox import CHANNEL, Limits, Program, Result, Sandbox, SandboxConfig, Status

_PACKAGE = "verifiers.code.inside"
_INSIDE = (
    "values", "harness", "trust", "standins", "standin_registry", "carrying", "guard", "peer",
    "shared_files", "serving", "report", "programs", "runners", "testing",
)  # fmt: skip
"""In an order in which each can import those before it."""


T = TypeVar("T")
_HELD_UP_BY = 50_000
"""Bytes of content that take some ten milliseconds to read and compare."""


class NothingKnown(Exception):
    """Something of ours broke, or was killed from outside: no verdict on the program."""


class Runs:
    """A sandbox with the harness in it."""

    def __init__(self, config: SandboxConfig | None, *, pytest: bool = False) -> None:
        """With `pytest` it is there for tests, and was imported beforehand."""
        self.sandbox = Sandbox(
            config, modules=_inside(*_INSIDE, *(["pytest_plugin"] if pytest else []))
        )
        self._files: Mapping[str, bytes] = {}

    def with_files(self, files: Mapping[str, bytes]) -> Self:
        """The same sandbox, where programs find these files in their working folder."""
        runs = copy(self)
        runs._files = files
        return runs

    async def run(self, program: Program) -> Result:
        """How the program ended. Raises NothingKnown; SandboxUnavailable."""
        if self._files:
            program = replace(program, files={**self._files, **program.files})
        result = await self.sandbox.run(program)
        if result.status is Status.KILLED:
            raise NothingKnown("the program was killed from outside, twice")
        return result

    async def call_harness(self, function: str, request: dict[str, Any], limits: Limits) -> Result:
        """Runs a function of `inside/harness.py`, which finds the request on its standard input."""
        code = f"from {_PACKAGE}.harness import {function}; {function}()"
        return await self.run(Program(code=code, stdin=json.dumps(request).encode(), limits=limits))

    async def run_tests(self, request: dict[str, Any], limits: Limits) -> Result:
        """Runs `inside/testing.py`, beside a process for the program if they are to be apart."""
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
        """Ends the sandbox; twice is fine."""
        await self.sandbox.close()


async def off_loop(num_bytes: int, function: Callable[..., T], *arguments: Any) -> T:
    """The function's value; in a thread if so much content would hold up the event loop."""
    if num_bytes < _HELD_UP_BY:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def answers(result: Result, most: int) -> list[dict[str, Any]]:
    """Whole lines of the harness; an untrusted process may have written anything."""
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
