"""Advantages of steps: what they add up to, and that they are what a plain enumeration gives."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.views.rules import PackedOptions, ViewOptions, ViewRules
from pipeline.labels.advantages import AdvantageMethod, Prefix, advantages
from pipeline.labels.first_error import Trials
from pipeline.labels.step_labels import LabelConfig
from pipeline.records import Trace, trajectories
from pipeline.tree import Finish, Tree
from tests.conftest import make_problem
from tests.grown import trees

METHODS: tuple[AdvantageMethod, ...] = ("vineppo", "siblings", "math_shepherd")


@st.composite
def _prefixes(draw: st.DrawFn) -> list[Prefix]:
    """The prefixes of up to seven rollouts of up to four steps, whose steps are often the same."""
    steps = st.lists(st.integers(0, 1), min_size=1, max_size=4)
    rollouts = draw(st.lists(st.tuples(steps, st.sampled_from([True, False, None])), max_size=7))
    counts: dict[tuple[int, ...], list[bool | None]] = {(): []}
    for taken, passed in rollouts:
        for end in range(len(taken) + 1):
            counts.setdefault(tuple(taken[:end]), []).append(passed)
    paths = sorted(counts)
    return [
        Prefix(
            parent=paths.index(path[:-1]) if path else -1,
            trials=Trials(counts[path].count(True), counts[path].count(False)),
            num_samples=len(counts[path]) if path else 0,
        )
        for path in paths
    ]


prefixes = _prefixes()
options = st.fixed_dictionaries(
    {"min_trials": st.integers(1, 4), "prior_trials": st.sampled_from([0.0, 0.5, 3.0])}
)


def path_to(given: Sequence[Prefix], index: int) -> list[int]:
    """Indices from the prompt's to this one."""
    return [] if index < 0 else [*path_to(given, given[index].parent), index]


def is_last(given: Sequence[Prefix], index: int) -> bool:
    return all(one.parent != index for one in given)


def total(one: Prefix) -> int:
    return one.trials.passes + one.trials.fails


def value_of(given: Sequence[Prefix], index: int, least: int, prior: float) -> float | None:
    """A point's value, from the prompt down; None if it is no point."""
    value: float | None = None
    for at in path_to(given, index):
        one, own = given[at], None
        if (at and total(one) and is_last(given, at)) or (total(one) >= least and value is None):
            own = one.trials.passes / total(one)
        elif total(one) >= least:
            own = (one.trials.passes + prior * (value or 0)) / (total(one) + prior)
        if at == index:
            return own
        value = value if own is None else own
    raise AssertionError


def walks(given: Sequence[Prefix], index: int, known: Sequence[bool]) -> Iterator[tuple[float, list]]:  # type: ignore[type-arg]
    """Every way on from a prefix through known ones, with its probability."""
    children = [i for i, one in enumerate(given) if one.parent == index and i and known[i]]
    samples = sum(given[i].num_samples for i in children)
    if not children:
        yield 1.0, [index]
    for child in children:
        for probability, rest in walks(given, child, known):
            yield probability * given[child].num_samples / samples, [index, *rest]


@given(prefixes, options)
def test_along_a_response_changes_of_value_add_up_to_its_outcome(
    found: list[Prefix], how: dict[str, Any]
) -> None:
    changes = advantages(found, "vineppo", **how)
    assert changes[0] is None
    problem = value_of(found, 0, how["min_trials"], 0)
    for index, one in enumerate(found):
        if not index or not is_last(found, index) or not total(one):
            continue
        points = [
            at
            for at in path_to(found, index)[1:]
            if value_of(found, at, how["min_trials"], how["prior_trials"]) is not None
        ]
        if problem is None:
            assert changes[points[0]] is None
        else:
            outcome = one.trials.passes / total(one)
            assert sum(changes[at] or 0 for at in points) == pytest.approx(outcome - problem)


