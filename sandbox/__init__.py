"""Runs untrusted code, fast enough for millions of programs. It depends on no other package of berry.

    async with Sandbox() as sandbox:
        result = await sandbox.run(Program(code="print(input()[::-1])", stdin=b"stressed"))

`records.py` defines the input and the output. `pool.py` keeps workers. A worker (`worker.py`) is a
zygote inside namespaces, which forks a child for each program and monitors it; the child locks itself
down before it compiles the code (`inside/`). `levels.py` finds what this machine can enforce, by trying
some of the `attacks/`; `python -m sandbox.selfcheck` tries all of them.
"""

from sandbox.pool import Sandbox, SandboxConfig
from sandbox.records import CHANNEL, Level, Limits, Program, Result, SandboxUnavailable, Status

__all__ = [
    "CHANNEL",
    "Level",
    "Limits",
    "Program",
    "Result",
    "Sandbox",
    "SandboxConfig",
    "SandboxUnavailable",
    "Status",
]
