"""The real engine: vLLM's V1 `AsyncLLM`, in this process, on a GPU or a CPU.

Prompts are token ids, outputs are token ids with their log-probabilities; a rollout comes back once,
when it is finished. Siblings are a request each: with vLLM's `n` only the last to finish would tell
what it took from the prefix cache, and they share their prefix all the same. On a CPU the settings of
`docs/engines.md` are chosen; anything in `engine.options` is handed to vLLM's `AsyncEngineArgs` as it
is and wins.
"""

import asyncio
import itertools
import os
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.chat import Chat, MessageMatch
from pipeline.engines import (
    Completion,
    EngineDied,
    EngineStartError,
    Prompt,
    PromptFormat,
    Request,
    RequestRejected,
)
from pipeline.engines.chat_format import ChatFormat, token_texts
from pipeline.engines.models import ModelError, locate
from pipeline.records import Problem
from pipeline.tree import Finish
from reward_models.processor import choose_dtype
from reward_models.trained import tokenizer_digest
from reward_models.vllm_cpu import (
    TooLittleMemory,
    cpu_arguments,
    kv_cache_gib,
    set_cpu_environment,
    set_quiet_environment,
)

_FINISH = {"stop": Finish.STOP, "length": Finish.LENGTH, "abort": Finish.ABORT}


