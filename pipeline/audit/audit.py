"""`berry audit-verifier OUT`: how often a verifier passes wrong answers and fails right ones.

The answers are made by rule from a run's gold answers and stored responses, on problems drawn by a hash
of their ids: the same call makes the same answers.
"""

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.audit.made import Known, Made, Source
from pipeline.audit.making import make, why_no_right, why_not
from pipeline.audit.tally import Audit
from pipeline.datasets.reader import RunReader
from pipeline.derive.export_file import check_new_file
from pipeline.dispatch.judging import Response, judge_all
from pipeline.errors import UserMistake
from pipeline.files.new_lines import NewLines
from pipeline.hashing import digest_json
from pipeline.labels.majority import is_vote
from pipeline.records import Status, Trace
from verifiers import Outcome, Target, Verifier

_MOST_OTHERS = 10
_COLUMNS = ["problem_id", "target_kind", "target_value", "target_tests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A problem that was drawn."""

    id: str
    target: Target


async def audit(
    out: Path,
    verifier: Verifier,
    *,
    num_problems: int,
    seed: int,
    output: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Audit:
    """Judges the answers for `num_problems` problems of a run; writes mistakes to `output`.

    `advance` is called for each answer. Raises FolderError for an unusable run or output, UserMistake
    for a run of which no answer can be made, and RunFailure if the verifier cannot work.
    """
    reader, audited = RunReader.open(out), Audit(seed=seed)
    reader.require_parts()
    if output is not None:
        check_new_file(output, out)
    drawn = draw(reader, num_problems, seed)
    if not drawn:
        raise UserMistake(
            f"{out}: expected problems with a gold answer or tests, found none: only "
            "majority votes can judge this run, and nothing is known to be right or wrong"
        )
    with ExitStack() as stack:
        file = None if output is None else stack.enter_context(NewLines(output))
        answers = _answers(reader, drawn, audited)
        async with aclosing(judge_all(verifier, answers)) as judged:
            async for (source, made), verdict in judged:
                mistake = audited.add(source, made, verdict)
                if mistake is not None and file is not None:
                    file.add(mistake)
                advance()
        if not audited.num_answers:
            (kind, reason), _ = audited.not_audited.most_common(1)[0]
            raise UserMistake(
                f"{out}: expected problems for which answers can be made by rule, found none "
                f"({kind}: {reason}); docs/trust.md lists the rules"
            )
    return audited


def draw(reader: RunReader, number: int, seed: int) -> list[Drawn]:
    """The problems with a gold answer or tests whose hash with the seed is least, in its order.

    Raises FolderError.
    """
    known = (
        (digest_json([seed, row["problem_id"]]), row["problem_id"], row)
        for row in reader.rows("trees", _COLUMNS)
        if (row["target_value"] or "").strip() or _tests(row)
    )
    chosen = heapq.nsmallest(number, known, key=lambda one: one[:2])
    return [
        Drawn(
            id=problem_id,
            target=Target(kind=row["target_kind"], value=row["target_value"], tests=_tests(row)),
        )
        for _, problem_id, row in chosen
    ]


def _tests(row: Mapping[str, Any]) -> dict[str, object]:
    tests = json.loads(row["target_tests"] or "{}")
    return tests if isinstance(tests, dict) else {}


def _answers(
    reader: RunReader, drawn: list[Drawn], audited: Audit
) -> Iterator[tuple[tuple[Source, Made], Response]]:
    """All answers, in the order of the run's problems; counts those for which there are none."""
    places = {one.id: place for place, one in enumerate(drawn)}
    for trace in reader.traces():
        place = places.pop(trace.problem.id, None)
        if place is None:
            continue
        source = _source(trace, drawn, place)
        problem, made = source.problem, make(source)
        kind = problem.target.kind
        if not made:
            audited.not_audited[kind, why_not(kind)] += 1
            continue
        audited.problems += 1
        if not any(one.known is Known.RIGHT for one in made) and (why := why_no_right(kind)):
            audited.notes[kind] = why
        for one in made:
            asked = Response(prompt=problem.prompt, text=one.response, target=problem.target)
            yield (source, one), asked
        if not places:
            return


def _source(trace: Trace, drawn: list[Drawn], place: int) -> Source:
    """What answers are made of. The other targets are the next ones drawn."""
    following = [*drawn[place + 1 :], *drawn[:place]][:_MOST_OTHERS]
    kind = trace.problem.target.kind
    passing = (
        one.response
        for one in trace.trajectories
        if one.status is Status.COMPLETED
        and one.verdict is not None
        and one.verdict.outcome is Outcome.PASS
        and not is_vote(one.verdict)
    )
    return Source(
        problem=trace.problem,
        passing=next(passing, None),
        others=tuple(one.target for one in following if one.target.kind == kind),
    )
