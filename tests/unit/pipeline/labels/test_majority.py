"""Votes on problems without a gold answer, in the tree and through the main path."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.trees import read_trace
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import PromptFormat, Sampling
from pipeline.engines.simulated import SimulatedEngine
from pipeline.explore import Explorer
from pipeline.labels.majority import Majority, sampling_weights, vote_share, withdraw_votes
from pipeline.labels.step_labels import DEFAULT, label_tree
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Stage, Trace, trajectories
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.adaptive import Adaptive
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome, Target
from verifiers.exact import ExactVerifier

PASS, FAIL, ABSTAIN = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN
OPEN = make_problem(answer=None)


def box(answer: str) -> str:
    return rf"So it is $\boxed{{{answer}}}$."


def add(tree: Tree, parent: int, answer: str, finish: Finish = Finish.STOP) -> int:
    return tree.add(parent, tree.reserve(parent, 1), make_rollout("step\n", box(answer), finish=finish))


def flat(*answers: str) -> Tree:
    tree = Tree([1], "ask")
    for answer in answers:
        add(tree, ROOT, answer)
    return tree


def outcomes(tree: Tree) -> list[Outcome | None]:
    return [tree.verdicts[leaf].outcome if leaf in tree.verdicts else None for leaf in tree.leaves()]


@pytest_asyncio.fixture
async def plain() -> AsyncIterator[Majority]:
    majority = Majority(Majority.Config())
    yield majority
    await majority.close()
    await majority.close()


async def test_equal_answers_are_one_and_the_majority_labels_steps(plain: Majority) -> None:
    tree = flat("1/2", "0.5", "2", "0.50")
    await plain.vote(OPEN, tree)
    assert outcomes(tree) == [PASS, PASS, FAIL, PASS]
    assert {vote_share(verdict) for verdict in tree.verdicts.values()} == {0.75}
    assert [one.steps[-1].hard for one in label_tree(tree, DEFAULT)] == [True, True, False, True]


async def test_without_a_majority_nobody_is_judged(plain: Majority) -> None:
    tree = flat("1", "2", "3")
    await plain.vote(OPEN, tree)
    assert outcomes(tree) == [ABSTAIN] * 3
    assert tree.stats[ROOT].trials == 0


async def test_responses_that_were_cut_off_have_no_vote(plain: Majority) -> None:
    tree = flat("1", "1")
    for _ in range(3):
        add(tree, ROOT, "2", Finish.LENGTH)
    await plain.vote(OPEN, tree)
    assert outcomes(tree) == [PASS, PASS, None, None, None]


@pytest.mark.parametrize(
    ("problem", "verdicts"),
    [
        (make_problem(answer="5"), [ABSTAIN, ABSTAIN]),
        (
            Problem.create(prompt="x", target=Target(kind="code", tests={"cases": []}), source="s"),
            [ABSTAIN, ABSTAIN],
        ),
        # A verifier of somebody's own that needs no gold answer.
        (OPEN, [PASS, ABSTAIN]),
        (OPEN, [FAIL, ABSTAIN]),
        # One that broke: a vote would hide it.
        (OPEN, [Outcome.ERROR, ABSTAIN]),
    ],
)
async def test_there_is_no_vote_where_something_else_judges(
    plain: Majority, problem: Problem, verdicts: Sequence[Outcome]
) -> None:
    tree = flat("1", "1")
    for leaf, outcome in zip(tree.leaves(), verdicts, strict=True):
        tree.judge(leaf, make_verdict(outcome))
    await plain.vote(problem, tree)
    assert outcomes(tree) == verdicts
    assert {verdict.verifier for verdict in tree.verdicts.values()} == {"test"}


async def test_no_vote_if_it_is_switched_off() -> None:
    tree = flat("1", "1")
    config = Majority.Config.model_validate({"use": False})
    assert config.use == "off"
    await Majority(config).vote(OPEN, tree)
    assert outcomes(tree) == [None, None]


async def test_a_prefix_that_was_branched_often_does_not_outvote_the_rest(plain: Majority) -> None:
    """Two of three whole rollouts say 1; ten more from inside the third say 2 like it."""
    tree = flat("1", "1", "2")
    branched = tree.path(tree.leaves()[2])[1].id
    for _ in range(10):
        add(tree, branched, "2")
    await plain.vote(OPEN, tree)
    assert outcomes(tree) == [FAIL] * 2 + [PASS] * 11
    withdraw_votes(tree)
    weighted = Majority(Majority.Config(use="weighted"))
    await weighted.vote(OPEN, tree)
    assert outcomes(tree) == [PASS] * 2 + [FAIL] * 11
    assert vote_share(tree.verdicts[tree.leaves()[0]]) == pytest.approx(2 / 3)


async def test_a_tie_of_weights_that_do_not_add_up_exactly_is_a_tie() -> None:
    tree = flat("1", "2")
    one, two = (tree.path(leaf)[1].id for leaf in tree.leaves())
    add(tree, one, "1")
    add(tree, one, "1")
    for _ in range(4):
        add(tree, two, "2")
    weights = sampling_weights(tree)
    assert sum(weights[leaf] for leaf in tree.leaves()) == pytest.approx(1)
    await Majority(Majority.Config(use="weighted")).vote(OPEN, tree)
    assert set(outcomes(tree)) == {ABSTAIN}


def test_a_majority_is_kept_only_if_asked_for() -> None:
    decisions, voted = {}, _voted()
    for keep in (False, True):
        pruner = Pruner(PruneConfig(keep_majority=keep, drop_duplicates=False))
        decisions[keep] = pruner.prune(voted.trajectories, voted.tree)
    assert [(d.stage, d.reason) for d in decisions[False]] == [
        (Stage.MAJORITY_ONLY, "accepted only by a majority vote"),
        (Stage.MAJORITY_ONLY, "accepted only by a majority vote"),
        (Stage.FAILED, "failed"),
    ]
    assert [d.kept for d in decisions[True]] == [True, True, False]


def _voted() -> Trace:
    tree = flat("1", "1 ", "2")
    for leaf, outcome in zip(tree.leaves(), (PASS, PASS, FAIL), strict=True):
        tree.judge(leaf, replace(make_verdict(outcome), verifier="consensus"))
    return Trace(problem=OPEN, seed=0, tree=tree, trajectories=trajectories(tree))


async def explore(majority: Majority | None, rollouts: int, tree: Tree | None = None) -> Trace:
    explorer = Explorer(
        engine=SimulatedEngine(SimulatedEngine.Config(error_rate=0.05), PromptFormat()),
        splitter=StepSplitter(StepConfig()),
        strategy=Adaptive(Adaptive.Config(rollouts=rollouts, hopeless_after=rollouts)),
        judge=LocalJudge(ExactVerifier(ExactVerifier.Config())),
        majority=majority,
        pruner=Pruner(PruneConfig(keep_majority=True)),
        sampling=Sampling(max_tokens=400),
        seed=3,
    )
    return await explorer.explore(OPEN, tree)


async def test_the_main_path_votes_after_a_search_that_saw_no_verdicts(plain: Majority) -> None:
    trace = await explore(plain, rollouts=6)
    assert len(trace.trajectories) == 6
    assert {t.verdict.verifier for t in trace.trajectories if t.verdict} == {"consensus"}
    assert trace.kept
    counts = Counts.of(trace)
    assert counts.votes["pass"] + counts.votes["fail"] + counts.votes["abstain"] == 6
    assert not counts.verdicts
    for view in ("traces", "steps"):
        rows = decode(view, [EncodedTrace.of(trace)]).to_pylist()
        assert {row["label_source"] for row in rows} == {"majority"}
        assert all(0.5 <= row["vote_share"] <= 1 for row in rows)
    (without,) = {t.verdict and t.verdict.outcome for t in (await explore(None, 6)).trajectories}
    assert without is ABSTAIN


async def test_a_stored_tree_goes_on_without_its_votes_and_votes_again(plain: Majority) -> None:
    half = await explore(plain, rollouts=4)
    (row,) = decode("trees", [EncodedTrace.of(half)]).to_pylist()
    stored = read_trace(row).tree
    assert stored.verdicts
    # Adaptive would take the votes for verdicts, and search the trajectories that fail.
    trace = await explore(plain, rollouts=6, tree=stored)
    assert len(trace.trajectories) == len(trace.tree.children(ROOT)) == 6
    assert {t.verdict.verifier for t in trace.trajectories if t.verdict} == {"consensus"}
