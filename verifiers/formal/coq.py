"""Checks proofs with Coq: `coqc` compiles them, `coqchk` checks the result again.

    1. once for each target: preamble and statement are compiled alone, which detects broken targets
    2. preamble, statement and response are compiled as one file, in a sandbox of its own
    3. in another sandbox, a separate file says `Definition checked : <statement> := <theorem>` and
       prints its assumptions, so that nothing the response prints is ever read
    4. `coqchk`, a second and smaller checker without virtual machine or tactics, checks the compiled
       proof again and names everything in it that is assumed or not checked

The statement is elaborated before Coq reads any of the response, and step 3 compares with that very
constant: later notations, coercions and names cannot change its meaning. File and constant have names
made from a hash of all the text, the response included, so that the response cannot name them. It
therefore cannot define the statement again (`Reset`), or load the file in another state.

So a PASS depends on the two checkers alone. Commands that no proof needs are refused before that, by
reading the text. This gives clearer reasons and is an additional barrier, not the only one.

Errors in Coq itself that both programs have in common are not detected. Definitions in the response do
not change the target's. An ambiguous target has to be fixed by its author.
"""

import asyncio
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace

from sandbox import Limits, Program, Result, Sandbox, Status
from verifiers.formal.coq_text import blanked, refused_command, without_preamble
from verifiers.formal.targets import (
    FormalTarget,
    Judged,
    Language,
    failed,
    mark_of,
    not_allowed,
    one_line,
)
from verifiers.records import BadTarget, NothingKnown, Outcome

INSTALL = "apt-get install coq"
LANGUAGE = Language(
    fences=frozenset({"coq", "rocq", "v", "gallina"}),
    declaration="Theorem|Lemma|Corollary|Proposition|Fact|Remark|Property|Example|Definition|Fixpoint"
    "|Instance|Let|CoFixpoint",
    proof=re.compile(r"(?<![\w'])(?:Qed|Defined|Admitted)\s*\."),
)
_NUM_TARGETS = 256
"""Targets that are cached."""
_NUM_FILES = 16
_FILE_BYTES = 64_000_000
_COMPILED_BYTES = 32_000_000
"""Largest compiled proof, in bytes."""
_FLAGS = "-q -Q . Berry -w none -native-compiler no"
_FINDLIB = """\
destdir="/usr/lib/ocaml"
path="/usr/lib/ocaml:/usr/local/lib/ocaml:/usr/lib/ocaml/METAS"
"""
"""Coq exits without this file, and the sandbox has no /etc. With it no tool can be started."""
_COMPILE = f"""\
export OCAMLFIND_CONF=findlib.conf
coqc {_FLAGS} "$1.v" >printed 2>errors || {{ code=$?; head -c 16000 errors >&2; exit $code; }}
exec cat "$2"
"""
_CHECK_AGAIN = (
    'export OCAMLFIND_CONF=findlib.conf; exec coqchk -silent -o -Q . Berry -norec "Berry.$1" 2>&1'
)


@dataclass(frozen=True, slots=True)
class _Context:
    """Items that `coqchk` reports as not checked, in the generated file: section -> names."""

    theory: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    def names(self) -> tuple[str, ...]:
        return tuple(name for _, names in self.sections for name in names)


@dataclass(frozen=True, slots=True)
class _Ids:
    """The file's name without suffix, and the statement's name."""

    file: str
    statement: str


