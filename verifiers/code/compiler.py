"""Compiles programs in languages other than Python, in the sandbox: compilers read untrusted code too.

Results are cached, so that a program is compiled once for all of its cases and rows.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandbox import Limits, Program, Result, Status
from verifiers.code.failures import Failure, Reason
from verifiers.code.kept import Kept
from verifiers.code.languages import LANGUAGES, Language
from verifiers.code.runs import Runs
from verifiers.records import NothingKnown

_MOST_KEPT_BYTES = 256 * 2**20
_LIMITS = Limits(
    memory_mb=2048,
    output_bytes=64_000_000,
    threads=64,
    files=1000,
    file_bytes=256_000_000,
    processes=16,
)
_ERROR = re.compile(r"error\b|SyntaxError|undefined reference")
_MAIN_CLASS = re.compile(r"\bclass[ \t\n]+(\w+)", re.ASCII)
_MAIN = re.compile(r"\bstatic[ \t\n]+void[ \t\n]+main\b")
_PACKAGE = re.compile(r"^[ \t]*package[ \t]+[\w.]+[ \t]*;", re.M)


@dataclass(frozen=True, slots=True)
class Built:
    """The program that runs for every case: Python source, or a compiler's output."""

    code: str | None = None
    compiled: bytes = b""
    language: Language | None = None

    @property
    def out_of_memory(self) -> Sequence[bytes]:
        """Messages that the runtime prints when it is out of memory."""
        return self.language.out_of_memory if self.language else ()

    def program(self, stdin: bytes, limits: Limits) -> Program:
        """One run of it."""
        if self.language is None:
            return Program(code=self.code, stdin=stdin, limits=limits)
        memory_mb = limits.memory_mb + self.language.memory_extra_mb
        return Program(
            command=self.language.command(limits.memory_mb),
            single_process=not limits.processes,
            stdin=stdin,
            files={self.language.program: self.compiled},
            limits=replace(limits, memory_mb=memory_mb, threads=64),
        )


class Compiler:
    """Compiles in the sandbox of the given runs."""

    def __init__(self, runs: Runs, seconds: float) -> None:
        """`seconds` is the CPU time limit of one compilation."""
        self._runs = runs
        self._seconds = seconds
        self._kept: Kept[bytes | Failure] = Kept(_MOST_KEPT_BYTES)
        self._busy: dict[str, asyncio.Lock] = {}

    async def build(self, language_name: str, code: str) -> Built | Failure:
        """The program to run, or the compilation's failure. Raises NothingKnown; SandboxUnavailable."""
        if language_name == "python":
            return Built(code)
        language = LANGUAGES[language_name]
        compiled = await self._compiled(language, code)
        return Built(None, compiled, language) if isinstance(compiled, bytes) else compiled

    async def _compiled(self, language: Language, code: str) -> bytes | Failure:
        if missing := language.missing():
            raise NothingKnown(
                f"programs in {language.name} need {', '.join(missing)}: "
                f"apt-get install {language.package}"
            )
        text = f"{language.name}\0{language.compile}\0{code}".encode(errors="surrogatepass")
        key = hashlib.sha256(text).hexdigest()
        # A second request for the same program waits instead of compiling it again.
        async with self._busy.setdefault(key, asyncio.Lock()):
            compiled = self._kept.get(key)
            if compiled is None:
                try:
                    compiled = await self._compile(language, code)
                finally:
                    self._busy.pop(key, None)
                self._kept.put(key, compiled, _size(compiled))
            return compiled

    async def _compile(self, language: Language, code: str) -> bytes | Failure:
        if language.name == "Java":
            code = _PACKAGE.sub("", code)
        main = _main_class(code)
        program = Program(
            command=("/bin/sh", "-c", language.compile.format(main=main)),
            files={language.source.format(main=main): code.encode(errors="replace")},
            limits=_limits(language, self._seconds),
        )
        result = await self._runs.run(program)
        return result.stdout if result.status is Status.OK else _complaint(result)


def _limits(language: Language, seconds: float) -> Limits:
    memory_mb = _LIMITS.memory_mb + language.memory_extra_mb
    # The monitored shell sleeps while its compiler works or waits for a core.
    return replace(_LIMITS, cpu_seconds=seconds, wall_seconds=3 * seconds, memory_mb=memory_mb)


def _size(compiled: bytes | Failure) -> int:
    return len(compiled) if isinstance(compiled, bytes) else len(compiled.text)


def _main_class(code: str) -> str:
    """The class of a Java program that has `main`; if public, its file must have the same name."""
    main = _MAIN.search(code)
    names = _MAIN_CLASS.findall(code[: main.start()] if main else code)
    return names[-1] if names else "Main"


def _complaint(result: Result) -> Failure:
    if result.status is Status.TIMEOUT:
        return Failure(Reason.COMPILE_ERROR, "the compiler ran over its time limit")
    if result.status is Status.OUTPUT_LIMIT:
        return Failure(Reason.COMPILE_ERROR, "the compiled program is too large")
    lines = result.stderr.decode(errors="replace").splitlines()
    said = next((line for line in lines if _ERROR.search(line)), lines[-1] if lines else "no message")
    return Failure(Reason.COMPILE_ERROR, f"does not compile: {said.strip()[:200]}")
