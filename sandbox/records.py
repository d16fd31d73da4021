"""Records that the sandbox takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class SandboxUnavailable(Exception):
    """The sandbox failed or cannot do what was requested: the program's result is unknown."""


CHANNEL = 4
"""Descriptor through which a program and its companion communicate."""


class Status(StrEnum):
    """How a program ended."""

    OK = "ok"
    """It ended by itself with exit code 0."""
    RUNTIME_ERROR = "runtime_error"
    """It ended by itself with another exit code, an exception, or a signal of its own."""
    TIMEOUT = "timeout"
    """It exceeded its limit of CPU time, or of wall time without time spent waiting for a core."""
    MEMORY_LIMIT = "memory_limit"
    """It ended with an exception because memory ran out."""
    OUTPUT_LIMIT = "output_limit"
    """It wrote more than its limit to standard output and error together."""
    KILLED = "killed"
    """It ended by SIGKILL from outside, such as the machine's out-of-memory killer, or because it
    hardly got a core, or because its wall time ran out after SIGSTOP from outside. A program cannot
    cause this itself, so it is no fault of the program."""


class Level(IntEnum):
    """How well a program is isolated, from the weakest to the strongest."""

    WEAK = 1
    """Time and memory limits, and seccomp if available. It can read the machine's files."""
    LANDLOCK = 2
    """Landlock and seccomp: it cannot reach any file, network or process outside its own."""
    NAMESPACES = 3
    """Landlock and seccomp, inside namespaces of its own made by bubblewrap."""


_MOST = {
    "cpu_seconds": 10**6,
    "wall_seconds": 10**6,
    "memory_mb": 2**26,
    "output_bytes": 2**31,
    "threads": 2**16,
    "files": 2**24,
    "file_bytes": 2**40,
    "processes": 2**16,
}
"""Largest values that the kernel and this process's memory can handle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for a program."""

    cpu_seconds: float = 10.0
    """CPU time of all threads together. It decides timeouts, independently of the machine's load."""
    wall_seconds: float = 20.0
    """For programs that sleep. Time in which the program was ready but had no core does not count."""
    memory_mb: int = 1024
    """Address space beyond what the interpreter has mapped at the start; for each process."""
    output_bytes: int = 1_000_000
    """Standard output and error together."""
    threads: int = 32
    """Threads besides the main thread."""
    files: int = 0
    """Files and folders that it may create in its working folder. 0: it cannot write at all."""
    file_bytes: int = 16_000_000
    """Size of its working folder's contents, if it may write there."""
    processes: int = 0
    """Further processes. More than 0 gives the program a sandbox of its own, which is slower."""

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "wall_seconds", "memory_mb", "output_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")
        for name in ("threads", "files", "file_bytes", "processes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name}: expected at most {most}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Python source, or a command."""

    code: str | None = None
    """Python source, run as `__main__`."""
    command: tuple[str, ...] | None = None
    """A program and its arguments, instead of `code`; uses a sandbox of its own, which is slower."""
    single_process: bool = False
    """Whether the command may not start processes; it then needs no sandbox of its own."""
    arguments: tuple[str, ...] = ()
    """`sys.argv[1:]`."""
    companion: str | None = None
    """Python source of a second program, which runs alongside `code` in a locked process of its own and
    counts towards its limits. In both, `CHANNEL` is the descriptor of a stream socket to the other. Its
    output is discarded and its input is empty; it is ended with the first."""
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Plain file name -> content, placed in the working folder."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if (self.code is None) == (self.command is None):
            raise ValueError("expected either `code` or `command`, got both or neither")
        if self.single_process and (self.command is None or self.limits.processes):
            raise ValueError("single_process: expected a command, and no limits.processes")
        if self.companion is not None and self.code is None:
            raise ValueError("companion: expected `code`, got a command")
        for name in self.files:
            size = len(name.encode(errors="replace"))
            is_plain = "/" not in name and "\0" not in name and name not in ("", ".", "..")
            if not is_plain or size > 255 or any("\ud800" <= c <= "\udfff" for c in name):
                raise ValueError(f"files: expected plain file names, got {name!r}")
        if self.command is not None and not self.command:
            raise ValueError("command: expected a program and its arguments, got nothing")

    @property
    def needs_own_sandbox(self) -> bool:
        """Whether it may start processes, which must not outlive it."""
        return (self.command is not None and not self.single_process) or self.limits.processes > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of a program."""

    status: Status
    stdout: bytes
    stderr: bytes
    exit_code: int
    """Negative signal number if a signal ended it."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float
    """Peak resident memory, including the interpreter's own."""
    level: Level
    companion: Status | None = None
    """How the companion ended if it ended first; OK if it was still running."""