class Coq:
    """Judges proofs. The caller owns the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._targets: dict[tuple[str, str], _Context | str] = {}
        """(preamble, statement) -> the target's own assumptions, or the reason why it is broken."""
        self._looking: dict[tuple[str, str], asyncio.Lock] = {}

    async def judge(self, target: FormalTarget, proof: str, limits: Limits) -> Judged:
        """PASS or FAIL. Raises BadTarget, NothingKnown, SandboxUnavailable."""
        given = await self._given(target, limits)
        if (refused := refused_command(proof)) is not None:
            return failed(refused)
        text = _complete(without_preamble(proof, target.preamble), target)
        ids = _ids(target, text)
        source, num_lines = _source(target, ids)
        compiled = await self._compile(ids, source + text, limits)
        if isinstance(compiled, str):
            where = _where(_line(compiled), num_lines + _added(text, proof))
            return failed(f"does not compile: {where}{_message(compiled, ids)}")
        assumed = await self._assumptions(target, ids, compiled, limits)
        if isinstance(assumed, Judged):
            return assumed
        context = await self._check_again(ids, compiled, limits)
        return _judge(target, assumed, context, given)

    # ------------------------------------------------------------------------------------ steps

    async def _given(self, target: FormalTarget, limits: Limits) -> _Context:
        """The target's own assumptions. Raises BadTarget if it does not compile."""
        key = (target.preamble, target.statement)
        found = self._targets.get(key)
        if found is None:
            # Responses to one problem arrive together: only one of them compiles the target.
            lock = self._looking.setdefault(key, asyncio.Lock())
            try:
                async with lock:
                    found = self._targets.get(key) or await self._look_at_target(target, limits)
                    self._remember(key, found)
            finally:
                self._looking.pop(key, None)
        if isinstance(found, str):
            raise BadTarget(found)
        return found

    def _remember(self, key: tuple[str, str], found: "_Context | str") -> None:
        while len(self._targets) >= _NUM_TARGETS:
            del self._targets[next(iter(self._targets))]
        self._targets[key] = found

    async def _look_at_target(self, target: FormalTarget, limits: Limits) -> _Context | str:
        ids = _ids(target, "")
        source, _ = _source(target, ids)
        compiled = await self._compile(ids, source, limits)
        if isinstance(compiled, str):
            line = _line(compiled)
            in_preamble = line is not None and line <= target.preamble.count("\n") + 1
            part = f"preamble: {_where(line, 0)}" if in_preamble else "statement: "
            return one_line(f"target: {part}{_message(compiled, ids)}")
        return await self._check_again(ids, compiled, limits)

    async def _compile(self, ids: _Ids, source: str, limits: Limits) -> bytes | str:
        """The compiled file, or the error of `coqc`."""
        room = replace(limits, output_bytes=_COMPILED_BYTES)
        files = {f"{ids.file}.v": source.encode(errors="replace")}
        arguments = (ids.file, f"{ids.file}.vo")
        result = await self._run("coqc", _COMPILE, arguments, files, room)
        return result.stdout if result.status is Status.OK else _said(result)

    async def _assumptions(
        self, target: FormalTarget, ids: _Ids, compiled: bytes, limits: Limits
    ) -> dict[str, str] | Judged:
        library = f"Berry.{ids.file}"
        source = (
            f"Require {library}.\n"
            f"Definition checked : @{library}.{ids.statement} := @{library}.{target.name}.\n"
            # Resets options that the file has set for files that load it.
            "Unset Printing All. Set Printing Width 100.\nPrint Assumptions checked.\n"
        )
        files = {f"{ids.file}.vo": compiled, "Check.v": source.encode()}
        result = await self._run("coqc", _COMPILE, ("Check", "printed"), files, limits)
        if result.status is not Status.OK:
            return failed(_mismatch(_said(result), target, ids))
        printed = result.stdout.decode(errors="replace")
        assumed = parse_assumptions(printed)
        if assumed is None:
            return failed(f"its assumptions cannot be read: {_readable(printed, ids)}")
        return {_readable(name, ids): _readable(text, ids) for name, text in assumed.items()}

    async def _check_again(self, ids: _Ids, compiled: bytes, limits: Limits) -> _Context:
        files = {f"{ids.file}.vo": compiled}
        result = await self._run("coqchk", _CHECK_AGAIN, (ids.file,), files, limits)
        if result.status is not Status.OK:
            said = _readable(result.stdout.decode(errors="replace"), ids)
            raise NothingKnown(f"coqc accepts the proof, but coqchk does not: {one_line(said)}")
        context = parse_context(result.stdout.decode(errors="replace"), f"Berry.{ids.file}.")
        if context is None:
            raise NothingKnown(
                "expected the output of coqchk 8.16 or a version close to it, got other text"
            )
        return context

    async def _run(
        self,
        tool: str,
        script: str,
        arguments: tuple[str, ...],
        files: dict[str, bytes],
        limits: Limits,
    ) -> Result:
        if shutil.which(tool) is None:
            raise NothingKnown(f"{tool} is not installed: {INSTALL}")
        program = Program(
            command=("/bin/sh", "-c", script, "sh", *arguments),
            files={**files, "findlib.conf": _FINDLIB.encode()},
            limits=replace(limits, files=_NUM_FILES, file_bytes=_FILE_BYTES, processes=1),
        )
        result = await self._sandbox.run(program)
        if (why := limit_reached(result)) is not None:
            raise NothingKnown(f"{tool} {why}")
        if result.exit_code in (126, 127):
            raise NothingKnown(f"{tool} cannot be started in the sandbox: {one_line(_said(result))}")
        return result


