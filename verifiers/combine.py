"""`all_of`, `any_of`, `first_decisive`: verifiers that combine other verifiers.

Outcomes combine as in three-valued logic, with two kinds of unknown. ERROR takes precedence over
ABSTAIN:

    all_of          any FAIL: FAIL    else any ERROR: ERROR    else any ABSTAIN: ABSTAIN    else PASS
    any_of          any PASS: PASS    else any ERROR: ERROR    else any ABSTAIN: ABSTAIN    else FAIL
    first_decisive  the first part, in order, that says PASS or FAIL; an ERROR ends it with ERROR

A part that fails to run or abstains never counts as a yes or a no; it can only leave the result
unknown. An abstention sets `no_answer` if that decides the matter: for `all_of` if any part sets it,
for the others if every part sets it that takes the target's kind and did not fail the response. The
evidence holds every part's verdict; the version includes the versions of all parts.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox import SandboxConfig
from verifiers.catalog import VERIFIER, build_verifier
from verifiers.isolation.border import Border
from verifiers.plugins import Part, PartOf
from verifiers.records import Outcome, Target, Verdict, Verifier, VerifierBase


class PartsConfig(BaseModel):
    """The parts, each a section like `verifier`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verifiers: tuple[Annotated[Part, PartOf(VERIFIER)], ...] = Field(min_length=1)
    """Verifiers to combine, each a section with `use`, in order."""


class _Combined(VerifierBase):
    """Common base of the three: holds the parts."""

    Config = PartsConfig
    rules: str
    """Version of the combination rule."""
    uses_sandbox = True
    """True because a part may need it."""

    def __init__(self, config: PartsConfig, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        self._parts = [_Reader(build_verifier(part, sandbox)) for part in config.verifiers]
        borders = [part.border for part in self._parts]
        named = ",".join(f"{border.name}/{border.version}" for border in borders)
        self.version = f"{self.rules}({named})"

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """The combined verdict of the parts."""
        verdicts = await self._ask(prompt, response, target)
        decisive, outcome = self._combine([verdict.outcome for verdict in verdicts])
        said = verdicts[decisive]
        return Verdict(
            outcome=outcome,
            reason=f"{said.verifier}: {said.reason}",
            extracted=next((v.extracted for v in (said, *verdicts) if v.extracted is not None), None),
            no_answer=outcome is Outcome.ABSTAIN and self._no_answer(verdicts, target.kind),
            evidence={"parts": list(map(_as_evidence, verdicts))},
        )

    async def start(self) -> None:
        """Starts every part. Raises the first failure."""
        await wait_for_all(part.border.start() for part in self._parts)

    async def close(self) -> None:
        """Closes every part, even if one fails."""
        await wait_for_all(part.border.close() for part in self._parts)

    async def _ask(self, prompt: str, response: str, target: Target) -> list[Verdict]:
        asked = (part.verify(prompt, response, target) for part in self._parts)
        return list(await asyncio.gather(*asked))

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        """Index of the part whose reason is used, and the combined outcome."""
        raise NotImplementedError

    def _no_answer(self, verdicts: Sequence[Verdict], kind: str) -> bool:
        """Whether the parts' verdicts establish that the response gives no answer."""
        said = [
            verdict.no_answer
            for part, verdict in zip(self._parts, verdicts, strict=True)
            if verdict.outcome is Outcome.ABSTAIN and part.refusal(kind) is None
        ]
        return bool(said) and all(said)


class AllOf(_Combined):
    """PASS if every part passes. The parts run concurrently."""

    name = "all_of"
    rules = "1"

    def _no_answer(self, verdicts: Sequence[Verdict], kind: str) -> bool:
        return any(verdict.no_answer for verdict in verdicts)

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        return _first_of(outcomes, (Outcome.FAIL, Outcome.ERROR, Outcome.ABSTAIN, Outcome.PASS))


class AnyOf(_Combined):
    """PASS if any part passes. The parts run concurrently."""

    name = "any_of"
    rules = "1"

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        return _first_of(outcomes, (Outcome.PASS, Outcome.ERROR, Outcome.ABSTAIN, Outcome.FAIL))


class FirstDecisive(_Combined):
    """The first PASS or FAIL. Each part runs only if those before it abstained."""

    class Config(PartsConfig):
        """The parts, in order, and how to treat an ERROR."""

        skip_errors: bool = False
        """Continue after an ERROR. If no later part is decisive, the result is still ERROR."""

    name = "first_decisive"
    rules = "1"

    async def _ask(self, prompt: str, response: str, target: Target) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for part in self._parts:
            verdicts.append(await part.verify(prompt, response, target))
            if self._ends(verdicts[-1].outcome):
                break
        return verdicts

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        for place, outcome in enumerate(outcomes):
            if self._ends(outcome):
                return place, outcome
        return _first_of(outcomes, (Outcome.ERROR, Outcome.ABSTAIN))

    def _ends(self, outcome: Outcome) -> bool:
        assert isinstance(self.config, FirstDecisive.Config)
        return outcome.is_trial or (outcome is Outcome.ERROR and not self.config.skip_errors)


class _Reader:
    """A part; it abstains on targets whose kind it does not take."""

    def __init__(self, verifier: Verifier) -> None:
        self.border = Border(verifier)

    def refusal(self, kind: str) -> str | None:
        """Reason why the part does not take targets of this kind; None if it does."""
        return self.border.traits.refusal(kind)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if problem := self.refusal(target.kind):
            return Verdict(
                outcome=Outcome.ABSTAIN,
                reason=problem,
                verifier=self.border.name,
                version=self.border.version,
            )
        return await self.border.verify(prompt, response, target)


def _first_of(outcomes: Sequence[Outcome], order: Sequence[Outcome]) -> tuple[int, Outcome]:
    """Index and value of the outcome that comes first in `order`."""
    found = min(outcomes, key=order.index)
    return outcomes.index(found), found


def _as_evidence(verdict: Verdict) -> dict[str, Any]:
    return {
        "verifier": verdict.verifier,
        "version": verdict.version,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "evidence": dict(verdict.evidence),
    }


async def wait_for_all(tasks: Iterable[Awaitable[None]]) -> None:
    """Waits for all tasks, then raises the first failure, so that no task is left running."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
