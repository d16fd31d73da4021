"""Keeps the candidates that are well posed.

Independent samples answer a candidate without being told any answer. Where an answer is expected, most
of them have to give it; else they have to agree on one. Their fraction has to be in the window, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.datasets.views.majority import majority_rows
from pipeline.datasets.views.rules import ViewRules
from pipeline.derive.varying.candidates import Candidate
from pipeline.derive.varying.settings import VarySettings
from pipeline.records import Trace
from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the samples answered."""

    answer: str | None
    """What most of them give; None without a majority."""
    num_agreeing: int
    num_samples: int
    """All of them, also those that were cut off or state no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A candidate with the result of the check."""

    candidate: Candidate
    answered: Answered
    dropped: str | None
    """The reason; None if it stays."""

    @property
    def answer(self) -> str | None:
        """The gold answer: the expected one, else what most samples give."""
        return self.candidate.answer or self.answered.answer

    @property
    def pass_rate(self) -> float:
        """Fraction of the samples that give what most give."""
        return self.answered.num_agreeing / max(1, self.answered.num_samples)


def read_answers(traces: Iterable[Trace]) -> Iterator[tuple[str, Answered]]:
    """The text of each problem of a run without gold answers, and what was answered."""
    for trace in traces:
        row = next(majority_rows(trace, ViewRules()), None)
        answer = None if row is None else row["answer"]
        num_agreeing = 0 if row is None else row["num_agreeing"]
        assert answer is None or isinstance(answer, str)
        assert isinstance(num_agreeing, int)
        yield (
            trace.problem.prompt,
            Answered(answer=answer, num_agreeing=num_agreeing, num_samples=len(trace.trajectories)),
        )


async def check(
    candidates: Sequence[Candidate], answers: dict[str, Answered], settings: VarySettings
) -> list[Checked]:
    """The result for each candidate, in order. `answers` are by the candidate's text."""
    verifier = MathVerifier(MathVerifier.Config(form="any"))
    nothing = Answered(answer=None, num_agreeing=0, num_samples=0)
    found = []
    try:
        for one in candidates:
            answered = answers.get(one.prompt, nothing)
            is_same = await _is_same(verifier, one, answered)
            unjudged = Checked(candidate=one, answered=answered, dropped=None)
            reason = _reason(unjudged, is_same, settings)
            found.append(Checked(candidate=one, answered=answered, dropped=reason))
    finally:
        await verifier.close()
    return found


async def _is_same(verifier: MathVerifier, one: Candidate, answered: Answered) -> bool:
    """Whether most samples give the expected answer, if there is one."""
    if one.answer is None or answered.answer is None:
        return True
    target = Target(kind="math", value=one.answer)
    verdict = await verifier.verify(one.prompt, f"\\boxed{{{answered.answer}}}", target)
    return verdict.outcome is Outcome.PASS


def _reason(one: Checked, is_same: bool, settings: VarySettings) -> str | None:
    if one.answered.num_samples == 0:
        return "not_answered"
    if one.answered.answer is None:
        return "no_majority"
    if not is_same:
        return "other_answer"
    if one.candidate.answer is None and one.pass_rate < settings.min_agreement:
        return "unstable"
    if one.pass_rate < settings.min_pass_rate:
        return "too_hard"
    return "too_easy" if one.pass_rate > settings.max_pass_rate else None
