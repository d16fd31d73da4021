"""Checks engines, which may be third-party code."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engines import Completion, Prompt, Request
from pipeline.tree import Finish
from verifiers.attributes import attribute, flag, method
from verifiers.mistakes import shown
from verifiers.plugins import Part

_METHODS = {
    "start": "async def start(self)",
    "encode": "encode(self, problem)",
    "generate": "async def generate(self, request)",
    "close": "async def close(self)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTraits:
    """The declared abilities and requirements of an engine with its options."""

    gives_logprobs: bool
    """Whether completions come with log-probabilities."""
    num_gpus: int
    """GPUs that one engine needs on a cluster with GPUs."""


class BadCompletions(TypeError):
    """An engine returned something unexpected; the message says what."""


def check_engine(part: Part) -> None:
    """Raises ValueError for a class that is not an engine, or an attribute of a wrong type."""
    for name, signature in _METHODS.items():
        if method(part.cls, name) is None:
            raise ValueError(f"expected {part.use!r} to be an engine, with a method `{signature}`")
    read_engine(part)


def read_engine(part: Part) -> EngineTraits:
    """Reads the attributes of the engine's options. Raises ValueError for a wrong type."""
    num_gpus = attribute(part.options, "num_gpus", 0)
    try:
        gives_logprobs = flag(part.options, "gives_logprobs", default=True)
        if type(num_gpus) is not int or num_gpus < 0:
            raise ValueError(f"`num_gpus`, a whole number of 0 or more, got {num_gpus!r:.100}")
    except ValueError as e:
        raise ValueError(f"expected the `Config` of {part.use!r} to have {e}") from e
    return EngineTraits(gives_logprobs=gives_logprobs, num_gpus=num_gpus)


def check_prompt(prompt: object) -> Prompt:
    """Checks what `encode` returned. Raises BadCompletions."""
    if not isinstance(prompt, Prompt):
        raise BadCompletions(f"the engine's encode(): expected a Prompt, got {shown(prompt)}")
    return prompt


def check_completions(request: Request, given: object) -> list[Completion]:
    """Checks the number and content of what `generate` returned. Raises BadCompletions."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise BadCompletions(f"the engine's generate(): expected a list, got {shown(given)}")
    if len(given) != request.num_rollouts:
        raise BadCompletions(
            f"the engine's generate(): expected {request.num_rollouts} completions, got {len(given)}"
        )
    for completion in given:
        if (wrong := _mistake(completion)) is not None:
            raise BadCompletions(f"the engine's generate(): {wrong}")
    return list(given)


def _mistake(completion: object) -> str | None:
    """The fault of a completion; None if it has none."""
    if not isinstance(completion, Completion):
        return f"expected Completions, got {shown(completion)}"
    num_tokens = len(completion.token_ids)
    for name, values in (("token_texts", completion.token_texts), ("logprobs", completion.logprobs)):
        if values is not None and len(values) != num_tokens:
            return f"expected {num_tokens} {name}, one for each token id, got {len(values)}"
    if not isinstance(completion.finish, Finish):
        return f"expected a finish that is a Finish, got {shown(completion.finish)}"
    if not isinstance(completion.model_version, str | None):
        return f"expected a model_version that is a text or None, got {shown(completion.model_version)}"
    return None
