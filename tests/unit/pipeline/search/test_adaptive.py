"""Where adaptive spends its rollouts."""

from pipeline.search import Expansion
from pipeline.search.adaptive import Adaptive
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

PASS, FAIL = Outcome.PASS, Outcome.FAIL


def strategy(**options: object) -> Adaptive:
    return Adaptive(Adaptive.Config.model_validate({"rollouts": 4, **options}))


def tree_of(*outcomes: Outcome, steps: int = 6) -> Tree:
    tree = Tree([1], "ask")
    for number, outcome in enumerate(outcomes):
        texts = [f"rollout {number}, step {step}" for step in range(steps)]
        add(tree, ROOT, *texts, outcome=outcome)
    return tree


def add(tree: Tree, parent: int, *texts: str, outcome: Outcome) -> int:
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*texts))
    tree.judge(leaf, make_verdict(outcome))
    return leaf


def test_a_problem_that_is_solved_gets_no_more() -> None:
    assert strategy().propose(tree_of(PASS, PASS, PASS, PASS), []) == []


def test_a_problem_that_is_hopeless_gets_twice_as_many_until_it_is_given_up() -> None:
    hopeless = strategy(hopeless_after=10)
    assert hopeless.propose(tree_of(*[FAIL] * 4), []) == [Expansion(parent=ROOT, num_rollouts=4)]
    assert hopeless.propose(tree_of(*[FAIL] * 8), []) == [Expansion(parent=ROOT, num_rollouts=2)]
    assert hopeless.propose(tree_of(*[FAIL] * 10), []) == []


def test_it_samples_from_the_middle_of_what_failed() -> None:
    tree = tree_of(PASS, PASS, PASS, FAIL)
    (expansion,) = strategy().propose(tree, [])
    assert tree.path(expansion.parent)[1].slot == 3
    assert 1 < tree.nodes[expansion.parent].step < 6


def test_a_pass_sends_it_further_on_and_fails_send_it_back() -> None:
    for outcome, later in ((PASS, True), (FAIL, False)):
        tree = tree_of(PASS, PASS, PASS, FAIL)
        middle = tree.path(tree.leaf_of(tree.children(ROOT)[3]))[3]
        for _ in range(4):
            add(tree, middle.id, "on", "and on", outcome=outcome)
        (expansion,) = strategy().propose(tree, [])
        assert (tree.nodes[expansion.parent].step > middle.step) == later


def test_trajectories_that_failed_do_not_wait_for_each_other() -> None:
    tree = tree_of(PASS, PASS, FAIL, FAIL)
    searching = strategy()
    one, other = searching.propose(tree, [])
    assert searching.propose(tree, [one, other]) == []
    assert searching.propose(tree, [one]) == [other]


def test_it_stops_when_the_first_wrong_step_is_clear() -> None:
    tree = tree_of(PASS, PASS, PASS, FAIL)
    path = tree.path(tree.leaf_of(tree.children(ROOT)[3]))
    for _ in range(8):
        add(tree, path[2].id, "on", outcome=PASS)
        add(tree, path[3].id, "on", outcome=FAIL)
    assert strategy().propose(tree, []) == []
