"""The real engine: vLLM's V1 `AsyncLLM`, in this process, on a GPU or a CPU.

Prompts are token ids, outputs are token ids with log-probabilities; a rollout is returned once it is
finished. Every sibling is a separate vLLM request: they share their prefix anyway, and with vLLM's `n`
only the last to finish would report its use of the prefix cache. On a CPU, the engine chooses the
settings in `docs/engines.md`; `engine.options` go to vLLM's `AsyncEngineArgs` unchanged and take
precedence.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from pipeline.engines import (
    Completion,
    EngineDied,
    EngineStartError,
    Load,
    PromptFormat,
    Request,
    RequestRejected,
    WeightsRefused,
    join_versions,
)
from pipeline.engines.base import EngineConfig
from pipeline.engines.model_text import ModelText, sample_siblings
from pipeline.engines.models import ModelError, locate
from pipeline.engines.weights import find_weights
from pipeline.errors import RunFailure, is_machines
from pipeline.extras import missing
from reward_models.processor import choose_dtype
from reward_models.vllm_settings import (
    NoVllm,
    TooLittleMemory,
    cpu_arguments,
    kv_cache_gib,
    set_cpu_environment,
    set_quiet_environment,
    start_engine,
)

_IDLE = Load(
    num_running=0,
    num_waiting=0,
    num_preempted=0,
    num_prompt_tokens=0,
    num_cached_tokens=0,
    num_sampled_tokens=0,
)


class VllmEngine(ModelText):
    """vLLM as an `Engine`."""

    class Config(EngineConfig):
        """The model and how vLLM runs it."""

        model: str
        """A model folder, a bundled model (SmolLM2-135M-Instruct), or a Hugging Face Hub id."""
        dtype: str = "auto"
        """Data type: `auto` is the model's own type on a GPU; on a CPU it is bfloat16 if the processor
        has instructions for it, else float32."""
        max_model_len: int | None = Field(default=None, ge=16)
        """Maximum number of tokens of prompt and response together; default: the model's limit."""
        logprobs: bool = True
        """Keep the log-probability of every sampled token."""
        request_seeds: bool = False
        """Seed every request separately; exact repeats also need batch-invariant kernels."""
        cpu_kv_cache_gib: int | None = Field(default=None, ge=1)
        """On a CPU: GiB of memory for the key-value cache; default: a quarter of the free memory, from
        1 to 4 GiB."""
        cpu_threads: str | None = None
        """On a CPU: the cores to use, such as `0-7`; default: all cores for which this process has
        processor time."""
        options: dict[str, Any] = Field(default_factory=dict)
        """Further arguments of vLLM's AsyncEngineArgs."""

        @property
        def gives_logprobs(self) -> bool:
            """Whether completions come with log-probabilities."""
            return self.logprobs

        @property
        def num_gpus(self) -> int:
            """The tensor parallelism."""
            size: int = self.options.get("tensor_parallel_size", 1)
            return size

    def __init__(self, config: Config, prompt_format: PromptFormat, seed: int = 0) -> None:
        self.config = config
        self.model_version = config.model
        self._format = prompt_format
        self._seed = seed
        self._llm: Any = None
        self._request_ids = itertools.count()
        self._load: Load | None = None
        self._change = asyncio.Lock()
        self._changing: asyncio.Task[str] | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def num_live_tokens(self) -> int:
        """Tokens sampled so far, including those of unfinished requests."""
        return 0 if self._load is None else self._load.num_sampled_tokens or 0

    async def start(self) -> None:
        """Loads the model; takes 15 to 40 seconds on a CPU. Raises EngineStartError."""
        try:
            folder = await asyncio.to_thread(locate, self.config.model)
        except ModelError as e:
            raise EngineStartError(str(e)) from e
        except Exception as e:
            error = RunFailure if is_machines(e) else EngineStartError
            raise error(
                f"engine.model={self.config.model}: cannot be prepared ({_first_line(e)})"
            ) from e
        set_quiet_environment()
        if why := missing("torch", "engine.use=vllm") or missing("vllm", "engine.use=vllm"):
            raise EngineStartError(why)
        import torch

        arguments: dict[str, Any] = {
            "model": folder,
            "dtype": self.config.dtype,
            "seed": self._seed % 2**32,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            # The log-probabilities of the distribution that is sampled, after temperature, top_p and
            # top_k: importance weights divide by them, and their mean gives the entropy.
            "logprobs_mode": "processed_logprobs",
        }
        if self.config.max_model_len is not None:
            arguments["max_model_len"] = self.config.max_model_len
        on_cpu = not torch.cuda.is_available()
        if on_cpu:
            settings, self.notes = _choose_cpu_settings(self.config)
            arguments |= settings
            if self.config.request_seeds:
                # A seeded request with a chunked prefill kills vLLM 0.32's CPU engine
                # ("CPU Generator does not use offset").
                arguments["enable_chunked_prefill"] = False
        await self._start(arguments | self.config.options, on_cpu=on_cpu)

    async def _start(self, arguments: dict[str, Any], *, on_cpu: bool) -> None:
        try:
            self._llm = start_engine(arguments, on_cpu=on_cpu, stat_loggers=[_meter(self)])
            tokenizer = self._llm.get_tokenizer()
        except NoVllm as e:
            raise EngineStartError(f"engine.use=vllm: {e}") from e
        except Exception as e:
            error = RunFailure if is_machines(e) or _was_killed(e) else EngineStartError
            raise error(
                f"engine.model={self.config.model}: vLLM cannot start ({_first_line(e)})"
            ) from e
        await self._llm.update_weight_version(self.model_version)
        self._read_tokenizer(tokenizer, self._format, self.config.model)

    async def load(self) -> Load | None:
        """As vLLM reported it at its last step."""
        return None if self._llm is None else self._load

    async def generate(self, request: Request) -> list[Completion]:
        """Returns all completions of the request when the last is finished."""
        return await sample_siblings(request, self._sample)

    async def update_weights(self, model: str, *, keep: bool = False) -> str:
        """See `Updatable`. vLLM holds new requests meanwhile."""
        # Once begun, it goes on when the caller is cancelled: half of the weights may be new.
        self._changing = asyncio.create_task(self._update(model, keep=keep))
        return await asyncio.shield(self._changing)

    async def _update(self, model: str, *, keep: bool) -> str:
        from vllm.exceptions import VLLMServerError

        async with self._change:
            if self._llm is None:
                raise WeightsRefused("update_weights: expected an engine that has started")
            folder = await asyncio.to_thread(find_weights, model, self.model_version)
            try:
                await self._llm.pause_generation(mode="keep" if keep else "wait")
                await self._swap(model, folder, keep=keep)
                await self._llm.resume_generation()
            except VLLMServerError as e:
                raise EngineDied(f"vLLM's engine failed ({_first_line(e)})") from e
        return model

    async def _swap(self, model: str, folder: str, *, keep: bool) -> None:
        """Loads the new weights while nothing runs; the version changes last."""
        try:
            await self._reload(folder, keep=keep)
        except Exception as e:
            await self._go_back(model, e)
            raise WeightsRefused(
                f"update_weights: vLLM cannot load {model} ({_first_line(e)}); it has "
                f"{self.model_version} again"
            ) from e
        await self._llm.update_weight_version(model)
        self.model_version = model

    async def _reload(self, folder: str, *, keep: bool) -> None:
        await self._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})
        # What is in the cache was computed with other weights; kept requests compute theirs again.
        if not await self._llm.reset_prefix_cache(reset_running_requests=keep):
            raise RuntimeError("its prefix cache cannot be cleared")

    async def _go_back(self, model: str, why: Exception) -> None:
        """Loads the old weights again. Raises EngineDied, and ends vLLM, if that fails too."""
        try:
            await self._reload(await asyncio.to_thread(locate, self.model_version), keep=True)
            await self._llm.resume_generation()
        except Exception as e:
            self._llm.shutdown()
            raise EngineDied(
                f"vLLM could load neither {model} ({_first_line(why)}) nor {self.model_version} "
                f"again ({_first_line(e)})"
            ) from e

    async def _sample(self, request: Request, index: int) -> Completion:
        """One of the request's completions. Raises EngineDied or RequestRejected."""
        from vllm import SamplingParams
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
            # Only stop strings need the text; without them vLLM skips detokenisation.
            detokenize=bool(sampling.stop or request.pause),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        return self._completion(request, await self._ask(request.token_ids, parameters))

    async def score_tokens(self, prefix: Sequence[int], token_ids: Sequence[int]) -> tuple[float, ...]:
        """See `ScoresTokens`; one forward pass, without the prefix cache."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        parameters = SamplingParams(
            max_tokens=1,  # vLLM samples at least one
            prompt_logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        result = await self._ask([*prefix, *token_ids], parameters)
        scored = _sampled_logprobs(tuple(token_ids), result.prompt_logprobs[len(prefix) :])
        assert scored is not None, "expected log-probabilities, as requested"
        return scored

    async def _ask(self, token_ids: Sequence[int], parameters: Any) -> Any:
        """vLLM's result for one sequence. Raises EngineDied or RequestRejected."""
        from vllm.exceptions import VLLMClientError, VLLMServerError
        from vllm.inputs import TokensPrompt

        prompt = TokensPrompt(prompt_token_ids=list(token_ids))
        request_id = str(next(self._request_ids))
        try:
            results = [r async for r in self._llm.generate(prompt, parameters, request_id=request_id)]
        except VLLMServerError as e:
            raise EngineDied(f"vLLM's engine failed ({_first_line(e)})") from e
        except (ValueError, VLLMClientError) as e:
            raise RequestRejected(_first_line(e)) from e
        if len(results) != 1 or not results[0].outputs[0].token_ids:
            raise EngineDied("expected one rollout with tokens, got none")
        return results[0]

    async def close(self) -> None:
        """Ends vLLM's processes."""
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.shutdown()

    def _completion(self, request: Request, result: Any) -> Completion:
        (output,) = result.outputs
        spans = output.weight_versions or ()
        return self._complete(
            request,
            output.token_ids,
            text=output.text,
            logprobs=_sampled_logprobs(output.token_ids, output.logprobs),
            finish_reason=output.finish_reason,
            stop_reason=output.stop_reason,
            num_cached_tokens=result.num_cached_tokens,
            model_version=join_versions(span.version for span in spans),
        )


