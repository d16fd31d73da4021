"""Advantages of steps: what they add up to, and that they are what a plain enumeration gives."""

import statistics
from collections.abc import Sequence
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


Rollout = tuple[tuple[int, ...], bool | None]
"""The steps of a whole response, and whether it passed."""
rollouts = st.lists(
    st.tuples(
        st.lists(st.integers(0, 1), min_size=1, max_size=4).map(tuple),
        st.sampled_from([True, False, None]),
    ),
    max_size=7,
)


def paths_of(given: Sequence[Rollout]) -> list[tuple[int, ...]]:
    """All prefixes, parents before children."""
    return sorted({path[:end] for path, _ in given for end in range(len(path) + 1)} | {()})


def prefixes_of(given: Sequence[Rollout]) -> list[Prefix]:
    paths = paths_of(given)
    ended = [[passed for taken, passed in given if taken == path] for path in paths]
    return [
        Prefix(
            parent=paths.index(path[:-1]) if path else -1,
            ended=Trials(own.count(True), own.count(False)),
            num_samples=sum(taken[: len(path)] == path for taken, _ in given) if path else 0,
        )
        for path, own in zip(paths, ended, strict=True)
    ]


def samples_at(given: Sequence[Rollout], path: tuple[int, ...]) -> list[float]:
    """For each rollout through a prefix, the value of its next step or its outcome, where known."""
    found = []
    for taken, passed in given:
        if taken[: len(path)] != path:
            continue
        if taken == path:
            value = None if passed is None else float(passed)
        else:
            value = value_at(given, taken[: len(path) + 1])
        found += [] if value is None else [value]
    return found


def value_at(given: Sequence[Rollout], path: tuple[int, ...]) -> float | None:
    samples = samples_at(given, path)
    return statistics.fmean(samples) if samples else None


def point_before(given: Sequence[Rollout], path: tuple[int, ...]) -> tuple[int, ...] | None:
    """The last prefix before a step from which two known rollouts went on."""
    before = [path[:end] for end in range(len(path)) if len(samples_at(given, path[:end])) > 1]
    return before[-1] if before else None


@given(rollouts)
def test_an_advantage_is_the_change_of_value_since_the_last_branch(found: list[Rollout]) -> None:
    changes = advantages(prefixes_of(found), "vineppo")
    for path, change in zip(paths_of(found), changes, strict=True):
        value, point = value_at(found, path), point_before(found, path)
        if value is None or point is None:
            assert change is None
        else:
            before = value_at(found, point)
            assert before is not None
            assert change == pytest.approx(value - before)


@given(rollouts)
def test_along_a_response_the_advantages_of_actions_add_up_to_its_outcome(found: list[Rollout]) -> None:
    paths = paths_of(found)
    changes = dict(zip(paths, advantages(prefixes_of(found), "vineppo"), strict=True))
    for taken, _ in found:
        outcome, first = value_at(found, taken), point_before(found, taken)
        if outcome is None or first is None:
            continue
        # An action ends where the next one begins: at a branch, or at the end.
        steps = [taken[:end] for end in range(1, len(taken) + 1)]
        ends = [at for at in steps if at == taken or len(samples_at(found, at)) > 1]
        known = [change for at in ends if (change := changes[at]) is not None]
        top = next(at for at in [(), *steps] if len(samples_at(found, at)) > 1)
        before = value_at(found, top)
        assert before is not None
        assert sum(known) == pytest.approx(outcome - before)


@given(rollouts, st.sampled_from(["vineppo", "siblings"]))
def test_what_was_sampled_at_one_place_has_a_mean_of_zero(
    found: list[Rollout], method: AdvantageMethod
) -> None:
    paths = paths_of(found)
    compared = dict(zip(paths, advantages(prefixes_of(found), method), strict=True))
    for point in paths:
        group = [
            value
            for taken, _ in found
            if taken[: len(point)] == point and len(taken) > len(point)
            if (value := compared[taken[: len(point) + 1]]) is not None
        ]
        whole = [taken for taken, passed in found if taken == point and passed is not None]
        if len(samples_at(found, point)) < 2 or whole:
            continue
        assert sum(group) == pytest.approx(0, abs=1e-9)
        if method == "siblings":
            square = statistics.fmean(value**2 for value in group)
            assert square == pytest.approx(1) or square == 0


@given(rollouts)
def test_a_return_is_the_mean_over_all_ways_on(found: list[Rollout]) -> None:
    paths = paths_of(found)
    returns = advantages(prefixes_of(found), "math_shepherd")
    known = [(taken, passed) for taken, passed in found if value_at(found, taken) is not None]

    def reward(path: tuple[int, ...]) -> float | None:
        ends = any(taken == path and passed is not None for taken, passed in known)
        return value_at(found, path) if ends or len(samples_at(found, path)) > 1 else None

    each = [
        value
        for path in paths[1:]
        if (value := reward(path)) is not None
        for taken, _ in found
        if taken[: len(path)] == path
    ]
    if len(each) < 2:
        assert returns == [None] * len(paths)
        return
    mean, deviation = statistics.fmean(each), statistics.pstdev(each)

    def expected(path: tuple[int, ...]) -> float | None:
        """The return, by one more step of every rollout."""
        if value_at(found, path) is None:
            return None
        ways = []
        for taken, passed in found:
            if taken == path and passed is not None:
                ways.append(0.0)
            elif taken[: len(path)] == path and taken != path:
                way = expected(taken[: len(path) + 1])
                ways += [] if way is None else [way]
        own = reward(path)
        scaled = (own - mean) / deviation if own is not None and deviation > 1e-9 else 0.0
        return scaled + statistics.fmean(ways)

    assert returns[0] is None
    for path, found_return in zip(paths[1:], returns[1:], strict=True):
        wanted = expected(path)
        assert found_return == (None if wanted is None else pytest.approx(wanted, abs=1e-7))


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
