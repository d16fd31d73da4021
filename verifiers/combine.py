"""`all_of`, `any_of`, `first_decisive`: verifiers made of verifiers.

Outcomes combine as in three-valued logic, with two ways of not knowing, of which ERROR is the worse:

    all_of          any FAIL: FAIL    else any ERROR: ERROR    else any ABSTAIN: ABSTAIN    else PASS
    any_of          any PASS: PASS    else any ERROR: ERROR    else any ABSTAIN: ABSTAIN    else FAIL
    first_decisive  the first part, in order, that says PASS or FAIL; an ERROR ends it with ERROR

So a part that broke or abstained is never counted as a no or as a yes: it can only keep a result from
being known. An abstention says `no_answer` where that settles the matter: for `all_of` if any part says
so, for the others if every part does, of those that take the target's kind and have not failed it. The
evidence has every verdict that was given; the version has those of all parts.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox import SandboxConfig
from verifiers.border import Border
from verifiers.catalog import VERIFIER, build_verifier
from verifiers.kinds import refusal
from verifiers.plugins import Part, PartOf
from verifiers.records import Outcome, Target, Verdict, Verifier


class PartsConfig(BaseModel):
    """The parts, each a section as `verifier` is one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verifiers: tuple[Annotated[Part, PartOf(VERIFIER)], ...] = Field(min_length=1)


class _Combined:
    """What the three have in common: their parts."""

    Config = PartsConfig
    name: str
    rules: str
    """Version of the rule itself."""
    target_kinds = None
    """Any: a part abstains on kinds that it does not take."""
    uses_sandbox = True
    """A part may."""

    def __init__(self, config: PartsConfig, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        built = [build_verifier(part, sandbox) for part in config.verifiers]
        self._parts = list(map(_Reader, built))
        named = ",".join(f"{part.name}/{part.version}" for part in built)
        self.version = f"{self.rules}({named})"

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The parts' verdicts, combined."""
        verdicts = await self._ask(prompt, response, target)
        decisive, outcome = self._combine([verdict.outcome for verdict in verdicts])
        said = verdicts[decisive]
        return Verdict(
            outcome=outcome,
            reason=f"{said.verifier}: {said.reason}",
            extracted=next((v.extracted for v in (said, *verdicts) if v.extracted is not None), None),
            no_answer=outcome is Outcome.ABSTAIN and self._no_answer(verdicts, target.kind),
            evidence={"parts": list(map(_as_evidence, verdicts))},
            verifier=self.name,
            version=self.version,
            seconds=sum(verdict.seconds for verdict in verdicts),
        )

    async def start(self) -> None:
        """Starts every part. Raises what the first that fails does."""
        await wait_for_all(part.border.start() for part in self._parts)

    async def close(self) -> None:
        """Closes every part, also where one fails."""
        await wait_for_all(part.border.close() for part in self._parts)

    async def _ask(self, prompt: str, response: str, target: Target) -> list[Verdict]:
        asked = (part.verify(prompt, response, target) for part in self._parts)
        return list(await asyncio.gather(*asked))

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        """The result, and the place of the part whose reason it has."""
        raise NotImplementedError

    def _no_answer(self, verdicts: Sequence[Verdict], kind: str) -> bool:
        """Whether a response that all of this is not known of gives no answer."""
        said = [
            verdict.no_answer
            for part, verdict in zip(self._parts, verdicts, strict=True)
            if verdict.outcome is Outcome.ABSTAIN and part.refusal(kind) is None
        ]
        return bool(said) and all(said)


class AllOf(_Combined):
    """PASS if every part passes; the parts are asked at the same time."""

    name = "all_of"
    rules = "1"

    def _no_answer(self, verdicts: Sequence[Verdict], kind: str) -> bool:
        return any(verdict.no_answer for verdict in verdicts)

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        return _first_of(outcomes, (Outcome.FAIL, Outcome.ERROR, Outcome.ABSTAIN, Outcome.PASS))


class AnyOf(_Combined):
    """PASS if some part passes; the parts are asked at the same time."""

    name = "any_of"
    rules = "1"

    def _combine(self, outcomes: Sequence[Outcome]) -> tuple[int, Outcome]:
        return _first_of(outcomes, (Outcome.PASS, Outcome.ERROR, Outcome.ABSTAIN, Outcome.FAIL))


class FirstDecisive(_Combined):
    """The first PASS or FAIL; a part is asked when those before it have abstained."""

    class Config(PartsConfig):
        """The parts, in order, and what an ERROR does."""

        skip_errors: bool = False
        """Go on after an ERROR. If then no part is decisive, the result is ERROR all the same."""

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
    """A part that abstains on targets of a kind that it does not take."""

    def __init__(self, verifier: Verifier) -> None:
        self.border = Border(verifier)
        self._verifier = verifier

    def refusal(self, kind: str) -> str | None:
        """Why the part does not take targets of this kind; None if it does."""
        return refusal(self._verifier, kind)

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
    """The outcome that comes first in `order`, and where it comes first among `outcomes`."""
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
    """Waits for all, then raises the first failure: none is left running."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