def _meter(engine: VllmEngine) -> Any:
    """A class to which vLLM reports each step, since requests only answer at the end."""
    from vllm.v1.metrics.loggers import StatLoggerBase

    # vLLM has no type information.
    class Meter(StatLoggerBase):  # type: ignore[misc]  # has no types
        def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
            pass

        def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
            engine._load = _load_after(engine._load, scheduler_stats, iteration_stats)

        def log_engine_initialized(self) -> None:
            pass

    return Meter


def _choose_cpu_settings(config: VllmEngine.Config) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments for this machine's processor, and why they were chosen. Raises EngineStartError."""
    try:
        cache_gib = kv_cache_gib(config.cpu_kv_cache_gib)
    except TooLittleMemory as e:
        raise EngineStartError(f"engine.{e}") from e
    choice = choose_dtype()
    reason = choice.reason if config.dtype == "auto" else "set in the config"
    arguments = cpu_arguments(choice.dtype if config.dtype == "auto" else config.dtype)
    set_cpu_environment(cache_gib, config.cpu_threads)
    notes = (
        f"vLLM on the CPU: {arguments['dtype']} ({reason})",
        f"cores {os.environ['VLLM_CPU_OMP_THREADS_BIND']}, key-value cache "
        f"{os.environ['VLLM_CPU_KVCACHE_SPACE']} GiB",
    )
    return arguments, notes


