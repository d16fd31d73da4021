"""Backend `addresses`: vLLM servers that run elsewhere, with token ids in.

A server reads every sequence from its beginning: over HTTP, vLLM gives every token a score and so takes
none from its prefix cache. A server that fails is left out for a while, and others repeat its requests.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from reward_models.errors import RewardModelDied, RewardModelError, first_line
from reward_models.serving.inputs import Input
from reward_models.serving.loading import Found

_AT_ONCE = 128
"""Requests under way on each server; further ones wait here."""
_REST_SECONDS = 5.0
"""Time before a server that failed is asked again."""
_HANG_SECONDS = 600.0
"""Time for one answer after which a server counts as failed."""
_DEAD_SECONDS = 60.0
"""Time without any answer after which the model counts as dead."""
_CONNECTION_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)


class _ServerFailed(Exception):
    """A server cannot be reached, or failed; another may answer."""


@dataclass(slots=True, eq=False)
class _Server:
    address: str
    name: str = ""
    """The model's name there."""
    num_under_way: int = 0
    rests_until: float = 0.0


class OnServers:
    """A reward model on vLLM servers, which docs/reward-models.md tells how to start."""

    def __init__(
        self, found: Found, addresses: Sequence[str], *, served_model: str | None, key_env: str | None
    ) -> None:
        self._found = found
        self._served_model = served_model
        self._key_env = key_env
        self._servers = [_Server(address) for address in addresses]
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(_AT_ONCE * len(addresses))

    async def start(self) -> None:
        """Checks every server. Raises RewardModelError."""
        headers = {}
        if self._key_env is not None:
            if not (key := os.environ.get(self._key_env)):
                raise RewardModelError(
                    f"api_key_env: expected a key in the environment variable {self._key_env}, got none"
                )
            headers = {"Authorization": f"Bearer {key}"}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
            timeout=aiohttp.ClientTimeout(total=_HANG_SECONDS, sock_connect=10),
        )
        try:
            for server in self._servers:
                server.name = await self._find_model(server)
                # A server that was started for another task says so now, not during the run.
                await self._ask(server, Input((0, 1), (1,)))
        except _ServerFailed as e:
            await self.close()
            raise RewardModelError(f"addresses: expected a server that gives scores, got {e}") from e
        except RewardModelError:
            await self.close()
            raise

    async def _find_model(self, server: _Server) -> str:
        where, wanted = f"addresses: {server.address}", self._served_model or self._found.model
        try:
            listed = await self._call(server, "GET", "/v1/models")
        except _ServerFailed as e:
            raise RewardModelError(
                f"{where}: expected a running vLLM server, got none ({e}); start one with `vllm serve "
                f"{self._found.model} --runner pooling --pooler-config.task token_classify`"
            ) from e
        models = listed.get("data", []) if isinstance(listed, dict) else []
        for model in models:
            if wanted == model.get("id") or (not self._served_model and wanted == model.get("root")):
                return str(model["id"])
        names = ", ".join(str(model.get("id")) for model in models)
        raise RewardModelError(
            f"{where}: expected a server of {wanted}, got one of {names or 'no model'}; set "
            "served_model to its name there if it is the same model"
        )

    async def score(self, inputs: Sequence[Input]) -> list[list[float]]:
        """For each input, the probability of `right` at each of its ends.

        Raises RewardModelDied if no server answers for a minute, RewardModelError for a refusal.
        """
        return await asyncio.gather(*map(self._score, inputs))

    async def close(self) -> None:
        """Ends the connections; the servers go on. Calling it twice is safe."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _score(self, one: Input) -> list[float]:
        deadline = time.monotonic() + _DEAD_SECONDS
        async with self._places:
            while True:
                server = self._choose()
                server.num_under_way += 1
                try:
                    return await self._ask(server, one)
                except _ServerFailed as e:
                    now = time.monotonic()
                    if now >= deadline:
                        raise RewardModelDied(f"no vLLM server answers ({e})") from e
                    server.rests_until = now + _REST_SECONDS
                finally:
                    server.num_under_way -= 1
                await asyncio.sleep(max(0.0, self._choose().rests_until - time.monotonic()))

    def _choose(self) -> _Server:
        """The least loaded server that does not rest, else the one that ends its rest first."""
        now = time.monotonic()
        return min(self._servers, key=lambda s: (max(s.rests_until, now), s.num_under_way))

    async def _ask(self, server: _Server, one: Input) -> list[float]:
        body = {"model": server.name, "input": list(one.ids), "task": "token_classify"}
        answer = await self._call(server, "POST", "/pooling", body)
        try:
            (entry,) = answer["data"]
            rows = entry["data"]
            if len(rows) != len(one.ids):
                raise ValueError(f"{len(rows)} rows")
            return [float(rows[end][-1]) for end in one.ends]
        except (KeyError, TypeError, ValueError, IndexError) as e:
            raise RewardModelError(
                f"addresses: {server.address}: expected scores of {len(one.ids)} tokens, got something "
                f"else ({first_line(e)})"
            ) from e

    async def _call(self, server: _Server, method: str, path: str, body: object = None) -> Any:
        """The answer as JSON. Raises _ServerFailed, or RewardModelError for a refusal."""
        if self._session is None:
            raise RewardModelDied("the model is closed")
        try:
            async with self._session.request(method, server.address + path, json=body) as response:
                answer = await response.text()
                if response.status == 200:
                    return await response.json()
        except _CONNECTION_ERRORS as e:
            raise _ServerFailed(f"{server.address}: {first_line(e)}") from e
        why = f"{server.address}: HTTP {response.status}: {' '.join(answer.split())[:300]}"
        if response.status >= 500 or response.status == 429:
            raise _ServerFailed(why)
        raise RewardModelError(f"addresses: {why}")
