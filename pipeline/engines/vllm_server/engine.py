"""vLLM servers that are there already, as an engine: token ids in and out over HTTP.

The tokenizer and chat template come from `engine.model`, as for `vllm`, and are compared with each
server's. A server that dies or hangs loses no request: others repeat it, and it is used again when it
is back. Log-probabilities and seeds are as exact as vLLM's own.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from pipeline.engines import (
    Completion,
    EngineDied,
    EngineStartError,
    Load,
    PromptFormat,
    Request,
    RequestRejected,
    Sampling,
    join_versions,
)
from pipeline.engines.base import EngineConfig
from pipeline.engines.gate import Gate
from pipeline.engines.model_text import ModelText, sample_siblings
from pipeline.engines.models import ModelError, locate
from pipeline.engines.vllm_server.changing import put, put_everywhere, read_version
from pipeline.engines.vllm_server.pool import Pool, Refused, ServerLost
from pipeline.engines.vllm_server.routing import Routing, Server
from pipeline.engines.vllm_server.wire import (
    COMPLETIONS,
    GENERATE,
    UNCHANGED,
    BadAnswer,
    add_loads,
    completion_body,
    generate_body,
    read_completion,
    read_load,
    read_scores,
    scoring_body,
)
from pipeline.engines.weights import find_weights
from pipeline.extras import missing

_ADDRESS = re.compile(r"https?://[^/\s]+")
_PROBE = "What is 12 + 7?\n\nStep 1: naïve 日本語 \\boxed{19}"
"""A text that two tokenizers are unlikely to read as the same ids."""


class VllmServerEngine(ModelText):
    """vLLM servers as an `Engine`."""

    class Config(EngineConfig):
        """The servers, and the model that they serve."""

        model: str
        """The model whose tokenizer and chat template are used: a model folder, a bundled model
        (SmolLM2-135M-Instruct), or a Hugging Face Hub id."""
        addresses: tuple[str, ...] = Field(min_length=1)
        """The servers, such as `[http://host:8000]`. All have to serve the same model."""
        served_model: str | None = None
        """The model's name on the servers, as `/v1/models` lists it; default: the one that is, or was
        loaded from, `model`."""
        logprobs: bool = True
        """Keep the log-probability of every sampled token."""
        request_seeds: bool = False
        """Seed every request separately; exact repeats also need batch-invariant kernels."""
        api_key_env: str | None = None
        """Environment variable with the servers' key (vLLM's `--api-key`)."""
        requests_per_server: int = Field(default=256, ge=1)
        """Sequences under way on one server; further ones go to another server or wait."""
        start_seconds: float = Field(default=60.0, ge=0)
        """Seconds to wait at the start for the first server."""
        down_seconds: float = Field(default=60.0, ge=0)
        """Seconds without any server after which the engine counts as dead."""

        @field_validator("addresses")
        @classmethod
        def _check_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
            cleaned = tuple(one.rstrip("/").removesuffix("/v1") for one in addresses)
            for one in cleaned:
                if not _ADDRESS.fullmatch(one):
                    raise ValueError(f"expected addresses such as http://host:8000, got {one!r:.100}")
                if cleaned.count(one) > 1:
                    raise ValueError(f"expected each server once, got {one} twice")
            return cleaned

        @property
        def gives_logprobs(self) -> bool:
            """Whether completions come with log-probabilities."""
            return self.logprobs

    def __init__(self, config: Config, prompt_format: PromptFormat, seed: int = 0) -> None:
        self.config = config
        self.model_version = config.model
        self.notes: tuple[str, ...] = ()
        self.num_live_tokens = 0
        """Tokens of answered requests; a server does not report those of others."""
        self._format = prompt_format
        self._routing = Routing(config.addresses, config.requests_per_server)
        self._pool: Pool | None = None
        self._gate = Gate()
        self._weights = asyncio.Lock()
        self._changing: asyncio.Task[str] | None = None
        self._served = config.served_model or config.model

    async def start(self) -> None:
        """Waits for the first server and checks those that answer. Raises EngineStartError."""
        config = self.config
        key = None if config.api_key_env is None else os.environ.get(config.api_key_env)
        if config.api_key_env is not None and not key:
            raise EngineStartError(
                f"engine.api_key_env: expected a key in the environment variable "
                f"{config.api_key_env}, got none"
            )
        tokenizer = await asyncio.to_thread(_load_tokenizer, config.model)
        self._read_tokenizer(tokenizer, self._format, config.model)
        self._pool = Pool(self._routing, self._check, key=key, down_seconds=config.down_seconds)
        self._pool.open()
        try:
            await self._reach(self._pool)
        except EngineStartError:
            await self.close()
            raise
        self._pool.watch()
        await self._note(self._pool)

    async def _reach(self, pool: Pool) -> None:
        """Waits until a server is up. Raises EngineStartError, for a wrong server at once."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.config.start_seconds
        while True:
            tried = await asyncio.gather(
                *(pool.admit(server) for server in self._routing.servers), return_exceptions=True
            )
            for server, error in zip(self._routing.servers, tried, strict=True):
                if isinstance(error, ValueError | Refused):
                    raise EngineStartError(f"engine.addresses: {server.address}: {error}") from error
                if isinstance(error, BaseException) and not isinstance(error, ServerLost):
                    raise error
                server.why_down = str(error)
            if pool.up:
                return
            if loop.time() >= end:
                reasons = "; ".join(f"{s.address}: {s.why_down}" for s in self._routing.servers)
                raise EngineStartError(
                    f"engine.addresses: expected a running vLLM server, got none within "
                    f"{self.config.start_seconds:g} seconds ({reasons}); start one with `vllm serve "
                    f"{self.config.model}`"
                )
            await asyncio.sleep(min(1.0, self.config.start_seconds))

    async def _check(self, server: Server) -> None:
        """Whether a server serves the model, with its tokenizer and this engine's weights.

        Raises ServerLost, Refused, or ValueError that says what was expected.
        """
        pool = self._of_started()
        listed = await pool.call(server, "GET", "/v1/models")
        self._served = _name_of_model(self.config, listed)
        body = {"model": self._served, "prompt": _PROBE, "add_special_tokens": False}
        try:
            theirs = (await pool.call(server, "POST", "/tokenize", body)).get("tokens")
        except Refused as e:
            if e.status != 404:
                raise
            # Old servers, and those with --tokens-only, have no tokenizer to compare.
            theirs = None
        ours = self._chat_tokenizer.encode(_PROBE, add_special_tokens=False)
        if theirs is not None and theirs != ours:
            raise ValueError(
                f"expected a server with the tokenizer of engine.model={self.config.model}, got one "
                "that reads a text as other token ids; name the model that it serves"
            )
        server.gives_versions = await _can_generate(pool, server)
        async with self._weights:
            await self._check_weights(server)

    async def _check_weights(self, server: Server) -> None:
        """Gives a server this engine's weights if it has others. Raises as `_check`."""
        pool, own = self._of_started(), self.model_version
        label = await read_version(pool, server)
        theirs = self.config.model if label in (None, UNCHANGED) else label
        if theirs != own and own == self.config.model:
            # Another client has changed them; servers that it did not reach are to follow.
            self.model_version = own = str(theirs)
            for other in pool.up:
                pool.drop(other, f"has other weights than {server.address}")
        if theirs != own or server.has_unknown_weights:
            # It was down when the weights changed, or has been restarted since.
            await put(pool, server, own, own, keep=False)
        server.version = own

    async def _note(self, pool: Pool) -> None:
        """Notes how many servers are up, and whether log-probabilities are those of the sampling."""
        num_up, num_all = len(pool.up), len(self._routing.servers)
        self.notes = (f"vLLM servers: {num_up} of {num_all} up, serving {self._served}",)
        if not self.config.logprobs:
            return
        probe = Request(
            token_ids=self._chat_tokenizer.encode(_PROBE),
            num_rollouts=1,
            max_tokens=1,
            sampling=Sampling(temperature=1.0, top_k=1),
            seed=0,
        )
        (completion,) = await self.generate(probe)
        # With a single candidate, its probability is 1.
        if completion.logprobs is None or completion.logprobs[0] < -1e-3:
            self.notes += (
                "the servers' log-probabilities are those before temperature, top_p and top_k; start "
                "them with --logprobs-mode processed_logprobs",
            )
        if completion.num_cached_tokens is None:
            self.notes += (
                "the servers do not report what they take from their prefix cache; start them with "
                "--enable-prompt-tokens-details",
            )

    async def generate(self, request: Request) -> list[Completion]:
        """Returns all completions of the request when the last is finished."""
        async with self._gate.passing():
            return await sample_siblings(request, self._sample)

    async def _sample(self, request: Request, index: int) -> Completion:
        """One of the request's completions. Raises EngineDied or RequestRejected."""
        config = self.config
        seed = (request.seed + index) % 2**63 if config.request_seeds else None

        def write(server: Server) -> tuple[str, dict[str, Any]]:
            body = generate_body if server.gives_versions else completion_body
            path = GENERATE if server.gives_versions else COMPLETIONS
            return path, body(request, model=self._served, logprobs=config.logprobs, seed=seed)

        answer = await self._of_started().ask(write, request.tree)
        try:
            sampled = read_completion(answer.content)
        except BadAnswer as e:
            raise RequestRejected(f"{answer.address}: {e}") from e
        version = answer.version
        if sampled.versions is not None:
            named = (config.model if one == UNCHANGED else one for one in sampled.versions)
            version = join_versions(named)
        self.num_live_tokens += len(sampled.token_ids)
        return self._complete(
            request,
            sampled.token_ids,
            text=sampled.text,
            logprobs=sampled.logprobs,
            finish_reason=sampled.finish_reason,
            stop_reason=sampled.stop_reason,
            num_cached_tokens=sampled.num_cached_tokens,
            model_version=version,
        )

    async def score_tokens(self, prefix: Sequence[int], token_ids: Sequence[int]) -> tuple[float, ...]:
        """See `ScoresTokens`."""
        body = scoring_body([*prefix, *token_ids], model=self._served)
        async with self._gate.passing():
            answer = await self._of_started().ask(lambda _: (COMPLETIONS, body), None)
        try:
            return read_scores(answer.content, token_ids)
        except BadAnswer as e:
            raise RequestRejected(f"{answer.address}: {e}") from e

    async def load(self) -> Load | None:
        """The sum of the servers that are up, from their `/metrics`."""
        return await _load_of(self._of_started())

    async def update_weights(self, model: str, *, keep: bool = False) -> str:
        """See `Updatable`. Needs servers in vLLM's development mode that can read the weights."""
        self._changing = asyncio.create_task(self._update(model, keep=keep))
        return await asyncio.shield(self._changing)

    async def _update(self, model: str, *, keep: bool) -> str:
        pool = self._of_started()
        await asyncio.to_thread(find_weights, model, self.model_version)
        # The lock is held last: until then, a server that comes back may serve the last requests.
        async with self._gate.closed(empty=not keep), self._weights:
            await put_everywhere(pool, model, self.model_version, keep=keep)
            self.model_version = model
        return model

    async def close(self) -> None:
        """Ends all requests; the servers go on."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def _of_started(self) -> Pool:
        if self._pool is None:
            raise EngineDied("the engine has not started, or is closed")
        return self._pool


async def _can_generate(pool: Pool, server: Server) -> bool:
    """Whether it has vLLM's endpoint for token ids: then it finds an empty request wrong."""
    try:
        await pool.call(server, "POST", GENERATE, {})
    except Refused as e:
        return e.status in (400, 422)
    return True


