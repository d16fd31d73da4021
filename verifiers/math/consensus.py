"""Majority vote over the responses to one problem, for problems without a gold answer.

    1. extract the answer from each response
    2. group answers: equal numbers or texts directly, the rest pairwise as `math` compares
    3. the group with the most votes is the consensus, if it reaches `min_fraction` without a tie

The result says what most responses agree on (self-consistency, Wang et al. 2022, arXiv:2203.11171), not
what is right; every verdict's evidence holds the fraction of votes. Responses without an answer vote
for no group, but count in the total.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from verifiers.math.forms.conventions import Conventions
from verifiers.math.quick import normal_number
from verifiers.math.verifier import AnswerOptions, MathVerifier
from verifiers.records import Outcome, Verdict, stamp


class VoteOptions(BaseModel):
    """Conditions for a majority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_fraction: float = Field(default=0.5, gt=0, le=1)
    """Least fraction of all votes that the majority needs; below it every verdict is ABSTAIN."""
    min_responses: int = Field(default=2, ge=1)
    """Fewest responses for a vote; below it every verdict is ABSTAIN."""


@dataclass(slots=True)
class _Class:
    """Answers that are equal."""

    answer: str
    """The first of them, which other answers are compared with."""
    votes: float = 0.0
    members: list[int] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)
    """Answers of other groups that could not be distinguished from this one."""


class Consensus:
    """Judges all responses to one problem by the majority's answer."""

    class Config(Conventions, AnswerOptions, VoteOptions):
        """Equality as for `math`, but in any form, and the conditions for a majority."""

    name = "consensus"
    version = f"1+math{MathVerifier.version}"

    def __init__(self, config: Config) -> None:
        self.config = config
        shared = config.model_dump(exclude=set(VoteOptions.model_fields))
        # Equal answers vote together even if one of them repeats the question.
        self._math = MathVerifier(MathVerifier.Config(**shared, form="any"))

    async def verify_all(
        self, prompt: str, responses: Sequence[str], weights: Sequence[float] | None = None
    ) -> list[Verdict]:
        """A verdict for each response, in order; each has one vote, or its non-negative weight.

        PASS for the majority's responses and FAIL for those with a different answer; ABSTAIN for the
        rest, and for all if there is no majority. Raises ValueError for other weights.
        """
        start = time.monotonic()
        votes = list(weights) if weights is not None else [1.0] * len(responses)
        if len(votes) != len(responses) or any(not vote >= 0 for vote in votes):
            raise ValueError(f"expected {len(responses)} weights of at least 0, got {votes}")
        answers = [self.config.answer_of(one) for one in responses]
        classes = await self._classes(prompt, answers, votes)
        verdicts = self._judge(answers, classes, votes)
        # The responses are judged together.
        each = (time.monotonic() - start) / max(1, len(verdicts))
        return [stamp(one, name=self.name, version=self.version, seconds=each) for one in verdicts]

    async def classes(self, prompt: str, responses: Sequence[str]) -> list[list[int]]:
        """Indices of responses with equal answers, largest group first; only those with an answer."""
        answers = [self.config.answer_of(one) for one in responses]
        return [sorted(c.members) for c in await self._classes(prompt, answers, [1.0] * len(answers))]

    async def start(self) -> None:
        """Starts the checking processes."""
        await self._math.start()

    async def close(self) -> None:
        """Ends the checking processes."""
        await self._math.close()

    async def _classes(
        self, prompt: str, answers: Sequence[str | None], votes: Sequence[float]
    ) -> list[_Class]:
        """Groups of equal answers, those with the most votes first."""
        quick: dict[str, _Class] = {}
        for number, (answer, vote) in enumerate(zip(answers, votes, strict=True)):
            if answer is not None:
                key = normal_number(answer) or " ".join(answer.split())
                one = quick.setdefault(key, _Class(answer))
                one.votes += vote
                one.members.append(number)
        merged: list[_Class] = []
        for one in sorted(quick.values(), key=lambda one: -one.votes):
            await self._merge(prompt, one, merged)
        return sorted(merged, key=lambda one: -one.votes)

    async def _merge(self, prompt: str, one: _Class, merged: list[_Class]) -> None:
        """Merges a group into the one that it equals, or adds it as a new group."""
        for other in merged:
            same = await self._same(prompt, other.answer, one.answer)
            if same is Outcome.PASS:
                other.votes += one.votes
                other.members += one.members
                return
            if same is not Outcome.FAIL:
                other.undecided.add(one.answer)
                one.undecided.add(other.answer)
        merged.append(one)

    async def _same(self, prompt: str, one: str, other: str) -> Outcome:
        """PASS if each would pass for the other: a rounded answer does not vote for the exact one."""
        for gold, answer in ((one, other), (other, one)):
            outcome = (await self._math.compare(prompt, gold, answer)).outcome
            if outcome is not Outcome.PASS:
                return outcome
        return Outcome.PASS

    def _judge(
        self, answers: Sequence[str | None], classes: Sequence[_Class], votes: Sequence[float]
    ) -> list[Verdict]:
        reason = self._no_majority(classes, votes)
        if reason is not None:
            return [_verdict(Outcome.ABSTAIN, reason, answer, {}) for answer in answers]
        evidence = {
            "share": classes[0].votes / sum(votes),
            "votes": classes[0].votes,
            "classes": len(classes),
            "consensus": classes[0].answer,
        }
        return [
            _verdict(*_against(classes[0], number, answer), answer, evidence)
            for number, answer in enumerate(answers)
        ]

    def _no_majority(self, classes: Sequence[_Class], votes: Sequence[float]) -> str | None:
        """Reason why there is no majority; None if there is one."""
        if len(votes) < self.config.min_responses:
            return f"{len(votes)} responses, expected at least {self.config.min_responses}"
        if not classes or not classes[0].votes:
            return "no response states an answer"
        share = classes[0].votes / sum(votes)
        # Weights such as thirds do not add up exactly.
        if share < self.config.min_fraction and not math.isclose(share, self.config.min_fraction):
            return f"the most common answer has {share:.0%} of the votes"
        if len(classes) > 1 and math.isclose(classes[1].votes, classes[0].votes):
            return "two answers have the most votes"
        return None


def _verdict(outcome: Outcome, reason: str, answer: str | None, evidence: dict[str, object]) -> Verdict:
    return Verdict(
        outcome=outcome,
        reason=reason,
        extracted=answer,
        no_answer=outcome is Outcome.ABSTAIN and answer is None,
        evidence=evidence,
    )


def _against(majority: _Class, number: int, answer: str | None) -> tuple[Outcome, str]:
    if answer is None:
        return Outcome.ABSTAIN, "the response states no answer"
    if number in majority.members:
        return Outcome.PASS, "the answer of the majority"
    if answer in majority.undecided:
        return Outcome.ABSTAIN, "cannot be distinguished from the majority's answer"
    return Outcome.FAIL, "not the answer of the majority"
