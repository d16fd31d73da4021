"""What a vLLM server is sent, and how its answers are read.

Requests go to `/inference/v1/generate`, vLLM's own endpoint for token ids, if the server was started
with `--enable-scale-out`: its answers name the weights that sampled each token, also if another client
changed them. Else they go to `/v1/completions`, which every vLLM server has: with `return_token_ids` it
takes and gives token ids too. Both give one log-probability for each id, the reason of the end, and the
stop string.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ValidationError

from pipeline.engines import Load, Request

COMPLETIONS = "/v1/completions"
GENERATE = "/inference/v1/generate"
UNCHANGED = "default"
"""vLLM's name for the weights with which a server was started."""


class BadAnswer(Exception):
    """A server answered with something else than expected; the message says what."""


class _Logprob(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    token_logprobs: tuple[float, ...] | None = None
    content: tuple[_Logprob, ...] | None = None

    @property
    def values(self) -> tuple[float, ...]:
        if self.token_logprobs is not None:
            return self.token_logprobs
        return tuple(one.logprob for one in self.content or ())


class _Details(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens_details: _Details | None = None


class _Span(BaseModel):
    version: str


class _Choice(BaseModel):
    token_ids: tuple[int, ...]
    text: str
    logprobs: _Logprobs | None = None
    finish_reason: str | None
    stop_reason: str | int | None = None
    weight_versions: tuple[_Span, ...] | None = None


class _Answer(BaseModel):
    choices: tuple[_Choice]
    usage: _Usage = _Usage()


class _ScoredChoice(BaseModel):
    prompt_logprobs: tuple[dict[int, _Logprob] | None, ...]


class _Scored(BaseModel):
    choices: tuple[_ScoredChoice]


class Sampled(BaseModel):
    """One sampled sequence."""

    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[float, ...] | None
    finish_reason: str | None
    stop_reason: str | int | None
    num_cached_tokens: int | None
    versions: tuple[str, ...] | None
    """The weights that sampled it, as the server names them; None if it does not say."""


def completion_body(
    request: Request, *, model: str, logprobs: bool, seed: int | None
) -> dict[str, Any]:
    """The body of a request to COMPLETIONS for one sequence."""
    return {
        "model": model,
        "prompt": list(request.token_ids),
        "return_token_ids": True,
        **_sampling(request, logprobs=logprobs, seed=seed),
    }


def generate_body(request: Request, *, model: str, logprobs: bool, seed: int | None) -> dict[str, Any]:
    """The body of a request to GENERATE for one sequence."""
    return {
        "model": model,
        "token_ids": list(request.token_ids),
        "output_mode": "text",
        "sampling_params": _sampling(request, logprobs=logprobs, seed=seed),
    }


def _sampling(request: Request, *, logprobs: bool, seed: int | None) -> dict[str, Any]:
    """Everything that shapes the distribution: a server fills in the rest from the model's
    generation_config.json."""
    sampling = request.sampling
    return {
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": [*sampling.stop, *request.pause],
        "seed": seed,
        "logprobs": 0 if logprobs else None,
    }


def read_completion(answer: object) -> Sampled:
    """Raises BadAnswer."""
    try:
        read = _Answer.model_validate(answer)
    except ValidationError as e:
        error = e.errors()[0]
        where = ".".join(map(str, error["loc"]))
        raise BadAnswer(
            f"expected a completion with token ids, as vLLM 0.32 gives it, got one with the mistake "
            f"{error['msg']!r} in {where or 'the whole'}"
        ) from e
    (choice,), details = read.choices, read.usage.prompt_tokens_details
    spans = choice.weight_versions
    logprobs = None if choice.logprobs is None else choice.logprobs.values
    if not choice.token_ids or (logprobs is not None and len(logprobs) != len(choice.token_ids)):
        raise BadAnswer(
            f"expected tokens with one log-probability each, got {len(choice.token_ids)} tokens and "
            f"{len(logprobs or ())} log-probabilities"
        )
    return Sampled(
        token_ids=choice.token_ids,
        text=choice.text,
        logprobs=logprobs,
        finish_reason=choice.finish_reason,
        stop_reason=choice.stop_reason,
        num_cached_tokens=None if details is None else details.cached_tokens,
        versions=None if spans is None else tuple(span.version for span in spans),
    )


def scoring_body(token_ids: Sequence[int], *, model: str) -> dict[str, Any]:
    """The body of a request to COMPLETIONS for the log-probabilities of given ids."""
    return {
        "model": model,
        "prompt": list(token_ids),
        "max_tokens": 1,  # vLLM samples at least one
        "prompt_logprobs": 0,
    }


def read_scores(answer: object, token_ids: Sequence[int]) -> tuple[float, ...]:
    """The log-probabilities of the last ids of the request. Raises BadAnswer."""
    try:
        (choice,) = _Scored.model_validate(answer).choices
        behind = choice.prompt_logprobs[-len(token_ids) :]
        found = zip(behind, token_ids, strict=True)
        return tuple((given or {})[token].logprob for given, token in found)
    except (ValidationError, ValueError, KeyError) as e:
        raise BadAnswer(
            "expected `prompt_logprobs` of all tokens that were sent, as vLLM 0.32 gives them"
        ) from e


def error_message(answer: object) -> str:
    """The message of a refusal, in one line."""
    error = answer.get("error", answer) if isinstance(answer, Mapping) else answer
    message = error.get("message", error) if isinstance(error, Mapping) else error
    return " ".join(str(message).split())[:500]


_GAUGES = {
    "vllm:num_requests_running": "num_running",
    "vllm:num_requests_waiting": "num_waiting",
    "vllm:kv_cache_usage_perc": "kv_used",
    "vllm:num_preemptions": "num_preempted",
    "vllm:prefix_cache_queries": "num_prompt_tokens",
    "vllm:prefix_cache_hits": "num_cached_tokens",
    "vllm:generation_tokens": "num_sampled_tokens",
}
"""Family of metrics -> field of Load."""


def read_load(metrics: str) -> Load | None:
    """The load that a server's `/metrics` tell; None if they are not vLLM's."""
    values: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(metrics):
        if (field := _GAUGES.get(family.name)) is not None:
            values[field] = [
                sample.value for sample in family.samples if not sample.name.endswith("_created")
            ]
    if not (values.get("num_running") and values.get("num_waiting")):
        return None
    used = values.pop("kv_used", [])
    return Load(
        kv_used=max(used, default=None),
        **{field: int(sum(found)) for field, found in values.items()},
    )


def add_loads(loads: list[Load]) -> Load | None:
    """The load of several servers; None without any."""
    if not loads:
        return None
    used = [load.kv_used for load in loads if load.kv_used is not None]
    totals = {
        field: None if any(one is None for one in found) else sum(one or 0 for one in found)
        for field in _GAUGES.values()
        if field != "kv_used"
        for found in [[getattr(load, field) for load in loads]]
    }
    return Load(kv_used=max(used, default=None), **totals)  # type: ignore[arg-type]
