"""`formal`: checks a proof of the target's theorem with Coq or Lean, in the sandbox.

    1. extract the proof from the response (`targets.py`)
    2. let the checker compile it, against a statement that it has read before (`coq.py`, `lean.py`)
    3. compare the axioms that the theorem depends on with those that the target allows

PASS means that the checker accepted a proof of exactly this statement, from no more than the allowed
axioms. An exceeded time or memory limit is ERROR, as is a target that does not compile. The verifier
cannot say whether the statement means the same as the problem's words.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sandbox import Limits, Sandbox, SandboxConfig, SandboxUnavailable
from verifiers.formal import coq, lean
from verifiers.formal.coq import Coq, find_coq
from verifiers.formal.lean import Lean, find_toolchain
from verifiers.formal.targets import (
    KINDS,
    FormalLimits,
    FormalTarget,
    Judged,
    check_target,
    extract_proof,
    one_line,
)
from verifiers.records import BadTarget, NothingKnown, Outcome, Target, Verdict, VerifierBase

_LANGUAGES = {"coq": coq.LANGUAGE, "lean": lean.LANGUAGE}


class FormalVerifier(VerifierBase):
    """Judges proofs with a proof assistant."""

    class Config(BaseModel):
        """Limits for each run of the checker, unless a target states its own."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        cpu_seconds: float = Field(default=30.0, gt=0)
        """Processor time to compile and check one proof."""
        wall_seconds: float = Field(default=120.0, gt=0)
        """A backstop: checkers do not sleep, so processor time decides on any machine."""
        memory_mb: int = Field(default=2048, ge=256)
        """Limit on address space; less than 256 MB is too little for Coq's own library."""
        output_bytes: int = Field(default=4_000_000, ge=1000)
        """Most output that is read from the checker."""
        lean_project: Path | None = None
        """Folder of a Lean 4 project built with `lake build`; for targets of kind `lean`."""

    name = "formal"
    version = "1"
    uses_sandbox = True
    target_kinds = KINDS

    def __init__(self, config: Config, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        self._sandbox = Sandbox(sandbox)
        self._coq = Coq(self._sandbox)
        self._lean = Lean(config.lean_project, sandbox)
        self._versions: dict[str, str | None] = {}

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without a proof; ERROR if the check gives no result."""
        proof: str | None = None
        evidence: dict[str, object] = {}
        try:
            checked = check_target(target)
            proof = extract_proof(response, checked.name, _LANGUAGES[checked.kind])
            if proof is None:
                judged = Judged(outcome=Outcome.ABSTAIN, reason="the response gives no proof")
            else:
                evidence["checker"] = checked.kind
                evidence["checker_version"] = await self._version(checked.kind)
                judged = await self._judge(checked, proof)
                if judged.assumptions is not None:
                    evidence["assumptions"] = list(judged.assumptions)
        except (SandboxUnavailable, BadTarget, NothingKnown) as e:
            judged = Judged(outcome=Outcome.ERROR, reason=one_line(str(e)))
        if (level := self._level(target.kind)) is not None:
            evidence["level"] = level
        return Verdict(
            outcome=judged.outcome,
            reason=judged.reason,
            # Lone surrogates, which a response may contain, cannot go into a dataset.
            extracted=proof if proof is None else proof.encode(errors="replace").decode(),
            no_answer=judged.outcome is Outcome.ABSTAIN and proof is None,
            evidence=evidence,
        )

    async def start(self) -> None:
        """Starts the sandbox. Raises SandboxUnavailable."""
        await self._sandbox.start()

    async def close(self) -> None:
        """Ends the sandboxes. Calling it twice is safe."""
        await asyncio.gather(self._sandbox.close(), self._lean.close())

    async def _judge(self, target: FormalTarget, proof: str) -> Judged:
        limits = self._limits(target.limits)
        if target.kind == "coq":
            return await self._coq.judge(target, proof, limits)
        return await self._lean.judge(target, proof, limits)

    async def _version(self, kind: str) -> str | None:
        """The checker's version, asked for once; None if it is unknown."""
        if self._versions.get(kind) is None:
            if kind == "lean":
                self._versions[kind] = await self._lean.version()
            else:
                found = await asyncio.to_thread(find_coq)
                self._versions[kind] = found[1] if found else None
        return self._versions[kind]

    def _level(self, kind: str) -> str | None:
        sandbox = self._lean.sandbox if kind == "lean" else self._sandbox
        protection = sandbox.protection if sandbox else None
        return protection.level.name.lower() if protection else None

    def _limits(self, given: FormalLimits) -> Limits:
        return Limits(
            cpu_seconds=given.cpu_seconds or self.config.cpu_seconds,
            # The default wall time must not cut a stated CPU time short.
            wall_seconds=given.wall_seconds
            or max(self.config.wall_seconds, 4 * (given.cpu_seconds or self.config.cpu_seconds)),
            memory_mb=given.memory_mb or self.config.memory_mb,
            output_bytes=self.config.output_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofChecker:
    """A proof assistant on this machine, for `berry doctor`."""

    name: str
    found: bool
    text: str
    """Version and place, or how to get it."""


def proof_checkers(lean_project: Path | None = None) -> list[ProofChecker]:
    """Proof checkers for targets of kind `coq` and `lean`. Runs `coqc` and `lake` to ask them."""
    return [_coq_checker(), _lean_checker(lean_project)]


def _coq_checker() -> ProofChecker:
    if found := find_coq():
        return ProofChecker(name="coq", found=True, text=f"{found[1]}, {found[0]}")
    text = f"not installed, needed for targets of kind `coq`: {coq.INSTALL}"
    return ProofChecker(name="coq", found=False, text=text)


def _lean_checker(project: Path | None) -> ProofChecker:
    if project is None and (lake := shutil.which("lake")):
        text = f"{lake}; targets of kind `lean` need a built project (lean_project)"
        return ProofChecker(name="lean", found=True, text=text)
    if project is None:
        text = f"targets of kind `lean` need a project (lean_project): {lean.INSTALL}"
        return ProofChecker(name="lean", found=False, text=text)
    try:
        toolchain = find_toolchain(project)
    except NothingKnown as e:
        return ProofChecker(name="lean", found=False, text=str(e))
    return ProofChecker(name="lean", found=True, text=f"{toolchain.lean}, project {project}")
