"""Runs untrusted code by the million, and knows nothing of the rest.

    async with Sandbox() as sandbox:
        result = await sandbox.run(Program(code="print(input()[::-1])", stdin=b"stressed"))

`records.py` has what goes in and comes out. `pool.py` keeps workers; a worker (`worker.py`) is a zygote
(`zygote.py`) inside namespaces, which forks a child for each program and watches it (`watch.py`); the
child locks itself (`lock.py`) before it compiles the code (`program.py`). `levels.py` finds what this
machine can enforce, by trying the `attacks.py`; `python -m sandbox.selfcheck` tries all of them.
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
