"""Samples under the names that prime-rl, SkyRL, OpenRLHF and verl read, as plain lists and numbers.

None of these libraries is imported; docs/rl.md has the commits that the names are from, and how each
library takes them. All four take one row for each response, and need the stored log-probabilities.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.derive.rl.samples import RlSample


def for_prime_rl(sample: RlSample, *, temperature: float, env_name: str) -> dict[str, Any]:
    """Arguments of prime-rl's `TrainingSample`: lists over prompt and response."""
    before = len(sample.prompt_token_ids)
    length = before + len(sample.response_token_ids)
    return {
        "token_ids": [*sample.prompt_token_ids, *sample.response_token_ids],
        "mask": [False] * before + list(sample.mask),
        "logprobs": [0.0] * before + _logprobs(sample),
        "temperatures": [temperature] * length,
        "env_name": env_name,
        "advantages": [0.0] * before + list(sample.advantages),
    }


def for_skyrl(samples: Sequence[RlSample]) -> dict[str, Any]:
    """SkyRL's `GeneratorOutput`. Its `rewards` for each token are the advantages: they need an
    advantage estimator that passes them on."""
    return {
        "prompt_token_ids": [list(one.prompt_token_ids) for one in samples],
        "response_ids": [list(one.response_token_ids) for one in samples],
        "rewards": [list(one.advantages) for one in samples],
        "loss_masks": [[int(on) for on in one.mask] for one in samples],
        "stop_reasons": ["stop" if one.status == "completed" else "length" for one in samples],
        "rollout_metrics": None,
        "rollout_logprobs": [_logprobs(one) for one in samples],
    }


def for_openrlhf(sample: RlSample) -> dict[str, Any]:
    """Fields of OpenRLHF's `Experience` of one response. What is for each action has one entry less
    than `sequences`, as the first token is none."""
    before = len(sample.prompt_token_ids)
    ids = [*sample.prompt_token_ids, *sample.response_token_ids]
    advantages = [0.0] * (before - 1) + list(sample.advantages)
    logprobs = [0.0] * (before - 1) + _logprobs(sample)
    return {
        "sequences": ids,
        "attention_mask": [1] * len(ids),
        "action_mask": [False] * (before - 1) + list(sample.mask),
        "action_log_probs": logprobs,
        "rollout_log_probs": logprobs,
        "advantages": advantages,
        "returns": advantages,
        "rewards": sample.reward,
        "response_length": len(sample.response_token_ids),
        "total_length": len(ids),
        "truncated": sample.status == "truncated",
    }


def for_verl(samples: Sequence[RlSample], *, pad_token_id: int) -> dict[str, list[list[Any]]]:
    """Keys of verl's `DataProto.batch`: prompts padded on the left, responses on the right."""
    width = max((len(one.prompt_token_ids) for one in samples), default=0)
    length = max((len(one.response_token_ids) for one in samples), default=0)

    def left(values: Sequence[Any], pad: Any) -> list[Any]:
        return [pad] * (width - len(values)) + list(values)

    def right(values: Sequence[Any], pad: Any) -> list[Any]:
        return list(values) + [pad] * (length - len(values))

    prompts = [left(one.prompt_token_ids, pad_token_id) for one in samples]
    responses = [right(one.response_token_ids, pad_token_id) for one in samples]
    attention = [
        left([1] * len(one.prompt_token_ids), 0) + right([1] * len(one.response_token_ids), 0)
        for one in samples
    ]
    advantages = [right(one.advantages, 0.0) for one in samples]
    logprobs = [right(_logprobs(one), 0.0) for one in samples]
    return {
        "prompts": prompts,
        "responses": responses,
        "input_ids": [p + r for p, r in zip(prompts, responses, strict=True)],
        "attention_mask": attention,
        "position_ids": [_positions(row) for row in attention],
        "response_mask": [right([int(on) for on in one.mask], 0) for one in samples],
        "old_log_probs": logprobs,
        "rollout_log_probs": logprobs,
        "token_level_rewards": advantages,
        "advantages": advantages,
        "returns": advantages,
    }


def _positions(attention: Sequence[int]) -> list[int]:
    positions, seen = [], 0
    for on in attention:
        positions.append(max(0, seen - 1 + on))
        seen += on
    return positions


def _logprobs(sample: RlSample) -> list[float]:
    if sample.logprobs is None:
        raise ValueError(
            f"problem {sample.problem_id}, leaf {sample.leaf}: expected the log-probability of each "
            "token, got none; the run needs dataset.token_logprobs=true"
        )
    return list(sample.logprobs)
