"""What the sandbox is given and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class SandboxUnavailable(Exception):
    """The sandbox itself failed or cannot do what was asked: nothing is known of the program."""


CHANNEL = 4
"""The descriptor by which a program and its companion reach each other."""


class Status(StrEnum):
    """How a program ended."""

    OK = "ok"
    """By itself, with exit code 0."""
    RUNTIME_ERROR = "runtime_error"
    """By itself with another exit code, by an exception, or by a signal of its own making."""
    TIMEOUT = "timeout"
    """Over its limit of CPU time, or of wall time not counting time spent waiting for a core."""
    MEMORY_LIMIT = "memory_limit"
    """By an exception for want of memory."""
    OUTPUT_LIMIT = "output_limit"
    """It wrote more than it may to standard output and error together."""
    KILLED = "killed"
    """By SIGKILL from outside, such as the machine's out-of-memory killer, or because it hardly got
    a core, or because its wall time ran out after SIGSTOP from outside. A program cannot bring this
    about by itself, so it is no fault of the program."""


class Level(IntEnum):
    """How well a program is locked in, from the weakest to the strongest."""

    WEAK = 1
    """Limits of time and memory, seccomp where there is any. It can read the machine's files."""
    LANDLOCK = 2
    """Landlock and seccomp: no file, network or process outside its own can be reached."""
    NAMESPACES = 3
    """The same, inside namespaces of its own made by bubblewrap."""


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
"""What the kernel and the memory of this process can take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use."""

    cpu_seconds: float = 10.0
    """Of all its threads together. This decides a timeout, whatever the load of the machine."""
    wall_seconds: float = 20.0
    """For programs that sleep. Time in which the program was ready but had no core does not count."""
    memory_mb: int = 1024
    """Address space beyond what the interpreter has mapped at the start; for each process."""
    output_bytes: int = 1_000_000
    """Standard output and error together."""
    threads: int = 32
    """Beside the main thread."""
    files: int = 0
    """Files and folders that it may make in its working folder. 0: it cannot write at all."""
    file_bytes: int = 16_000_000
    """Of everything in its working folder, where it may write."""
    processes: int = 0
    """Further processes. More than 0 takes a sandbox of its own for the program, which is slower."""

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
    """A program and its arguments, in place of `code`; takes a sandbox of its own, which is slower."""
    single_process: bool = False
    """Whether the command may start no others; it then needs no sandbox of its own."""
    arguments: tuple[str, ...] = ()
    """`sys.argv[1:]`."""
    companion: str | None = None
    """Python source of a second program, which runs beside `code` in a locked process of its own and
    shares its limits. `CHANNEL` is in both the descriptor of a stream socket to the other. What it
    reads and prints goes nowhere; it is ended with the first."""
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Plain file name -> content, laid out in the working folder."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if (self.code is None) == (self.command is None):
            raise ValueError("expected either `code` or `command`, got both or neither")
        if self.single_process and (self.command is None or self.limits.processes):
            raise ValueError("single_process: expected a command, and no limits.processes")
        if self.companion is not None and self.code is None:
            raise ValueError("companion: expected `code` beside it, got a command")
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
    """What a program did."""

    status: Status
    stdout: bytes
    stderr: bytes
    exit_code: int
    """Minus the signal's number if a signal ended it."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float
    """Most resident memory, the interpreter's own included."""
    level: Level
    companion: Status | None = None
    """How the companion ended if it ended first; OK if it was still running."""
