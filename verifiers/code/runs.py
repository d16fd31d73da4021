"""Runs of programs in a sandbox, and what the harness inside sends back of them."""

import json
from importlib.resources import files
from typing import Any

from sandbox import Limits, Program, Result, Sandbox, SandboxConfig, Status

_INSIDE = ("values", "harness")


class NothingKnown(Exception):
    """Something of ours broke, or was killed from outside: no verdict on the program."""


class Runs:
    """A sandbox with the harness in it."""

    def __init__(self, config: SandboxConfig | None) -> None:
        self.sandbox = Sandbox(config, modules=_inside())

    async def run(self, program: Program) -> Result:
        """How the program ended. Raises NothingKnown; SandboxUnavailable."""
        result = await self.sandbox.run(program)
        if result.status is Status.KILLED:
            raise NothingKnown("the program was killed from outside, twice")
        return result

    async def call_harness(self, function: str, request: dict[str, Any], limits: Limits) -> Result:
        """Runs a function of `inside/harness.py`, which finds the request on its standard input."""
        code = f"from verifiers.code.inside.harness import {function}; {function}()"
        return await self.run(Program(code=code, stdin=json.dumps(request).encode(), limits=limits))

    async def close(self) -> None:
        """Ends the sandbox; twice is fine."""
        await self.sandbox.close()


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


def _inside() -> dict[str, str]:
    folder = files("verifiers.code.inside")
    return {
        f"verifiers.code.inside.{name}": folder.joinpath(f"{name}.py").read_text() for name in _INSIDE
    }
