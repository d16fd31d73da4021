"""What an evaluation takes for right, for not right and for unknown."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from pipeline.evaluation.curves import JUDGED_ONLY, accuracy_curves
from pipeline.evaluation.samples import Samples, has_gold, take_samples
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome, Target
from verifiers.consensus import Consensus

PASS, FAIL, ABSTAIN, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN, Outcome.ERROR


@pytest_asyncio.fixture
async def consensus() -> AsyncIterator[Consensus]:
    made = Consensus(Consensus.Config())
    yield made
    await made.close()


def make_trace(*endings: Outcome | Finish, problem: Problem | None = None) -> Trace:
    """One whole rollout for each ending: a verdict's outcome, or why it was never judged."""
    tree = Tree((1,), "?")
    for ending in endings:
        finish = Finish.STOP if isinstance(ending, Outcome) else ending
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("x", finish=finish))
        if isinstance(ending, Outcome):
            tree.judge(leaf, make_verdict(ending))
    return Trace(problem=problem or make_problem(), seed=0, tree=tree, trajectories=trajectories(tree))


async def points(
    consensus: Consensus, *traces: Trace, ns: Sequence[int] = (1,)
) -> dict[tuple[str, int], float]:
    found: list[Samples] = [await take_samples(trace, consensus, "min") for trace in traces]
    return {(p.method, p.n): p.accuracy for p in accuracy_curves(found, ["pass@k"], ns, 0)}


async def test_five_right_of_twelve_are_not_all(consensus: Consensus) -> None:
    found = await points(consensus, make_trace(*[PASS] * 5, *[ABSTAIN] * 7))
    assert found["pass@k", 1] == pytest.approx(5 / 12)
    assert found[JUDGED_ONLY, 1] == 1


async def test_what_was_cut_off_is_not_right_in_either_row(consensus: Consensus) -> None:
    found = await points(consensus, make_trace(PASS, Finish.LENGTH, FAIL, FAIL))
    assert found["pass@k", 1] == found[JUDGED_ONLY, 1] == pytest.approx(0.25)


@pytest.mark.parametrize("unknown", [ERROR, Finish.PRUNED, Finish.ABORT])
async def test_what_something_of_ours_ended_is_unknown_and_counted(
    consensus: Consensus, unknown: Outcome | Finish
) -> None:
    trace = make_trace(PASS, FAIL, unknown, unknown)
    samples = await take_samples(trace, consensus, "min")
    assert (len(samples.known), samples.num_unknown) == (2, 2)
    assert (await points(consensus, trace))["pass@k", 1] == pytest.approx(0.5)


async def test_a_problem_whose_samples_all_went_wrong_stays_in_the_mean(consensus: Consensus) -> None:
    traces = [make_trace(PASS, PASS), make_trace(ABSTAIN, ABSTAIN), make_trace(*[Finish.LENGTH] * 2)]
    assert all(map(has_gold, traces))
    found = await points(consensus, *traces, ns=(1, 2))
    assert found["pass@k", 1] == found["pass@k", 2] == pytest.approx(1 / 3)
    assert found[JUDGED_ONLY, 2] == pytest.approx(1 / 2)


def test_gold_is_a_matter_of_the_problem() -> None:
    tested = Problem.create(
        prompt="?", target=Target(kind="asserts", tests={"tests": "..."}), source="test"
    )
    nothing = make_problem(answer=None)
    assert has_gold(make_trace(ABSTAIN))
    assert has_gold(make_trace(ERROR, problem=tested))
    assert not has_gold(make_trace(ABSTAIN, problem=nothing))
    assert has_gold(make_trace(FAIL, problem=nothing)), "a verifier that needs no gold has judged it"