@given(prefixes, options)
def test_steps_sampled_at_one_place_have_a_mean_of_zero_and_a_deviation_of_one(
    found: list[Prefix], how: dict[str, Any]
) -> None:
    compared = advantages(found, "siblings", **how)
    for point in range(len(found)):
        if point and value_of(found, point, how["min_trials"], how["prior_trials"]) is None:
            continue
        group = [
            (one.num_samples, value)
            for index, one in enumerate(found)
            if index and one.parent == point and (value := compared[index]) is not None
        ]
        samples = sum(number for number, _ in group)
        assert samples != 1
        if samples:
            assert sum(number * value for number, value in group) == pytest.approx(0, abs=1e-9)
            square = sum(number * value**2 for number, value in group) / samples
            assert square == pytest.approx(1) or square == 0


@given(prefixes, options)
def test_a_return_is_the_mean_over_all_ways_on(found: list[Prefix], how: dict[str, Any]) -> None:
    returns = advantages(found, "math_shepherd", **how)
    values = [value_of(found, i, how["min_trials"], how["prior_trials"]) for i in range(len(found))]
    each = [
        value
        for one, value in zip(found[1:], values[1:], strict=True)
        if value is not None
        for _ in range(one.num_samples)
    ]
    if len(each) < 2:
        assert returns == [None] * len(found)
        return
    mean = math.fsum(each) / len(each)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in each) / len(each))
    known = [
        any(total(found[j]) for j in range(len(found)) if i in path_to(found, j))
        for i in range(len(found))
    ]
    for index in range(1, len(found)):
        if not known[index]:
            assert returns[index] is None
            continue
        expected = 0.0
        for probability, way in walks(found, index, known):
            rewards = [v - mean for i in way if (v := values[i]) is not None]
            expected += probability * sum(rewards) / deviation if deviation > 1e-9 else 0.0
        assert returns[index] == pytest.approx(expected, abs=1e-7)


def packed(tree: Tree, method: AdvantageMethod, *, truncated_fails: bool = False) -> dict[str, Any]:
    trace = Trace(problem=make_problem(), seed=1, tree=tree, trajectories=trajectories(tree))
    rules = ViewRules(
        labels=LabelConfig(truncated_fails=truncated_fails),
        views=ViewOptions(packed=PackedOptions(advantages=method)),
    )
    found = EncodedTrace.of(trace, rules, ["packed"]).batch("packed").to_pylist()
    row: dict[str, Any] = found[0] if found else {}
    return row


@given(trees, st.sampled_from(METHODS), st.booleans())
def test_a_token_has_an_advantage_only_where_a_rollout_below_it_was_judged(
    tree: Tree, method: AdvantageMethod, truncated_fails: bool
) -> None:
    row = packed(tree, method, truncated_fails=truncated_fails)
    if not row:
        return
    judged = [False] * len(row["segment_starts"])
    for leaf in tree.leaves():
        cut = truncated_fails and tree.nodes[leaf].finish is Finish.LENGTH
        if tree.passed(leaf) is not None or cut:
            for node in tree.path(leaf):
                judged[row["segment_nodes"].index(tree.same_prefix(node.id)[0])] = True
    for segment, start in enumerate(row["segment_starts"]):
        own = row["advantages"][start : start + row["segment_lengths"][segment]]
        assert len(set(own)) <= 1
        if segment == 0 or not judged[segment]:
            assert own == [None] * len(own)


@given(trees)
def test_each_sampled_token_is_one_responses_own(tree: Tree) -> None:
    row = packed(tree, "vineppo")
    if not row:
        return
    counts = [0] * row["num_tokens"]
    for segment, start in zip(row["response_segments"], row["response_starts"], strict=True):
        token = row["segment_starts"][segment] + row["segment_lengths"][segment] - 1
        while token >= 0 and row["position_ids"][token] >= start:
            counts[token] += 1
            token = row["parents"][token]
    for segment, samples in enumerate(row["segment_samples"]):
        start = row["segment_starts"][segment]
        end = start + row["segment_lengths"][segment]
        assert counts[start:end] == [samples] * (end - start)
    assert sum(
        weight
        for weight, parent in zip(row["segment_weights"], row["segment_parents"], strict=True)
        if parent == 0
    ) == pytest.approx(1 if len(tree) > 1 else 0)