async def _load_of(pool: Pool) -> Load | None:
    """The sum of the servers that are up and answer; None without any."""
    told = await asyncio.gather(
        *(pool.call(server, "GET", "/metrics", seconds=10) for server in pool.up),
        return_exceptions=True,
    )
    loads = [read_load(text) for text in told if isinstance(text, str)]
    return add_loads([load for load in loads if load is not None])


def _name_of_model(config: VllmServerEngine.Config, listed: Any) -> str:
    """The model's name in a server's list of models. Raises ValueError if it is not there."""
    models = listed.get("data", []) if isinstance(listed, dict) else []
    wanted = {config.model, locate(config.model)}
    for model in models:
        name = str(model.get("id"))
        if config.served_model == name:
            return name
        if config.served_model is None and wanted & {name, str(model.get("root"))}:
            return name
    names = ", ".join(str(model.get("id")) for model in models)
    raise ValueError(
        f"expected a server of {config.served_model or config.model}, got one of "
        f"{names or 'no model'}; set engine.served_model to its name there if it is the same model"
    )


def _load_tokenizer(model: str) -> Any:
    """Raises EngineStartError."""
    if why := missing("transformers", "engine.use=vllm_server"):
        raise EngineStartError(why)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(locate(model))
    except ModelError as e:
        raise EngineStartError(str(e)) from e
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())
        raise EngineStartError(f"engine.model={model}: its tokenizer cannot be read ({why})") from e