def _load_after(load: Load | None, scheduler: Any, iteration: Any) -> Load:
    """The load after one of vLLM's steps; either report may be None."""
    load = load or _IDLE
    if scheduler is not None:
        prefixes = scheduler.prefix_cache_stats
        load = replace(
            load,
            num_running=scheduler.num_running_reqs,
            num_waiting=scheduler.num_waiting_reqs + scheduler.num_skipped_waiting_reqs,
            kv_used=scheduler.kv_cache_usage,
            num_prompt_tokens=(load.num_prompt_tokens or 0) + prefixes.queries,
            num_cached_tokens=(load.num_cached_tokens or 0) + prefixes.hits,
        )
    if iteration is not None:
        load = replace(
            load,
            num_preempted=(load.num_preempted or 0) + iteration.num_preempted_reqs,
            num_sampled_tokens=(load.num_sampled_tokens or 0) + iteration.num_generation_tokens,
        )
    return load


def _sampled_logprobs(ids: tuple[int, ...], logprobs: Any) -> tuple[float, ...] | None:
    if logprobs is None:
        return None
    return tuple(position[token].logprob for position, token in zip(logprobs, ids, strict=True))


def _was_killed(error: BaseException) -> bool:
    """Whether a signal ended vLLM's process, such as the kernel's when memory is full.

    vLLM's message ends with the exit statuses: `Failed core proc(s): {'EngineCore': -9}`.
    """
    return re.search(r"Failed core proc\(s\): \{.*: -\d", str(error)) is not None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
