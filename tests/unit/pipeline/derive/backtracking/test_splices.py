"""Which branches of a tree become a chain, and what the chain consists of."""

import pytest
from pydantic import ValidationError

from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.chains import Chain, Kind, control, response_of, spliced
from pipeline.derive.backtracking.rows import SCHEMA, chain_row
from pipeline.derive.backtracking.splices import Splice, find_splices
from pipeline.labels.majority import Majority
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CUT = None


def grow(*rollouts: tuple[str, Outcome | None]) -> Tree:
    """A tree of whole rollouts, given as steps joined by `/`; without an outcome they are cut off."""
    tree = Tree([7, 8], "ask: ", 3)
    for text, outcome in rollouts:
        finish = Finish.LENGTH if outcome is CUT else Finish.STOP
        steps = [f"{step}\n" for step in text.split("/")]
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(*steps, finish=finish))
        if outcome is not CUT:
            tree.judge(leaf, make_verdict(outcome))
    return tree.sorted()


def found(tree: Tree, **options: object) -> list[Splice]:
    return find_splices(tree, BacktrackingOptions.model_validate({"min_margin": 0.2, **options}))


def texts(splice: Splice) -> tuple[str, list[str], str]:
    return (
        "".join(node.text for node in splice.prefix[1:]),
        ["".join(node.text for node in detour.nodes) for detour in splice.detours],
        "".join(node.text for node in splice.right),
    )


TWO_WAYS = grow(
    ("a/right/sum/end", PASS), ("a/right/sum/other end", PASS),
    ("a/wrong/worse/worst/end", FAIL), ("a/wrong/lost/end", FAIL), ("a/bad/way/end", FAIL),
)  # fmt: skip


def test_a_splice_is_a_prefix_a_wrong_and_a_right_branch() -> None:
    (splice,) = found(TWO_WAYS)
    assert texts(splice) == ("a\n", ["wrong\nworse\n"], "right\nsum\nend\n")
    assert (splice.step, splice.right_score) == (2, 2.5 / 3)
    assert splice.detours[0].score == 0.5 / 3
    assert splice.margin == pytest.approx(2 / 3)


def test_detours_are_as_long_and_as_many_as_the_options_say() -> None:
    (short,) = found(TWO_WAYS, max_detour_steps=1)
    assert texts(short)[1] == ["wrong\n"]
    (two,) = found(TWO_WAYS, num_detours=2, max_detour_steps=9)
    assert texts(two)[1] == ["wrong\nworse\nworst\n", "bad\nway\n"], "without the answer"
    assert two.margin == pytest.approx(2.5 / 3 - 0.25), "that of the better of the two"
    assert not found(TWO_WAYS, num_detours=3)


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"min_step": 2, "max_step": 2}, 1),
        ({"min_step": 3}, 0),
        ({"max_step": 1}, 0),
        ({"min_margin": 0.66}, 1),
        ({"min_margin": 0.67}, 0),
        ({"max_wrong": 0.16}, 0),
    ],
)
def test_options_rule_out_splices(options: dict[str, object], number: int) -> None:
    assert len(found(TWO_WAYS, **options)) == number


def test_nothing_that_ends_a_response_is_a_detour() -> None:
    """The end token in the middle of a chain would teach to go on after it."""
    assert not found(grow(("a/right", PASS), ("a/wrong", FAIL)))


def test_what_was_cut_off_is_neither_right_nor_wrong() -> None:
    assert not found(grow(("right/end", PASS), ("cut/off", CUT)))
    assert not found(grow(("cut/off", CUT), ("wrong/end", FAIL)))


def test_the_best_step_without_a_whole_right_response_is_passed_over() -> None:
    """Nothing is known of `cut`, so its rate counts as 1/2: more than that of `right`."""
    tree = grow(
        ("cut/off", CUT), ("right/end", PASS), ("right/x/end", FAIL), ("right/y/end", FAIL),
        *[("wrong/end", FAIL)] * 4,
    )  # fmt: skip
    (splice,) = [one for one in found(tree, min_margin=0.1) if one.step == 1]
    assert texts(splice) == ("", ["wrong\n"], "right\nend\n")


def test_the_clearest_splices_of_a_problem_come_first() -> None:
    tree = grow(
        ("a/b/end", PASS), ("a/b/fine", PASS), ("a/b/fine too", PASS), ("a/lost/end", FAIL),
        ("a/b/x/end", FAIL), ("lost/end", FAIL), ("lost/too", FAIL),
    )  # fmt: skip
    margins = [splice.margin for splice in found(tree)]
    assert len(margins) == 3
    assert margins == sorted(margins, reverse=True)
    assert len(found(tree, max_per_problem=1)) == 1
    assert found(tree, max_per_problem=1)[0].margin == margins[0]


async def test_votes_are_no_ground_for_a_chain() -> None:
    """The verifier abstains on problems without a gold answer: it would accept no new end."""
    tree = Tree([7], "ask", 3)
    for answer in ("5", "5", "5", "6"):
        steps = [f"step {answer}\n", f"The answer is \\boxed{{{answer}}}."]
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(*steps))
        tree.judge(leaf, make_verdict(Outcome.ABSTAIN))
    majority = Majority(Majority.Config())
    await majority.vote(make_problem(answer=None), tree)
    await majority.close()
    assert {verdict.outcome for verdict in tree.verdicts.values()} == {PASS, FAIL}
    assert not found(tree)


def test_a_spliced_chain_has_the_notice_as_a_step_and_its_control_has_no_detour() -> None:
    (splice,) = found(TWO_WAYS, num_detours=2)
    spans = spliced(splice, " No. ", lambda text: tuple(text.encode()))
    assert [span.kind for span in spans] == [
        Kind.PROMPT, Kind.PREFIX, Kind.DETOUR, Kind.OPENING, Kind.DETOUR, Kind.OPENING, Kind.TAIL,
    ]  # fmt: skip
    assert response_of(spans) == "a\nwrong\nworse\n No.\nbad\nway\n No.\nright\nsum\nend\n"
    assert response_of(control(splice)) == "a\nright\nsum\nend\n"


@pytest.mark.parametrize(
    "wrong", [{"openings": []}, {"openings": [" "]}, {"notice": ""}, {"max_wrong": 0.5}, {"mode": "x"}]
)
def test_options_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BacktrackingOptions.model_validate(wrong)


def test_a_row_has_every_column() -> None:
    (splice,) = found(TWO_WAYS)
    trace = Trace(problem=make_problem(), seed=3, tree=TWO_WAYS, trajectories=trajectories(TWO_WAYS))
    chain = Chain(
        mode="control",
        splice=splice,
        spans=tuple(control(splice)),
        verdict=make_verdict(),
        model_version="m",
        seed=5,
    )
    assert set(chain_row(trace, chain, train_opening=True)) == set(SCHEMA.names)
