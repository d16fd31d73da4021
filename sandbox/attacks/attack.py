"""An attack as a program, and the parser for the attacks' texts."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sandbox.records import Limits, Program, Status

ESCAPED = b"the attack got through"
HELD = b"the attack was held"
SECRET = "BERRY_SANDBOX_SECRET"
"""Name of an environment variable, and start of its value, that the caller may set as bait."""
_LIMITS = Limits(cpu_seconds=2, wall_seconds=2, memory_mb=256, output_bytes=100_000)
_LIMITS_BY_NAME = {
    "files": replace(_LIMITS, files=100, file_bytes=4_000_000),
    "memory": replace(_LIMITS, memory_mb=64),
    "processor": replace(_LIMITS, cpu_seconds=1, wall_seconds=10),
    "sleep": replace(_LIMITS, wall_seconds=0.5),
}
_FRAME = """\
import ctypes, os, resource, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *arguments)
def attack():
{body}
try:
    if attack():
        print("{escaped}", flush=True)
    else:
        print("{held}", flush=True)
except MemoryError:
    raise
except BaseException as e:
    print("{held}:", type(e).__name__, e, flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An attack on the sandbox."""

    name: str
    body: str
    """Body of a function that returns true if the attack succeeds."""
    canary: bool = False
    """Whether it is part of the self-test at the start of every sandbox."""
    must_end_as: tuple[Status, ...] | None = None
    """Allowed ends; any other means that the attack succeeded. None if the body decides."""
    limits: Limits = _LIMITS

    def program(self) -> Program:
        """The attack as a program for the sandbox."""
        code = _FRAME.format(
            body=textwrap.indent(self.body, "    "), escaped=ESCAPED.decode(), held=HELD.decode()
        )
        return Program(code=code, limits=self.limits)


def parse(text: str) -> Iterator[Attack]:
    """Attacks from sections `## name [canary, limits=NAME, ends=STATUS|STATUS]`, then the body."""
    for section in text.strip().split("\n## "):
        head, _, body = section.removeprefix("## ").partition("\n")
        name, _, flags = head.rstrip("]").partition(" [")
        options = dict(flag.partition("=")[::2] for flag in flags.split(", "))
        yield Attack(
            name=name,
            body=body,
            canary="canary" in options,
            must_end_as=_ends(options["ends"]) if "ends" in options else None,
            limits=_LIMITS_BY_NAME[options["limits"]] if "limits" in options else _LIMITS,
        )


def _ends(names: str) -> tuple[Status, ...]:
    if names == "not_ok":
        return tuple(status for status in Status if status is not Status.OK)
    return tuple(map(Status, names.split("|")))
