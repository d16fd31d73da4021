"""Backend `vllm`: a pooling engine that does not read a prefix twice.

With its prefix cache, a response that has grown by a step costs only that step. vLLM then returns
scores only for tokens that it has just read, so earlier steps' scores are kept here, the most recently
used `_NUM_KEPT` of them; if one is missing, the whole sequence is read again.
"""

import asyncio
import hashlib
import itertools
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from reward_models.errors import RewardModelDied, RewardModelError, first_line
from reward_models.serving.inputs import Input
from reward_models.serving.loading import Found
from reward_models.vllm_settings import (
    NoVllm,
    TooLittleMemory,
    cpu_arguments,
    kv_cache_gib,
    set_cpu_environment,
    set_quiet_environment,
    start_engine,
)

_NUM_KEPT = 1_000_000
"""A score takes about 150 bytes."""
_AT_ONCE = 256
"""Concurrent requests in the engine; more would only wait in its queue."""


class OnVllm:
    """A reward model in an engine of its own."""

    def __init__(
        self,
        found: Found,
        *,
        dtype: str,
        max_batch_tokens: int,
        cache_gib: int,
        reuse_prefixes: bool = True,
        options: dict[str, Any],
    ) -> None:
        self._found = found
        self._arguments = {
            "model": found.model,
            "runner": "pooling",
            "dtype": dtype,
            "enable_prefix_caching": reuse_prefixes,
            "max_num_batched_tokens": max_batch_tokens,
            "disable_log_stats": True,
            **options,
        }
        self._cache_gib = cache_gib
        self._reuse = reuse_prefixes
        self._llm: Any = None
        self._kept: OrderedDict[bytes, float] = OrderedDict()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._request_ids = itertools.count()

    async def start(self) -> None:
        """Loads the model, 15 to 40 seconds on a CPU. Raises RewardModelError."""
        set_quiet_environment()
        import torch

        arguments: dict[str, Any] = dict(self._arguments)
        architecture = self._found.architecture
        if architecture.endswith("ForTokenClassification"):
            # Under this name vLLM makes any decoder a classifier, and scores all tokens on request.
            name = architecture.replace("ForTokenClassification", "ForSequenceClassification")
            arguments.setdefault("hf_overrides", {"architectures": [name]})
        on_cpu = not torch.cuda.is_available()
        if on_cpu:
            try:
                set_cpu_environment(kv_cache_gib(self._cache_gib))
            except TooLittleMemory as e:
                raise RewardModelError(str(e)) from e
            if arguments["dtype"] == "auto":
                # As in `transformers`: in bfloat16 the head's results differ by some hundredths.
                arguments["dtype"] = "float32"
            arguments = cpu_arguments(arguments["dtype"]) | arguments
        try:
            self._llm = start_engine(arguments, on_cpu=on_cpu)
        except NoVllm as e:
            raise RewardModelError(f"backend=vllm: {e}; backend=transformers works without it") from e
        except Exception as e:
            raise RewardModelError(
                f"model={self._found.model}: vLLM cannot start ({first_line(e)}); "
                "backend=transformers may load it"
            ) from e

    async def score(self, inputs: Sequence[Input]) -> list[list[float]]:
        """For each input, the probability of `right` at each of its ends; NaN if the model gives NaN.

        Raises RewardModelDied if the engine has died.
        """
        return await asyncio.gather(*map(self._score, inputs))

    async def close(self) -> None:
        """Ends vLLM's processes. Calling it twice is safe."""
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.shutdown()

    async def _score(self, one: Input) -> list[float]:
        keys = _keys(one)
        async with self._places:
            known = self._recall(keys)
            if self._reuse and None in known:
                begin, probabilities = await self._read(one, afresh=False)
                fresh = [None if end < begin else probabilities[end - begin] for end in one.ends]
                known = [old if new is None else new for old, new in zip(known, fresh, strict=True)]
            if None in known:
                begin, probabilities = await self._read(one, afresh=True)
                known = [probabilities[end - begin] for end in one.ends]
        scores = [score for score in known if score is not None]
        self._keep(keys, scores)
        return scores

    def _recall(self, keys: Sequence[bytes]) -> list[float | None]:
        if not self._reuse:
            return [None] * len(keys)
        return [self._kept.get(key) for key in keys]

    def _keep(self, keys: Sequence[bytes], scores: Sequence[float]) -> None:
        if not self._reuse:
            return
        for key, score in zip(keys, scores, strict=True):
            self._kept[key] = score
            self._kept.move_to_end(key)
        while len(self._kept) > _NUM_KEPT:
            self._kept.popitem(last=False)

    async def _read(self, one: Input, *, afresh: bool) -> tuple[int, list[float]]:
        """The first position read, and the probability of `right` at each position from there on."""
        from vllm import PoolingParams
        from vllm.exceptions import VLLMServerError
        from vllm.inputs import TokensPrompt

        parameters = PoolingParams(task="token_classify", skip_reading_prefix_cache=afresh)
        prompt = TokensPrompt(prompt_token_ids=list(one.ids))
        request_id = str(next(self._request_ids))
        if self._llm is None:
            raise RewardModelDied("the model is closed")
        try:
            results = [r async for r in self._llm.encode(prompt, parameters, request_id=request_id)]
        except VLLMServerError as e:
            raise RewardModelDied(f"vLLM's engine failed ({first_line(e)})") from e
        # (tokens read, labels), after the softmax, or after the sigmoid for a single label.
        data = results[-1].outputs.data.float()
        return len(one.ids) - data.shape[0], data[:, -1].tolist()


def _keys(one: Input) -> list[bytes]:
    """A hash of all tokens up to each end."""
    digest, begin, keys = hashlib.blake2b(digest_size=16), 0, []
    for end in one.ends:
        digest.update(array("q", one.ids[begin : end + 1]).tobytes())
        begin = end + 1
        keys.append(digest.copy().digest())
    return keys
