"""What an evaluation takes for right, for not right and for unknown."""

import math
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from pipeline.dispatch.scoring import ModelScorer
from pipeline.evaluation.command import read_model
from pipeline.evaluation.curves import accuracy_curves
from pipeline.evaluation.errors import EvaluationError
from pipeline.evaluation.samples import Samples, StepScores, score_tree, take_samples
from pipeline.labels.outcomes import has_gold
from pipeline.labels.step_labels import LabelConfig, label_tree
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from reward_models.confidence import Confidence
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome, Target, Verdict
from verifiers.math.consensus import Consensus

PASS, FAIL, ABSTAIN, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN, Outcome.ERROR
NO_ANSWER = Verdict(outcome=ABSTAIN, reason="no answer", no_answer=True, verifier="test", version="1")


@pytest_asyncio.fixture
async def consensus() -> AsyncIterator[Consensus]:
    made = Consensus(Consensus.Config())
    yield made
    await made.close()


def make_trace(
    *endings: Outcome | Verdict | Finish, problem: Problem | None = None, text: str = "x"
) -> Trace:
    """One whole rollout for each ending: a verdict, or why it was never judged."""
    tree = Tree((1,), "?")
    for ending in endings:
        finish = ending if isinstance(ending, Finish) else Finish.STOP
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(text, finish=finish))
        if not isinstance(ending, Finish):
            tree.judge(leaf, make_verdict(ending) if isinstance(ending, Outcome) else ending)
    return Trace(problem=problem or make_problem(), seed=0, tree=tree, trajectories=trajectories(tree))


async def take(consensus: Consensus, trace: Trace) -> Samples:
    return await take_samples(trace, trace.tree.leaves(), consensus, "min")


async def points(
    consensus: Consensus, *traces: Trace, ns: Sequence[int] = (1,)
) -> dict[tuple[str, int], float | None]:
    found = [await take(consensus, trace) for trace in traces]
    return {(p.method, p.n): p.accuracy for p in accuracy_curves(found, ["pass@k", "majority"], ns, 0)}


async def test_five_right_of_twelve_are_not_all(consensus: Consensus) -> None:
    found = await points(consensus, make_trace(*[PASS] * 5, *[NO_ANSWER] * 7))
    assert found["pass@k", 1] == pytest.approx(5 / 12)


async def test_what_was_cut_off_is_not_right(consensus: Consensus) -> None:
    found = await points(consensus, make_trace(PASS, Finish.LENGTH, FAIL, FAIL))
    assert found["pass@k", 1] == pytest.approx(0.25)


@pytest.mark.parametrize("unknown", [ERROR, ABSTAIN, Finish.PRUNED, Finish.ABORT])
async def test_what_nobody_can_tell_is_unknown_and_counted(
    consensus: Consensus, unknown: Outcome | Finish
) -> None:
    trace = make_trace(PASS, FAIL, unknown, unknown)
    samples = await take(consensus, trace)
    assert (len(samples.known), samples.num_unknown) == (2, 2)
    assert (await points(consensus, trace))["pass@k", 1] == pytest.approx(0.5)


async def test_a_problem_whose_samples_all_went_wrong_stays_in_the_mean(consensus: Consensus) -> None:
    traces = [
        make_trace(PASS, PASS),
        make_trace(NO_ANSWER, NO_ANSWER),
        make_trace(*[Finish.LENGTH] * 2),
    ]
    assert all(map(has_gold, traces))
    found = await points(consensus, *traces, ns=(1, 2))
    assert found["pass@k", 1] == found["pass@k", 2] == pytest.approx(1 / 3)


def test_gold_is_a_matter_of_the_problem() -> None:
    tested = Problem.create(
        prompt="?", target=Target(kind="asserts", tests={"tests": "..."}), source="test"
    )
    nothing = make_problem(answer=None)
    assert has_gold(make_trace(ABSTAIN))
    assert has_gold(make_trace(ERROR, problem=tested))
    assert not has_gold(make_trace(ABSTAIN, problem=nothing))
    assert not has_gold(make_trace(Finish.LENGTH, problem=nothing))
    assert has_gold(make_trace(FAIL, problem=nothing)), "a verifier that needs no gold has judged it"


async def test_programs_have_no_majority(consensus: Consensus) -> None:
    """That of two programs neither is the other says nothing of what they do."""
    target = Target(kind="asserts", tests={"tests": "assert f(1) == 2"})
    programs = make_trace(
        PASS, PASS, FAIL, problem=Problem.create(prompt="?", target=target, source="test")
    )
    found = await points(consensus, programs)
    assert found["majority", 1] is None
    assert found["pass@k", 1] == pytest.approx(2 / 3)


async def test_answers_are_put_together_by_the_runs_own_options() -> None:
    trace = make_trace(PASS, problem=make_problem(), text="so it is 42")
    for extract, answer in (("stated", None), ("last", 0)):
        consensus = Consensus(Consensus.Config.model_validate({"extract": extract}))
        (sample,) = (await take(consensus, trace)).known
        assert sample.answer == answer
        await consensus.close()


def test_a_pass_is_no_proof_that_all_steps_are_right() -> None:
    """Most rollouts of the problem fail: that this one passed may be luck."""
    tree = Tree((1,), "?")
    for outcome in (PASS, FAIL, FAIL, FAIL, FAIL, FAIL, FAIL, FAIL):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", "b", "c"))
        tree.judge(leaf, make_verdict(outcome))
        tree.scores |= {node.id: 0.9 for node in tree.rollout(leaf)}
    labels = LabelConfig(confidence=0.99)
    (passed,) = [one for one in label_tree(tree, labels) if tree.passed(one.leaf)]
    assert passed.first_error is None
    assert passed.steps[-1].p_correct is not None
    assert passed.steps[-1].p_correct < labels.confidence
    steps = StepScores("p_correct")
    steps.add("p", tree, labels)
    assert (steps.responses, steps.num_unknown) == ([], 8)
    assert len(steps.scores) == len(steps.targets) == len(steps.problems) == 24


async def test_the_solvers_own_confidence_scores_a_stored_run() -> None:
    tree = Tree((1,), "?")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("ab", logprob=-0.2))
    trace = Trace(problem=make_problem(), seed=0, tree=tree, trajectories=trajectories(tree))
    scorer = ModelScorer([Confidence(Confidence.Config())])
    await score_tree(trace, scorer, None)
    await scorer.close()
    assert tree.scores[leaf] == pytest.approx(math.exp(-0.1))


def test_a_model_that_asks_a_runs_engine_is_refused() -> None:
    with pytest.raises(
        EvaluationError, match="--prm self_critic: expected a model that needs no engine"
    ):
        read_model("prm", "self_critic", ())


@pytest.mark.parametrize(("name", "cls"), [("confidence", "Confidence"), ("prm", "Prm")])
def test_a_model_is_a_name_or_a_folder(name: str, cls: str) -> None:
    """`prm` by itself is a folder that is called so."""
    part = read_model("prm", name, ())
    assert part is not None
    assert part.cls.__name__ == cls
