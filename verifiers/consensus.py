"""Majority vote over the responses to one problem, for problems without a gold answer.

    1. take the answer from each response
    2. put answers into classes: the same number or text at once, the rest pair by pair as `math` does
    3. the class with the most votes is the consensus, if it has the minimum share and no rival is level

It says what most responses agree on (self-consistency, Wang et al. 2022, arXiv:2203.11171), not what is
right: every verdict's evidence has the share of the votes. Responses that state no answer vote for
none, but count in the share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import Field

from verifiers.formulas.quick import normal_number
from verifiers.math import AnswerOptions, MathVerifier
from verifiers.records import Outcome, Verdict


@dataclass(slots=True)
class _Class:
    """Answers that are equal."""

    answer: str
    """The first of them, which the others are compared with."""
    votes: float = 0.0
    members: list[int] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)
    """Answers of other classes that could not be told from this one."""


class Consensus:
    """Judges all responses to one problem by what most of them say."""

    class Config(AnswerOptions):
        """When two answers are equal, as for `math`, whatever their form; and what makes a majority."""

        minimum_share: float = Field(default=0.5, gt=0, le=1)
        """Of all votes; under it every verdict is ABSTAIN."""
        minimum_responses: int = Field(default=2, ge=1)
        """With fewer there is nothing to agree on."""

    name = "consensus"
    version = f"1+math{MathVerifier.version}"

    def __init__(self, config: Config) -> None:
        self.config = config
        shared = config.model_dump(include=set(AnswerOptions.model_fields))
        # Equal answers vote for the same, also where one of them repeats the question.
        self._math = MathVerifier(MathVerifier.Config(**shared, form="any"))

    async def verify_all(
        self, prompt: str, responses: Sequence[str], weights: Sequence[float] | None = None
    ) -> list[Verdict]:
        """A verdict for each response, in order; each has one vote, or its weight, which is at least 0.

        PASS for the responses of the majority and FAIL for those whose answer is another one; ABSTAIN
        for the rest, and for all where there is no majority. Raises ValueError for other weights.
        """
        votes = list(weights) if weights is not None else [1.0] * len(responses)
        if len(votes) != len(responses) or any(not vote >= 0 for vote in votes):
            raise ValueError(f"expected {len(responses)} weights of at least 0, got {votes}")
        answers = [self.config.answer_of(one) for one in responses]
        classes = await self._classes(prompt, answers, votes)
        reason = self._no_majority(classes, votes)
        if reason is not None:
            return [self._verdict(Outcome.ABSTAIN, reason, answer, {}) for answer in answers]
        evidence = {
            "share": classes[0].votes / sum(votes),
            "votes": classes[0].votes,
            "classes": len(classes),
            "consensus": classes[0].answer,
        }
        return [
            self._verdict(*_against(classes[0], number, answer), answer, evidence)
            for number, answer in enumerate(answers)
        ]

    async def classes(self, prompt: str, responses: Sequence[str]) -> list[list[int]]:
        """Indices of responses that state equal answers, most first; those without one are in none."""
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
        """Classes of equal answers, those with the most votes first."""
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
        """Adds a class to the one it equals, or as a class of its own."""
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
        """PASS if each would pass for the other: a rounded answer is no vote for the exact one."""
        for gold, answer in ((one, other), (other, one)):
            outcome = (await self._math.compare(prompt, gold, answer)).outcome
            if outcome is not Outcome.PASS:
                return outcome
        return Outcome.PASS

    def _no_majority(self, classes: Sequence[_Class], votes: Sequence[float]) -> str | None:
        """Why there is none; None where there is one."""
        if len(votes) < self.config.minimum_responses:
            return f"{len(votes)} responses, expected at least {self.config.minimum_responses}"
        if not classes or not classes[0].votes:
            return "no response states an answer"
        share = classes[0].votes / sum(votes)
        # Weights such as thirds do not add up exactly.
        if share < self.config.minimum_share and not math.isclose(share, self.config.minimum_share):
            return f"the most common answer has {share:.0%} of the votes"
        if len(classes) > 1 and math.isclose(classes[1].votes, classes[0].votes):
            return "two answers have the most votes"
        return None

    def _verdict(
        self, outcome: Outcome, reason: str, answer: str | None, evidence: dict[str, object]
    ) -> Verdict:
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=answer,
            no_answer=outcome is Outcome.ABSTAIN and answer is None,
            evidence=evidence,
            verifier=self.name,
            version=self.version,
        )


def _against(majority: _Class, number: int, answer: str | None) -> tuple[Outcome, str]:
    if answer is None:
        return Outcome.ABSTAIN, "the response states no answer"
    if number in majority.members:
        return Outcome.PASS, "the answer of the majority"
    if answer in majority.undecided:
        return Outcome.ABSTAIN, "it cannot be told from the answer of the majority"
    return Outcome.FAIL, "not the answer of the majority"
