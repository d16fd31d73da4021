"""The border between a run and its engine, which may be anybody's code."""

from collections.abc import Sequence

from pipeline.engines import Completion, Prompt, Request
from pipeline.tree import Finish
from verifiers.mistakes import shown
from verifiers.plugins import Part

_METHODS = {
    "start": "async def start(self)",
    "encode": "encode(self, problem)",
    "generate": "async def generate(self, request)",
    "close": "async def close(self)",
}


class BadCompletions(TypeError):
    """An engine gave something else than was asked for; the message says what."""


def check_engine(part: Part) -> None:
    """Raises ValueError for a class that is no engine."""
    for name, signature in _METHODS.items():
        if not callable(getattr(part.cls, name, None)):
            raise ValueError(f"expected {part.use!r} to be an engine, with a method `{signature}`")


def check_prompt(prompt: object) -> Prompt:
    """What `encode` returned. Raises BadCompletions."""
    if not isinstance(prompt, Prompt):
        raise BadCompletions(f"the engine's encode(): expected a Prompt, got {shown(prompt)}")
    return prompt


def check_completions(request: Request, given: object) -> list[Completion]:
    """What `generate` returned: as many as asked for, each whole. Raises BadCompletions."""
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
    """What is wrong with a completion; None if nothing is."""
    if not isinstance(completion, Completion):
        return f"expected Completions, got {shown(completion)}"
    num_tokens = len(completion.token_ids)
    for name, values in (("token_texts", completion.token_texts), ("logprobs", completion.logprobs)):
        if values is not None and len(values) != num_tokens:
            return f"expected {num_tokens} {name}, one for each token id, got {len(values)}"
    if not isinstance(completion.finish, Finish):
        return f"expected a finish that is a Finish, got {shown(completion.finish)}"
    return None
