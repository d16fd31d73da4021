"""Training examples from rows of `packed`: a problem's tree as one sequence, each prefix once.

Every sampled token with an advantage is in the loss, as often as rollouts sampled it, or by its
`sampling_weight`. A tree that is too long is cut into pieces of whole responses, in order: what an
earlier piece had in the loss is only read in a later one, so each token still counts once.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.labels.advantages import Prefix, advantages
from pipeline.labels.first_error import Trials
from pipeline.training.policy.settings import PolicySettings

COLUMNS = (
    "problem_id",
    "problem",
    "meta",
    "token_ids",
    "parents",
    "position_ids",
    "advantages",
    "logprobs",
    "segment_starts",
    "segment_lengths",
    "segment_parents",
    "segment_samples",
    "segment_weights",
    "response_segments",
    "response_rewards",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeExample:
    """A tree, or a piece of one. All lists but `prompt` have an entry for each token."""

    problem_id: str
    problem: str
    """The problem's text, to check the tokenizer with."""
    prompt: "array[int]"
    """Token ids of the prompt."""
    ids: "array[int]"
    parents: "array[int]"
    """Index of the token before it in its own sequence; -1 for the first."""
    positions: "array[int]"
    advantages: "array[float]"
    weights: "array[float]"
    """Weight in the loss; 0 for a token that is only read."""
    logprobs: "array[float] | None"
    """Log-probabilities when sampled, 0 for tokens that were not; None if the run does not store
    them."""

    @property
    def num_tokens(self) -> int:
        """Tokens in the loss."""
        return sum(weight > 0 for weight in self.weights)

    @property
    def longest(self) -> int:
        """Tokens of the sequence."""
        return len(self.ids)

    @property
    def highest(self) -> int:
        """The highest token id."""
        return max(self.ids)

    @property
    def has_signal(self) -> bool:
        """Whether any token in the loss has an advantage other than 0."""
        return any(a and w for a, w in zip(self.advantages, self.weights, strict=True))

    def lines(self) -> list[str]:
        """What it holds, as lines for a hash."""
        arrays = (self.ids, self.parents, self.advantages, self.weights, self.logprobs or array("f"))
        return [self.problem_id, *(one.tobytes().hex() for one in arrays)]


def tree_examples(
    row: Mapping[str, Any], settings: PolicySettings, max_length: int, max_positions: int
) -> tuple[list[TreeExample], int]:
    """The pieces of a row's tree, and the number of responses left out for their length.

    No piece has more than `max_length` tokens, and no response of it more than `max_positions`.
    """
    pieces, num_too_long = _pieces(row, max_length, max_positions)
    weights, seen = _weights(row, settings), set[int]()
    found_advantages = _advantages(row, settings)
    found = []
    for piece in pieces:
        learnt = set(piece) - seen
        seen |= learnt
        found.append(_example(row, piece, learnt, found_advantages, weights))
    return [one for one in found if one.has_signal], num_too_long


def _pieces(row: Mapping[str, Any], max_length: int, max_positions: int) -> tuple[list[list[int]], int]:
    """The segments of each piece, in order."""
    lengths, parents = row["segment_lengths"], row["segment_parents"]
    pieces: list[set[int]] = [set()]
    num_too_long = size = 0
    for end in row["response_segments"]:
        path = _path(parents, end)
        if sum(lengths[k] for k in path) > min(max_length, max_positions):
            num_too_long += 1
            continue
        new = sum(lengths[k] for k in path if k not in pieces[-1])
        if size + new > max_length:
            pieces.append(set())
            new, size = sum(lengths[k] for k in path), 0
        pieces[-1].update(path)
        size += new
    return [sorted(piece) for piece in pieces if piece], num_too_long


def _path(parents: Sequence[int], segment: int) -> list[int]:
    path = []
    while segment >= 0:
        path.append(segment)
        segment = parents[segment]
    return path[::-1]


def _weights(row: Mapping[str, Any], settings: PolicySettings) -> Sequence[float]:
    """The weight of each segment's tokens."""
    name = "segment_samples" if settings.weights == "samples" else "segment_weights"
    weights: Sequence[float] = row[name]
    return weights


def _advantages(row: Mapping[str, Any], settings: PolicySettings) -> Sequence[float | None]:
    """The advantage of each token: those of the row, or by another rule from its outcomes."""
    stored: Sequence[float | None] = row["advantages"]
    if settings.advantages is None:
        return stored
    ended = [Trials()] * len(row["segment_parents"])
    for segment, reward in zip(row["response_segments"], row["response_rewards"], strict=True):
        ended[segment] = ended[segment].and_one(None if reward is None else reward > 0)
    found = advantages(
        [
            Prefix(parent=parent, ended=trials, num_samples=samples)
            for parent, trials, samples in zip(
                row["segment_parents"], ended, row["segment_samples"], strict=True
            )
        ],
        settings.advantages,
    )
    spread: list[float | None] = []
    for advantage, length in zip(found, row["segment_lengths"], strict=True):
        spread += [advantage] * length
    return spread


def _example(
    row: Mapping[str, Any],
    piece: Sequence[int],
    learnt: set[int],
    found: Sequence[float | None],
    weights: Sequence[float],
) -> TreeExample:
    tokens, weight = [], []
    for segment in piece:
        for token in _tokens(row, segment):
            tokens.append(token)
            is_learnt = segment in learnt and found[token] is not None
            weight.append(weights[segment] if is_learnt else 0.0)
    place = {token: number for number, token in enumerate(tokens)} | {-1: -1}
    logprobs = row["logprobs"]
    has_all = logprobs is not None and all(
        logprobs[token] is not None for token, w in zip(tokens, weight, strict=True) if w
    )
    return TreeExample(
        problem_id=row["problem_id"],
        problem=row["problem"],
        prompt=array("i", [row["token_ids"][token] for token in _tokens(row, 0)]),
        ids=array("i", [row["token_ids"][token] for token in tokens]),
        parents=array("i", [place[row["parents"][token]] for token in tokens]),
        positions=array("i", [row["position_ids"][token] for token in tokens]),
        advantages=array("f", [found[token] or 0.0 for token in tokens]),
        weights=array("f", weight),
        logprobs=array("f", [logprobs[token] or 0.0 for token in tokens]) if has_all else None,
    )


def _tokens(row: Mapping[str, Any], segment: int) -> Iterator[int]:
    start = row["segment_starts"][segment]
    return iter(range(start, start + row["segment_lengths"][segment]))
