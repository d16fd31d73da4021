"""Checks proofs with Lean 4, in a project folder that the user has built (`lake build`).

Preamble, statement, response and a check form one file: the statement is elaborated before the
response, and the file ends with `theorem checked : <statement> := @<name>` and `#print axioms checked`.
Only the message at that last line counts. Both names are made from a hash of all the text, so that the
response cannot name them.

Unlike a Coq file, a Lean file can run programs while it is read and change the language of later lines.
So a PASS here also depends on the words below being refused: everywhere if the text has string literals
or names in quotes, otherwise outside comments. A proof that needs its own macro is refused as well.
There is no second checker.
"""

import asyncio
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox import Limits, Program, Result, Sandbox, SandboxConfig, Status
from verifiers.formal.coq import limit_reached
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

INSTALL = "install elan (https://lean-lang.org/install), then `lake build` in a project"
LANGUAGE = Language(
    fences=frozenset({"lean", "lean4"}),
    declaration="theorem|lemma|def|abbrev|instance",
    proof=re.compile(r"^\s*(?:theorem|lemma)\s[^\n]*:|:=\s*by\b", re.M),
)
_FILES_WRITTEN = 8
_NUM_TARGETS = 256
"""Targets that are cached."""
_REFUSED = re.compile(
    r"(?<![\w.'])(sorry|admit|axiom|variable|variables|include|omit|universe|namespace|native_decide|bv_decide|ofReduceBool|unsafe|partial|implemented_by"
    r"|extern|export_name|csimp|macro|macro_rules|elab|elab_rules|syntax|declare_syntax_cat|notation|notation3"
    r"|infix|infixl|infixr|prefix|postfix|run_cmd|run_elab|run_meta|run_tac|by_elab|initialize"
    r"|builtin_initialize|simproc|dsimproc|simproc_decl|term_elab|command_elab|builtin_command_elab"
    r"|command_parser|term_parser|tactic_parser|tactic|MetaM|CoreM|TermElabM|TacticM|CommandElabM"
    r"|IO|addDecl|debug|skipKernelTC|unif_hint|include_str|Lean|Elab|Meta)(?![\w'])|#(eval|exit|reduce)\b"
)
"""Gaps, anything that runs code or changes the language while the file is read, and anything that puts
hypotheses or names around the lines that check the theorem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Output of `lake env` in a project."""

    lean: Path
    sysroot: Path
    path: str
    """`LEAN_PATH`, the folders of compiled modules."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that Lean reads."""
        return (self.sysroot, *(Path(folder) for folder in self.path.split(":") if folder))


def find_toolchain(project: Path) -> Toolchain:
    """Asks `lake env` in the project's folder. Raises NothingKnown, which says what is missing."""
    if not project.is_dir():
        raise NothingKnown(f"lean_project: expected the folder of a Lean project, got {project}")
    if shutil.which("lake") is None:
        raise NothingKnown(f"lake is not installed: {INSTALL}")
    command = ["lake", "env", "printenv", "LEAN_SYSROOT", "LEAN_PATH"]
    try:
        said = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as e:
        raise NothingKnown(f"`lake env` fails in {project}: {e}") from e
    lines = said.stdout.split("\n")
    sysroot = Path(lines[0])
    if said.returncode != 0 or len(lines) < 2 or not (sysroot / "bin" / "lean").is_file():
        raise NothingKnown(f"`lake env` names no Lean in {project}: {one_line(said.stderr)}")
    path = ":".join(str((project / folder).resolve()) for folder in lines[1].split(":") if folder)
    return Toolchain(lean=sysroot / "bin" / "lean", sysroot=sysroot, path=path)


