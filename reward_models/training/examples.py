"""Labelled responses as what a model is trained on: token ids, places in them, targets and weights.

Ids are those of the tree. A step's place is that of its last token, where a served model is asked too.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A response with what is known of its steps, or of its outcome at the last step alone."""

    problem_id: str
    prompt_token_ids: tuple[int, ...]
    step_token_ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    """Of each step."""
    targets: tuple[float | None, ...]
    """For each step the chance of `right` that is to be learnt; None where there is none."""
    weights: tuple[float, ...]
    """How much each target counts, such as the trials that it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One sequence to be trained on."""

    ids: tuple[int, ...]
    places: tuple[int, ...]
    """Indices into `ids` of the steps' last tokens, of those with a target; increasing."""
    targets: tuple[float, ...]
    weights: tuple[float, ...]


def make_example(labelled: Labelled) -> Example:
    """Places of every step with a target and a weight over 0."""
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


def is_held_out(problem_id: str, share: float, seed: int) -> bool:
    """By a hash of the problem's id, so that a problem is on one side in whatever data it comes."""
    digest = hashlib.blake2b(f"{seed} {problem_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Examples on two sides that share no problem."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    train_problems: tuple[str, ...]
    """Ids, sorted."""
    num_held_out_problems: int
    num_too_long: int
    """Responses that were left out."""
    num_unlabelled: int
    """Responses without any target of their own; their steps may be in others."""


def split(responses: Iterable[Labelled], *, max_length: int, held_out: float, seed: int) -> Split:
    """The responses as examples."""
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
            side = is_held_out(labelled.problem_id, held_out, seed)
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