class VllmEngine:
    """vLLM as an `Engine`."""

    class Config(BaseModel):
        """Which model, and how it is run."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        model: str
        """A model folder, a bundled model (SmolLM2-135M-Instruct), or a Hugging Face Hub id."""
        dtype: str = "auto"
        """`auto` is the model's own type on a GPU. On a CPU it is bfloat16 where the processor has
        instructions for that, else float32."""
        max_model_len: int | None = Field(default=None, ge=16)
        """Most tokens of prompt and response together; the model's own limit if not given."""
        logprobs: bool = True
        """Keep the log-probability of every sampled token."""
        request_seeds: bool = False
        """Seed every request on its own; exact repeats need batch-invariant kernels too."""
        cpu_kv_cache_gib: int | None = Field(default=None, ge=1)
        """On a CPU: memory for the key-value cache. A quarter of what is free, from 1 to 4 GiB, if not
        given."""
        cpu_threads: str | None = None
        """On a CPU: the cores to compute on, such as `0-7`; all that this process has processor time
        for if not given."""
        options: dict[str, Any] = Field(default_factory=dict)
        """Further arguments of vLLM's AsyncEngineArgs."""

        @property
        def gives_logprobs(self) -> bool:
            """Whether completions come with log-probabilities."""
            return self.logprobs

    def __init__(self, config: Config, prompt_format: PromptFormat, seed: int = 0) -> None:
        self.config = config
        self.model_version = config.model
        self._format = prompt_format
        self._seed = seed
        self._llm: Any = None
        self._tokenizer: Any = None
        self._request_ids = itertools.count()
        self._num_live_tokens = 0
        self.notes: tuple[str, ...] = ()

    @property
    def num_live_tokens(self) -> int:
        """Tokens sampled so far, those of requests under way included."""
        return self._num_live_tokens

    async def start(self) -> None:
        """Loads the model; 15 to 40 seconds on a CPU. Raises EngineStartError."""
        try:
            folder = await asyncio.to_thread(locate, self.config.model)
        except (ModelError, OSError) as e:
            raise EngineStartError(str(e)) from e
        set_quiet_environment()
        import torch

        arguments: dict[str, Any] = {
            "model": folder,
            "dtype": self.config.dtype,
            "seed": self._seed % 2**32,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            # Of the distribution that is sampled from, with temperature, top_p and top_k: what an
            # importance weight divides by, and whose mean is that distribution's entropy.
            "logprobs_mode": "processed_logprobs",
        }
        if self.config.max_model_len is not None:
            arguments["max_model_len"] = self.config.max_model_len
        if not torch.cuda.is_available():
            arguments |= self._choose_cpu_settings()
            if self.config.request_seeds:
                # A seeded request whose prefill is cut into chunks kills vLLM 0.32's CPU engine
                # ("CPU Generator does not use offset").
                arguments["enable_chunked_prefill"] = False
        await self._load(arguments | self.config.options)

    def _choose_cpu_settings(self) -> dict[str, Any]:
        """Arguments for this machine's processor, and notes that say why. Raises EngineStartError."""
        config = self.config
        try:
            cache_gib = kv_cache_gib(config.cpu_kv_cache_gib)
        except TooLittleMemory as e:
            raise EngineStartError(f"engine.{e}") from e
        choice = choose_dtype()
        reason = choice.reason if config.dtype == "auto" else "as the config says"
        arguments = cpu_arguments(choice.dtype if config.dtype == "auto" else config.dtype)
        set_cpu_environment(cache_gib, config.cpu_threads)
        self.notes = (
            f"vLLM on the CPU: {arguments['dtype']} ({reason})",
            f"cores {os.environ['VLLM_CPU_OMP_THREADS_BIND']}, key-value cache "
            f"{os.environ['VLLM_CPU_KVCACHE_SPACE']} GiB",
        )
        return arguments

    async def _load(self, arguments: dict[str, Any]) -> None:
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as e:
            raise EngineStartError(
                f"engine.use=vllm: vLLM cannot be imported ({e}); `berry doctor` says what is missing"
            ) from e
        try:
            self._llm = AsyncLLM.from_engine_args(
                AsyncEngineArgs(**arguments), stat_loggers=[self._token_counter()]
            )
            tokenizer = self._llm.get_tokenizer()
        except Exception as e:
            raise EngineStartError(
                f"engine.model={self.config.model}: vLLM cannot start ({_first_line(e)})"
            ) from e
        self._chat_tokenizer = tokenizer
        self._tokenizer = getattr(tokenizer, "backend_tokenizer", None)
        if self._tokenizer is None:
            raise EngineStartError(
                f"engine.model={self.config.model}: expected a model with a tokenizer.json, "
                f"got a tokenizer of type {type(tokenizer).__name__}"
            )
        self._chat_format = ChatFormat(tokenizer, self._format, self.config.model)

    def _token_counter(self) -> Any:
        """A class by which vLLM reports each step's tokens: requests answer only when they end."""
        from vllm.v1.metrics.loggers import StatLoggerBase

        engine = self

        # vLLM is not checked for types.
        class TokenCounter(StatLoggerBase):  # type: ignore[misc]  # has no types
            def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
                pass

            def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
                if iteration_stats is not None:
                    engine._num_live_tokens += iteration_stats.num_generation_tokens

            def log_engine_initialized(self) -> None:
                pass

        return TokenCounter

    @property
    def tokenizer_digest(self) -> str:
        """Tells whether a reward model reads this engine's token ids; known once it has started."""
        return tokenizer_digest(self._chat_tokenizer)

    def encode(self, problem: Problem) -> Prompt:
        """The problem's prompt through the model's chat template, if it has one."""
        return self._chat_format.encode(problem)

    def encode_instruction(self, text: str) -> Prompt:
        """The text as the user's turn of a chat, without the run's system prompt and template."""
        return self._chat_format.instruct(text)

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        """As `ChatFormat.match` has it."""
        return self._chat_format.match(chat, prompt_token_ids, response, response_token_ids)

    async def generate(self, request: Request) -> list[Completion]:
        """The request's completions, all at once when the last is finished."""
        # Greedy rollouts are all the same.
        num_samples = request.num_rollouts if request.sampling.temperature > 0 else 1
        try:
            async with asyncio.TaskGroup() as siblings:
                tasks = [siblings.create_task(self._sample(request, i)) for i in range(num_samples)]
        except ExceptionGroup as failures:
            # What fails one fails all: the same prefix is refused, the same engine is gone.
            raise failures.exceptions[0] from failures
        completions = [task.result() for task in tasks]
        return completions if num_samples > 1 else completions * request.num_rollouts

    async def _sample(self, request: Request, index: int) -> Completion:
        """One of the request's completions. Raises EngineDied or RequestRejected."""
        from vllm import SamplingParams
        from vllm.exceptions import VLLMClientError, VLLMServerError
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        sampling = request.sampling
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=request.max_tokens,
            stop=[*sampling.stop, *request.pause],
            seed=(request.seed + index) % 2**63 if self.config.request_seeds else None,
            logprobs=0 if self.config.logprobs else None,
            # Stop strings are found in text; without them vLLM need not make any.
            detokenize=bool(sampling.stop or request.pause),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt = TokensPrompt(prompt_token_ids=list(request.token_ids))
        request_id = str(next(self._request_ids))
        try:
            results = [r async for r in self._llm.generate(prompt, parameters, request_id=request_id)]
        except VLLMServerError as e:
            raise EngineDied(f"vLLM's engine failed ({_first_line(e)})") from e
        except (ValueError, VLLMClientError) as e:
            raise RequestRejected(_first_line(e)) from e
        if len(results) != 1 or not results[0].outputs[0].token_ids:
            raise EngineDied("expected one rollout with tokens, got none")
        return self._completion(request, results[0])

    async def close(self) -> None:
        """Ends vLLM's processes."""
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.shutdown()

    def _completion(self, request: Request, result: Any) -> Completion:
        (output,) = result.outputs
        ids = tuple(output.token_ids)
        texts = token_texts(self._tokenizer, request.token_ids, ids)
        text = "".join(texts)
        finish = _FINISH.get(output.finish_reason, Finish.ABORT)
        if output.stop_reason in request.pause:
            finish = Finish.STEP
        elif isinstance(output.stop_reason, str) and text.startswith(output.text):
            text = output.text
        return Completion(
            token_ids=ids,
            token_texts=texts,
            text=text,
            logprobs=_sampled_logprobs(ids, output.logprobs),
            finish=finish,
            num_cached_tokens=result.num_cached_tokens,
        )


def _sampled_logprobs(ids: tuple[int, ...], logprobs: Any) -> tuple[float, ...] | None:
    if logprobs is None:
        return None
    return tuple(position[token].logprob for position, token in zip(logprobs, ids, strict=True))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