class Lean:
    """Judges proofs in a sandbox of its own that shows Lean and the project."""

    def __init__(self, project: Path | None, sandbox: SandboxConfig | None = None) -> None:
        self._project = project
        self._settings = sandbox or SandboxConfig()
        self._found: tuple[Toolchain, Sandbox] | None = None
        self._starting = asyncio.Lock()
        self._sound: set[tuple[str, str]] = set()
        """Preamble and statement of targets that compile."""

    @property
    def sandbox(self) -> Sandbox | None:
        """The sandbox; None until a proof has been judged."""
        return self._found[1] if self._found else None

    async def judge(self, target: FormalTarget, proof: str, limits: Limits) -> Judged:
        """PASS or FAIL. Raises BadTarget, NothingKnown, SandboxUnavailable."""
        num_given = await self._check_target(target, limits)
        if refused := refused_word(proof):
            return failed(f"`{refused}` is not allowed in a proof")
        text = _complete(proof, target)
        num_given += text.count("\n") - proof.count("\n") - 1
        mark = mark_of(target, text)
        source, _ = _source(target, mark)
        check = f"\ntheorem checked_{mark} : statement_{mark} := @_root_.{target.name}\n"
        whole = f"{source}{text}{check}#print axioms checked_{mark}\n"
        messages = await self._run(whole, limits)
        if (error := _first_error(messages)) is not None:
            return failed(_failure(error, source, whole, num_given, mark, target))
        return _judge(messages, whole.count("\n"), mark, target)

    async def _check_target(self, target: FormalTarget, limits: Limits) -> int:
        """Number of lines of preamble and statement. Raises BadTarget if they do not compile."""
        source, num_lines = _source(target, mark_of(target, ""))
        key = (target.preamble, target.statement)
        if key not in self._sound:
            if (error := _first_error(await self._run(source, limits))) is not None:
                raise BadTarget(one_line(f"target: preamble or statement: {error[1]}"))
            if len(self._sound) >= _NUM_TARGETS:
                self._sound.clear()
            self._sound.add(key)
        return num_lines

    async def version(self) -> str | None:
        """Output of `lean --version`; None without Lean."""
        try:
            toolchain, _ = await self._toolchain()
        except NothingKnown:
            return None
        return await asyncio.to_thread(_lean_version, toolchain)

    async def close(self) -> None:
        """Ends the sandbox. Calling it twice is safe."""
        found, self._found = self._found, None
        self._starting = asyncio.Lock()
        if found is not None:
            await found[1].close()

    async def _toolchain(self) -> tuple[Toolchain, Sandbox]:
        async with self._starting:
            if self._found is None:
                if self._project is None:
                    raise NothingKnown(f"lean_project is not set; {INSTALL}, and set it to that folder")
                toolchain = await asyncio.to_thread(find_toolchain, self._project)
                readable = (*self._settings.readable, *toolchain.folders)
                settings = self._settings.model_copy(update={"readable": readable})
                self._found = toolchain, Sandbox(settings)
            return self._found

    async def _run(self, source: str, limits: Limits) -> "list[_Message]":
        toolchain, sandbox = await self._toolchain()
        command = (str(toolchain.lean), "--json", "Proof.lean")
        program = Program(
            command=("/usr/bin/env", f"LEAN_PATH={toolchain.path}", *command),
            files={"Proof.lean": source.encode(errors="replace")},
            limits=replace(limits, files=_FILES_WRITTEN, processes=1),
        )
        result = await sandbox.run(program)
        if (why := limit_reached(result)) is not None:
            raise NothingKnown(f"lean {why}")
        return _messages(result)


