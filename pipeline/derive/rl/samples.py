"""A row of `packed` as single responses: what libraries without tree attention train on.

Each sampled token is in the mask of one response alone, that of the rollout that sampled it: a response
that branches off another one has the shared prefix as context. So the sum over all samples of a problem
is the sum over its tree, each step as often as rollouts sampled it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RlSample:
    """A response with the advantages of its tokens. Lists but the prompt's have an entry for each
    token of the response."""

    problem_id: str
    leaf: int
    """The response's leaf in `trees`."""
    prompt_token_ids: tuple[int, ...]
    response_token_ids: tuple[int, ...]
    mask: tuple[bool, ...]
    """Whether to train on the token."""
    advantages: tuple[float, ...]
    """0 where `mask` is false."""
    logprobs: tuple[float, ...] | None
    """Log-probabilities when sampled, in nats; None unless the run stores all of them
    (`dataset.token_logprobs`)."""
    reward: float | None
    """1 if the response passed, 0 if it failed, None if neither."""
    status: str
    """As `status` in `trees`."""


def rl_samples(row: Mapping[str, Any]) -> Iterator[RlSample]:
    """The responses of a row with a token to train on, in order."""
    columns = ("response_leaves", "response_segments", "response_starts", "response_rewards")
    for leaf, segment, start, reward, status in zip(
        *(row[name] for name in columns), row["response_statuses"], strict=True
    ):
        path = _path(row, segment)
        num_prompt = row["segment_lengths"][0]
        own = path[num_prompt:]
        known = [row["advantages"][token] for token in own]
        mask = tuple(
            advantage is not None and position >= start
            for position, advantage in enumerate(known, num_prompt)
        )
        if not any(mask):
            continue
        yield RlSample(
            problem_id=row["problem_id"],
            leaf=leaf,
            prompt_token_ids=tuple(row["token_ids"][token] for token in path[:num_prompt]),
            response_token_ids=tuple(row["token_ids"][token] for token in own),
            mask=mask,
            advantages=tuple((a or 0.0) if m else 0.0 for a, m in zip(known, mask, strict=True)),
            logprobs=_logprobs(row, own),
            reward=reward,
            status=status,
        )


def _path(row: Mapping[str, Any], segment: int) -> list[int]:
    """Indices of the tokens up to a segment's end, from the first."""
    tokens: list[int] = []
    while segment >= 0:
        start = row["segment_starts"][segment]
        tokens += reversed(range(start, start + row["segment_lengths"][segment]))
        segment = row["segment_parents"][segment]
    return tokens[::-1]


def _logprobs(row: Mapping[str, Any], tokens: list[int]) -> tuple[float, ...] | None:
    if row["logprobs"] is None:
        return None
    found = [row["logprobs"][token] for token in tokens]
    return None if None in found else tuple(found)
