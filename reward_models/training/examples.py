"""Training examples from labelled responses: token ids, positions, targets and weights.

Ids are those in the tree. A step's position is its last token, where a served model is scored too.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A response with labels for its steps, or with its outcome at the last step."""

    problem_id: str
    prompt_token_ids: tuple[int, ...]
    step_token_ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    """One per step."""
    targets: tuple[float | None, ...]
    """For each step, the probability of `right` to learn; None without a label."""
    weights: tuple[float, ...]
    """Weight of each target, such as the number of trials behind it."""
    originals: tuple[str, ...] = ()
    """Problems that this one was made of, if it is a variant: it is held out if one of them is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training sequence."""

    ids: tuple[int, ...]
    places: tuple[int, ...]
    """Increasing indices in `ids` of the last tokens of steps with a target."""
    targets: tuple[float, ...]
    weights: tuple[float, ...]


def make_example(labelled: Labelled) -> Example:
    """The example, with a position for every step that has a target and a positive weight."""
    ids, places, targets, weights = list(labelled.prompt_token_ids), [], [], []
    for step, target, weight in zip(
        labelled.step_token_ids, labelled.targets, labelled.weights, strict=True
    ):
        ids += step
        if target is not None and weight > 0 and step:
            places.append(len(ids) - 1)
            targets.append(target)
            weights.append(weight)
    return Example(ids=tuple(ids), places=tuple(places), targets=tuple(targets), weights=tuple(weights))


def is_held_out(problem_id: str, fraction: float, seed: int) -> bool:
    """Whether the problem is held out, by a hash of its id: the same in any data that contains it."""
    digest = hashlib.blake2b(f"{seed} {problem_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < fraction * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Training and held-out examples, without common problems."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    train_problems: tuple[str, ...]
    """Ids, sorted."""
    num_held_out_problems: int
    num_too_long: int
    """Responses left out for their length."""
    num_unlabelled: int
    """Responses without a target of their own; other responses may contain their steps."""


def split(responses: Iterable[Labelled], *, max_length: int, held_out: float, seed: int) -> Split:
    """Turns the responses into examples on the two sides."""
    sides: dict[bool, list[Example]] = {False: [], True: []}
    problems: dict[bool, set[str]] = {False: set(), True: set()}
    num_too_long = num_unlabelled = 0
    for labelled in responses:
        example = make_example(labelled)
        if not example.places:
            num_unlabelled += 1
        elif len(example.ids) > max_length:
            num_too_long += 1
        else:
            originals = labelled.originals or (labelled.problem_id,)
            side = any(is_held_out(one, held_out, seed) for one in originals)
            sides[side].append(example)
            problems[side].add(labelled.problem_id)
    return Split(
        train=sides[False],
        held_out=sides[True],
        train_problems=tuple(sorted(problems[False])),
        num_held_out_problems=len(problems[True]),
        num_too_long=num_too_long,
        num_unlabelled=num_unlabelled,
    )