def _lean_version(toolchain: Toolchain) -> str | None:
    try:
        said = subprocess.run(
            [str(toolchain.lean), "--version"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None


# ------------------------------------------------------------------------------------------ source text


def _source(target: FormalTarget, mark: str) -> tuple[str, int]:
    """Preamble and statement, and their number of lines."""
    text = f"{target.preamble}\ndef statement_{mark} : Prop := (\n{target.statement}\n)\n"
    return text, text.count("\n")


def _complete(proof: str, target: FormalTarget) -> str:
    """The response after the preamble, which it may repeat, or as the proof of the theorem."""
    preamble = target.preamble.strip()
    if preamble and proof.lstrip().startswith(preamble):
        proof = proof.lstrip().removeprefix(preamble)
    given = {line.strip() for line in preamble.split("\n")}
    lines = [
        "" if line.strip() in given and _IMPORT.match(line) else line for line in proof.split("\n")
    ]
    proof = "\n".join(lines)
    if re.match(r"\s*(?::=|by\b)", proof):
        sign = "" if proof.lstrip().startswith(":=") else ":="
        return f"theorem {target.name} :\n{target.statement}\n{sign}\n{proof}\n"
    return f"{proof}\n"


_IMPORT = re.compile(r"\s*import\s")


def refused_word(proof: str) -> str | None:
    """The first word that is not allowed; None if there is none."""
    # Without either of these, comments can be read in only one way, so nothing can hide in one.
    text = proof if re.search(r'["«]', proof) else _without_comments(proof)
    found = _REFUSED.search(text)
    return found[0] if found else None


def _without_comments(text: str) -> str:
    """The text without `-- ...` and `/- ... -/`, which nest."""
    pieces: list[str] = []
    done = depth = 0
    while mark := (_IN_COMMENT if depth else _COMMENT).search(text, done):
        if not depth:
            pieces.append(text[done : mark.start()] + " ")
        depth += {"/-": 1, "-/": -1}.get(mark[0], 0)
        done = mark.end()
    return "".join(pieces) + ("" if depth else text[done:])


_COMMENT, _IN_COMMENT = re.compile(r"/-|--[^\n]*"), re.compile(r"/-|-/")


# ---------------------------------------------------------------------------------------- Lean's output


@dataclass(frozen=True, slots=True)
class _Message:
    line: int
    severity: str
    text: str


def _messages(result: Result) -> list[_Message]:
    """Lean's messages, one JSON object per line. Raises NothingKnown for other output."""
    messages: list[_Message] = []
    try:
        for line in result.stdout.decode(errors="replace").split("\n"):
            if line.strip():
                one = json.loads(line)
                messages.append(
                    _Message(int(one["pos"]["line"]), str(one["severity"]), str(one["data"]))
                )
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise NothingKnown(f"expected messages of lean in JSON, got {one_line(line, 100)}") from e
    if result.status is not Status.OK and all(m.severity != "error" for m in messages):
        said = result.stderr.decode(errors="replace")
        raise NothingKnown(f"lean ended with exit code {result.exit_code}: {one_line(said)}")
    return messages


def _first_error(messages: list[_Message]) -> tuple[int, str] | None:
    return next(((m.line, m.text) for m in messages if m.severity == "error"), None)


def _failure(
    error: tuple[int, str], source: str, whole: str, num_given: int, mark: str, target: FormalTarget
) -> str:
    line, said = error
    said = said.replace(f"statement_{mark}", "the statement").replace(f"checked_{mark}", "the check")
    if line >= whole.count("\n") - 1:
        return f"`{target.name}` does not prove the statement: {said}"
    return f"does not compile: line {max(1, line - num_given)}: {said}"


def _judge(messages: list[_Message], last: int, mark: str, target: FormalTarget) -> Judged:
    """The verdict, from the message at the last line."""
    said = [" ".join(m.text.split()) for m in messages if m.line == last and m.severity == "info"]
    name = re.escape(f"'checked_{mark}'")
    if len(said) != 1:
        return failed("its axioms are not printed")
    if re.fullmatch(rf"{name} does not depend on any axioms", said[0]):
        return Judged(outcome=Outcome.PASS, reason="proved", assumptions=())
    found = re.fullmatch(rf"{name} depends on axioms: \[([^\[\]]+)\]", said[0])
    if found is None:
        return failed(f"its axioms cannot be read: {said[0].replace(mark, '')}")
    assumptions = tuple(sorted(axiom.strip() for axiom in found[1].split(",")))
    known = {axiom: axiom for axiom in assumptions}
    if wrong := not_allowed(known, (*STANDARD_AXIOMS, *target.axioms)):
        return failed(f"depends on axioms that are not allowed: {', '.join(wrong)}", assumptions)
    reason = f"proved, with {', '.join(assumptions)}"
    return Judged(outcome=Outcome.PASS, reason=one_line(reason), assumptions=assumptions)


STANDARD_AXIOMS = ("propext", "Classical.choice", "Quot.sound")
"""Axioms of Lean's own logic; nearly every proof, with `simp` and `omega`, depends on them."""
