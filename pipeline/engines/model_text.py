"""What engines share whose model has a tokenizer of its own: prompts, and completions as text."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pipeline.chat import Chat, MessageMatch
from pipeline.engines import Completion, EngineStartError, Prompt, PromptFormat, Request
from pipeline.engines.chat_format import ChatFormat, token_texts
from pipeline.records import Problem
from pipeline.tree import Finish
from reward_models.manifest import tokenizer_digest

_FINISH = {"stop": Finish.STOP, "length": Finish.LENGTH, "abort": Finish.ABORT}


class ModelText:
    """The part of an engine that turns text into tokens and back; known once the engine has started."""

    _chat_tokenizer: Any
    """The tokenizer of transformers."""
    _tokenizer: Any
    """Its tokenizer of the library tokenizers."""
    _chat_format: ChatFormat

    def _read_tokenizer(self, tokenizer: Any, prompt_format: PromptFormat, model: str) -> None:
        """Raises EngineStartError for a tokenizer or chat template that cannot be used."""
        self._chat_tokenizer = tokenizer
        self._tokenizer = getattr(tokenizer, "backend_tokenizer", None)
        if self._tokenizer is None:
            raise EngineStartError(
                f"engine.model={model}: expected a model with a tokenizer.json, "
                f"got a tokenizer of type {type(tokenizer).__name__}"
            )
        self._chat_format = ChatFormat(tokenizer, prompt_format, model)

    @property
    def tokenizer_digest(self) -> str:
        """A hash to compare with a reward model's tokenizer; known once the engine has started."""
        return tokenizer_digest(self._chat_tokenizer)

    def encode(self, problem: Problem) -> Prompt:
        """The problem's prompt, with the model's chat template if it has one."""
        return self._chat_format.encode(problem)

    def encode_instruction(self, text: str) -> Prompt:
        """The text as the user's turn of a chat, without the run's system prompt and template."""
        return self._chat_format.instruct(text)

    def encode_text(self, text: str) -> tuple[int, ...]:
        """See `EncodesText`."""
        return tuple(self._chat_tokenizer.encode(text, add_special_tokens=False))

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        """See `ChatFormat.match`."""
        return self._chat_format.match(chat, prompt_token_ids, response, response_token_ids)

    def _complete(
        self,
        request: Request,
        token_ids: Sequence[int],
        *,
        text: str,
        logprobs: tuple[float, ...] | None,
        finish_reason: str | None,
        stop_reason: str | int | None,
        num_cached_tokens: int | None,
        model_version: str | None,
    ) -> Completion:
        """A completion of what vLLM answered; `text` is vLLM's, cut before a stop string."""
        ids = tuple(token_ids)
        texts = token_texts(self._tokenizer, request.token_ids, ids)
        own_text = "".join(texts)
        finish = _FINISH.get(finish_reason or "", Finish.ABORT)
        if stop_reason in request.pause:
            finish = Finish.STEP
        elif isinstance(stop_reason, str) and own_text.startswith(text):
            own_text = text
        return Completion(
            token_ids=ids,
            token_texts=texts,
            text=own_text,
            logprobs=logprobs,
            finish=finish,
            num_cached_tokens=num_cached_tokens,
            model_version=model_version,
        )


async def sample_siblings(
    request: Request, sample: Callable[[Request, int], Awaitable[Completion]]
) -> list[Completion]:
    """All completions of the request, each sampled by `sample(request, index)`.

    Raises the first error: siblings share the prefix and the engine.
    """
    # Greedy rollouts are identical.
    num_samples = request.num_rollouts if request.sampling.temperature > 0 else 1

    async def one(index: int) -> Completion:
        return await sample(request, index)

    try:
        async with asyncio.TaskGroup() as siblings:
            tasks = [siblings.create_task(one(index)) for index in range(num_samples)]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    completions = [task.result() for task in tasks]
    return completions if num_samples > 1 else completions * request.num_rollouts
