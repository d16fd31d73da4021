"""What `beam` and `dvts` keep and ask for, on trees grown by hand."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.search import Expansion
from pipeline.search.beam import Beam, Dvts
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout


class Garden:
    """A tree of one-step rollouts, whose nodes have the names that they are given."""

    def __init__(self) -> None:
        self.tree = Tree([1], "ask")
        self.ids = {"": ROOT}

    def add(
        self,
        name: str,
        *scores: float | None,
        below: str = "",
        finish: Finish = Finish.STEP,
        text: str = "",
    ) -> None:
        """Adds a rollout with a step for each score, the first of which is called `name`, which is its
        text too if no other is given."""
        parent = self.ids[below]
        rollout = make_rollout(text or name, *["x"] * (len(scores) - 1), finish=finish)
        leaf = self.tree.add(parent, self.tree.reserve(parent, 1), rollout)
        nodes = self.tree.rollout(leaf)
        self.ids[name] = nodes[0].id
        for node, score in zip(nodes, scores, strict=True):
            if score is not None:
                self.tree.scores[node.id] = score

    def asks(self, strategy: Beam, pending: list[Expansion] | None = None) -> dict[str, int]:
        """Name of a node -> continuations that the strategy asks for."""
        names = {node: name for name, node in self.ids.items()}
        asked = strategy.propose(self.tree, pending or [])
        assert all(e.num_steps == 1 + strategy.config.lookahead for e in asked)
        return {names[e.parent]: e.num_rollouts for e in asked}


def beam(**options: Any) -> Beam:
    return Beam(Beam.Config(**{"rollouts": 4, "beam_width": 2, **options}))


def dvts(**options: Any) -> Dvts:
    return Dvts(Dvts.Config(**{"rollouts": 4, "beam_width": 2, **options}))


def first_round(*scores: float | None) -> Garden:
    garden = Garden()
    for name, score in zip("abcd", scores, strict=True):
        garden.add(name, score)
    return garden


def test_beam_keeps_the_best_of_all_and_dvts_the_best_of_each_group() -> None:
    garden = first_round(0.9, 0.8, 0.1, 0.2)
    assert garden.asks(beam()) == {"a": 2, "b": 2}
    assert garden.asks(dvts()) == {"a": 2, "d": 2}


def test_ties_go_to_the_earlier_slot() -> None:
    assert first_round(0.5, 0.5, 0.5, 0.5).asks(beam()) == {"a": 2, "b": 2}


@pytest.mark.parametrize("aggregate", ["min", "product", "mean"])
def test_continuations_that_share_their_worst_step_are_told_apart_by_the_new_one(
    aggregate: str,
) -> None:
    garden = Garden()
    garden.add("a", 0.2)
    garden.add("b", 0.1)
    for name, score in (("aa", 0.7), ("ab", 0.9)):
        garden.add(name, score, below="a")
    strategy = beam(rollouts=2, aggregate=aggregate)
    assert garden.asks(strategy) == {"ab": 2}


def test_of_continuations_with_the_same_tokens_one_is_kept() -> None:
    garden = Garden()
    for name, score, text in (("a", 0.9, "x"), ("b", 0.9, "x"), ("c", 0.2, "y"), ("d", 0.1, "z")):
        garden.add(name, score, text=text)
    assert garden.asks(beam()) == {"a": 2, "c": 2}


def test_a_place_that_no_other_continuation_can_take_stays_empty() -> None:
    garden = Garden()
    for name in "abcd":
        garden.add(name, 0.5, text="x")
    assert garden.asks(beam()) == {"a": 2}


def test_unscored_ranks_below_scored_and_is_taken_where_nothing_is() -> None:
    assert first_round(None, None, 0.0, None).asks(beam()) == {"c": 2, "a": 2}
    assert first_round(None, None, None, None).asks(beam()) == {"a": 2, "b": 2}


def test_beam_waits_for_the_whole_round_and_dvts_for_its_sub_tree() -> None:
    garden = first_round(0.9, 0.8, 0.1, 0.2)
    garden.add("aa", 0.5, below="a")
    garden.add("ab", 0.6, below="a")
    pending_b = [Expansion(parent=garden.ids["b"], num_rollouts=2, num_steps=1)]
    pending_d = [Expansion(parent=garden.ids["d"], num_rollouts=2, num_steps=1)]
    assert garden.asks(beam(), pending_b) == {}
    assert garden.asks(beam()) == {"b": 2}
    assert garden.asks(dvts(), pending_d) == {"ab": 2}


def test_one_that_ended_holds_its_place_and_costs_nothing_more() -> None:
    garden = first_round(0.9, 0.8, 0.1, 0.2)
    garden.add("aa", 0.9, below="a", finish=Finish.STOP)
    garden.add("ab", 0.3, below="a")
    garden.add("ba", 0.4, below="b")
    garden.add("bb", 0.5, below="b")
    assert garden.asks(beam()) == {"bb": 2}
    garden.add("bba", 0.9, below="bb", finish=Finish.STOP)
    garden.add("bbb", 0.8, below="bb")
    assert garden.asks(beam()) == {}


def test_the_last_round_is_the_last() -> None:
    garden = first_round(0.9, 0.8, 0.1, 0.2)
    assert garden.asks(beam(max_rounds=1)) == {}
    for name in ("aa", "ab"):
        garden.add(name, 0.5, below="a")
    for name in ("ba", "bb"):
        garden.add(name, 0.4, below="b")
    assert garden.asks(beam(max_rounds=2)) == {}
    assert garden.asks(beam(max_rounds=3)) == {"aa": 2, "ab": 2}


@pytest.mark.parametrize(
    ("aggregate", "kept"),
    [("last", "b"), ("min", "a"), ("product", "a"), ("mean", "c")],
)
def test_a_beams_score_is_of_all_its_steps(aggregate: str, kept: str) -> None:
    garden = Garden()
    garden.add("a", 0.6, 0.6)
    garden.add("b", 0.1, 0.9)
    garden.add("c", 1.0, 0.3)
    strategy = beam(rollouts=3, beam_width=3, lookahead=1, aggregate=aggregate)
    assert set(garden.asks(strategy)) == {kept}


def test_with_a_lookahead_the_score_is_its_ends_and_the_search_goes_on_from_the_first_step() -> None:
    garden = Garden()
    garden.add("a", 0.9, 0.2)
    garden.add("b", 0.1, 0.8)
    strategy = beam(rollouts=2, lookahead=1, aggregate="last")
    # What was sampled ahead is one of its two continuations.
    assert garden.asks(strategy) == {"b": 1}
    garden.add("bb", 0.3, 0.7, below="b")
    ahead = garden.tree.children(garden.ids["b"])[0]
    assert [e.parent for e in strategy.propose(garden.tree, [])] == [ahead]


def test_what_a_budget_cut_off_is_asked_for_again() -> None:
    garden = first_round(0.9, 0.8, 0.1, 0.2)
    garden.add("aa", 0.5, below="a")
    assert garden.asks(beam()) == {"a": 1, "b": 2}


def test_beams_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of `beam_width`, got 5 and 2"):
        beam(rollouts=5)
