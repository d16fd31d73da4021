"""Languages other than Python: how to recognise, compile and run their programs.

A compiled program is the compiler's output as bytes, so that it can be cached and written out again.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Folders in which the sandbox finds commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A programming language."""

    name: str
    tags: frozenset[str]
    """Its names in code fences, in lower case."""
    begins: re.Pattern[str]
    """Pattern that programs match and prose does not."""
    needs: tuple[str, ...]
    """Commands that must be installed."""
    package: str
    """Debian package that provides them."""
    source: str
    """Name of the source's file."""
    compile: str
    """A shell command that writes the compiled program to standard output; `{main}` is the class that
    has `main`."""
    program: str
    """Name of the file that runs."""
    run: tuple[str, ...]
    """The command; `{memory_mb}` is the target's limit."""
    memory_extra_mb: int = 0
    """Address space that the language's runtime reserves but hardly uses, in MB."""
    reads: tuple[str, ...] = ()
    """Glob patterns of folders outside the system's that it reads, such as its settings."""
    out_of_memory: tuple[bytes, ...]
    """Messages that the runtime prints when it is out of memory."""

    def missing(self) -> list[str]:
        """Commands that are not installed."""
        return [name for name in self.needs if shutil.which(name, path=_PATH) is None]

    def command(self, memory_mb: int) -> tuple[str, ...]:
        return tuple(part.format(memory_mb=memory_mb) for part in self.run)


CPP_FLAGS = "-O2 -std=c++17 -pipe"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _language(begins: str, tags: str, **given: object) -> Language:
    return Language(begins=re.compile(begins, re.M), tags=_words(tags), **given)  # type: ignore[arg-type]


LANGUAGES = {
    "cpp": _language(
        r"^[ \t]*#[ \t]*include\b|\bint[ \t]+main[ \t]*\(",
        "cpp c++ cc cxx c++11 c++14 c++17 c++20 c++23 cpp17 cpp20 c",
        name="C++",
        needs=("g++",),
        package="g++",
        source="main.cpp",
        compile=f"g++ {CPP_FLAGS} -o main main.cpp && exec cat main",
        program="main",
        # Started by the loader, because files in the working folder are not executable.
        run=("/lib64/ld-linux-x86-64.so.2", "./main"),
        out_of_memory=(b"std::bad_alloc", b"failed to map segment"),
    ),
    "javascript": _language(
        r"\brequire[ \t]*\(|\bconsole\.log\b|\bprocess\.std|^[ \t]*(?:const|let|var|import)[ \t]",
        "javascript js node nodejs mjs cjs",
        name="JavaScript",
        needs=("node",),
        package="nodejs",
        source="main.js",
        compile="ulimit -s 8192; node --check main.js && exec cat main.js",
        program="main.js",
        # Node's own threads each map as much stack as its main thread may have.
        run=(
            "/bin/sh",
            "-c",
            "ulimit -s 66000; exec node --max-old-space-size={memory_mb} --stack-size=64000 main.js",
        ),
        memory_extra_mb=3000,
        out_of_memory=(b"JavaScript heap out of memory",),
    ),
    "java": _language(
        r"\bpublic[ \t]+static[ \t]+void[ \t]+main\b|^[ \t]*import[ \t]+java",
        "java",
        name="Java",
        needs=("javac", "jar", "java"),
        package="default-jdk-headless",
        source="{main}.java",
        compile="javac -J-XX:+UseSerialGC -encoding UTF-8 -nowarn {main}.java"
        " && jar -J-XX:+UseSerialGC -cfe main.jar {main} *.class && exec cat main.jar",
        program="main.jar",
        run=("java", "-XX:+UseSerialGC", "-Xss64m", "-Xmx{memory_mb}m", "-jar", "main.jar"),
        memory_extra_mb=4000,
        reads=("/etc/java*",),
        out_of_memory=(b"java.lang.OutOfMemoryError",),
    ),
}


def folders() -> list[Path]:
    """Folders that the installed languages read, besides the system's."""
    patterns = {pattern for one in LANGUAGES.values() for pattern in one.reads}
    return sorted(path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/")))
