"""Encodes a program as the request that the zygote reads (`inside/messages.py`)."""

import itertools
import json
from typing import Any

from sandbox.records import Program


def encode(program: Program) -> tuple[dict[str, Any], *tuple[bytes, ...]]:
    """The request's header, and the contents, whose positions the header lists."""
    limits = program.limits
    content = {"code": program.code, "command": program.command, "arguments": program.arguments}
    beside: dict[str, object] = {"code": program.companion, "command": None, "arguments": []}
    contents = [
        json.dumps(content).encode(),
        b"" if program.companion is None else json.dumps(beside).encode(),
        program.stdin,
        *program.files.values(),
    ]
    ends = [*itertools.accumulate(map(len, contents), initial=0)]
    code, companion, stdin, *files = itertools.pairwise(ends)
    header = {
        "size": ends[-1],
        "program": code,
        "companion": None if program.companion is None else companion,
        "stdin": stdin,
        "files": dict(zip(program.files, files, strict=True)),
        "cpu_seconds": limits.cpu_seconds,
        "wall_seconds": limits.wall_seconds,
        "memory_mb": limits.memory_mb,
        "output_bytes": limits.output_bytes,
        "threads": limits.threads,
        "file_limit": limits.files,
        "file_bytes": limits.file_bytes,
        # A command is a process of its own; programs that it starts count in addition.
        "processes": limits.processes + (program.command is not None and not program.single_process),
        "becomes_command": program.single_process,
    }
    return header, *contents