def find_coq() -> tuple[str, str] | None:
    """Path and version of the installed `coqc`; None if it or `coqchk` is missing."""
    path = shutil.which("coqc")
    if path is None or shutil.which("coqchk") is None:
        return None
    try:
        said = subprocess.run([path, "--print-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return path, (said.stdout.split() or ["of an unknown version"])[0]


def limit_reached(result: Result) -> str | None:
    """The limit that ended a run; then nothing is known about the proof. None if no limit did."""
    reached = {
        Status.TIMEOUT: "ran over the time limit",
        Status.MEMORY_LIMIT: "ran over the memory limit",
        Status.OUTPUT_LIMIT: "printed more than the output limit",
        Status.KILLED: "was killed from outside",
    }
    # A shell adds 128 to the signal's number.
    number = -result.exit_code if result.exit_code < 0 else result.exit_code - 128
    by_signal: dict[int, Status] = {
        signal.SIGXCPU: Status.TIMEOUT,
        signal.SIGKILL: Status.KILLED,
        signal.SIGSEGV: Status.MEMORY_LIMIT,
    }
    status = by_signal.get(number, result.status)
    if status is Status.RUNTIME_ERROR and _is_out_of_memory(result):
        status = Status.MEMORY_LIMIT
    return reached.get(status)


_FATAL = re.compile(r"Fatal error: (?:exception )?(?:not enough memory|Out_of_memory|Stack_overflow)")
_NO_MEMORY = re.compile(r"\s*File [^\n]*\nError:\s*(?:Out of memory|Stack overflow)\.?\s*")


def _is_out_of_memory(result: Result) -> bool:
    """Whether Coq ran out of memory; a proof's own message has exit code 1 and follows Coq's."""
    if result.exit_code == 1:
        return _NO_MEMORY.fullmatch(_said(result)) is not None
    return _FATAL.search(_said(result)) is not None


# ------------------------------------------------------------------------------------------ Coq's input


def _ids(target: FormalTarget, text: str) -> _Ids:
    """Names that a response cannot contain, and that are the same for the same texts."""
    mark = mark_of(target, text)
    return _Ids(f"Proof_{mark}", f"statement_{mark}")


def _source(target: FormalTarget, ids: _Ids) -> tuple[str, int]:
    """Preamble and statement, and their number of lines."""
    # `: Type` accepts propositions too, and a statement is read there as a theorem's is.
    text = f"{target.preamble}\nDefinition {ids.statement} : Type := (\n{target.statement}\n).\n"
    return text, text.count("\n")


def _complete(proof: str, target: FormalTarget) -> str:
    """The proof, with the theorem in front of it if the proof lacks that."""
    if re.match(r"\s*Proof\b", blanked(proof)):
        return f"Theorem {target.name} :\n{target.statement}\n.\n{proof}\n"
    return f"{proof}\n"


def _added(text: str, proof: str) -> int:
    """Number of lines that `_complete` has put before the proof."""
    return text.count("\n") - proof.count("\n") - 1


# ----------------------------------------------------------------------------------------- Coq's output

_LINE = re.compile(r'File "[^"\n]*", line (\d+), characters [^\n]*\n')


def _said(result: Result) -> str:
    return result.stderr.decode(errors="replace")


def _line(said: str) -> int | None:
    """The line of the error, which is at the end of `coqc`'s output."""
    lines = _LINE.findall(said)
    return int(lines[-1]) if lines else None


def _where(line: int | None, num_lines: int) -> str:
    """The line of the error as a prefix, counted after the first `num_lines` lines."""
    return f"line {line - num_lines}: " if line is not None and line > num_lines else ""


def _message(said: str, ids: _Ids) -> str:
    """The error for a reader."""
    message = _LINE.split(said)[-1].removeprefix("Error:").strip()
    return _readable(message or "coqc gives no reason", ids)


def _readable(text: str, ids: _Ids) -> str:
    text = text.replace(f"file ./{ids.file}.v", "the proof")
    for name in (f"Berry.{ids.file}.", f"{ids.file}."):
        text = text.replace(name, "")
    return text.replace(ids.statement, "the statement").strip()


def _mismatch(said: str, target: FormalTarget, ids: _Ids) -> str:
    message = one_line(_message(said, ids))
    if message.startswith(f"The reference {target.name} was not found"):
        return f"proves no theorem `{target.name}`"
    return f"`{target.name}` does not prove the statement: {message}"


def parse_assumptions(printed: str) -> dict[str, str] | None:
    """The output of `Print Assumptions`: name -> a line for readers. None if it cannot be read.

    Continuation lines of a type are indented. Lines that are not `name : type`, such as `f is assumed
    to be guarded.`, are kept whole as a name, which no list of axioms contains.
    """
    lines = printed.strip("\n").split("\n")
    if lines == ["Closed under the global context"]:
        return {}
    if lines[0] != "Axioms:" or len(lines) < 2 or lines[1].startswith(" "):
        return None
    starts = [line for line in lines[1:] if not line.startswith(" ")]
    return dict(_assumption(line) for line in starts)


def _assumption(line: str) -> tuple[str, str]:
    match = re.fullmatch(r"([^\s:]+)(?: :.*)?", line)
    return (match[1], match[1]) if match else (line, line)


_SECTION = re.compile(r"\* ([^:\n]+):([^*]*)")


def parse_context(printed: str, prefix: str) -> _Context | None:
    """The output of `coqchk -o` for names with the prefix; None if it cannot be read."""
    _, title, summary = printed.partition("CONTEXT SUMMARY")
    sections = {name.strip(): text.split() for name, text in _SECTION.findall(summary)}
    if not title or len(sections) != 5 or "Axioms" not in sections or "Theory" not in sections:
        return None
    theory = " ".join(sections.pop("Theory"))
    ours = {
        section: tuple(sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix)))
        for section, names in sections.items()
    }
    return _Context(theory, tuple(ours.items()))


def _judge(target: FormalTarget, assumed: dict[str, str], context: _Context, given: _Context) -> Judged:
    """The verdict, from the assumptions that both programs report."""
    assumptions = tuple(sorted(assumed))
    own = given.names()
    known = {name: text for name, text in assumed.items() if name.split(" ")[0] not in own}
    if wrong := not_allowed(known, target.axioms):
        return failed(f"depends on assumptions that are not allowed: {', '.join(wrong)}", assumptions)
    if context.theory != given.theory:
        return failed(f"changes the logic: {context.theory}", assumptions)
    new = sorted(set(context.names()) - set(own))
    if new:
        return failed(f"assumes without proof, or unchecked: {', '.join(new)}", assumptions)
    reason = "proved" + (f", with {', '.join(assumptions)}" if assumptions else "")
    return Judged(outcome=Outcome.PASS, reason=one_line(reason), assumptions=assumptions)
