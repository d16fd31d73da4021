"""Judges responses in this process, or in batches by a pool of actors.

Every failure, such as a verifier that raises or a lost actor, becomes an ERROR verdict, because it is
no evidence about the response.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.dispatch.batching import Batcher, BatchLost
from pipeline.errors import RunFailure, named
from sandbox import SandboxUnavailable
from verifiers import Target, Verdict, Verifier
from verifiers.isolation.border import Border

BATCH_SIZE = 64
"""Responses that a verifier gets at a time, at most."""
_IN_FLIGHT = 512
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response to judge, with its prompt and target."""

    prompt: str
    text: str
    target: Target


class LocalJudge:
    """Judges in this process."""

    def __init__(self, verifier: Verifier) -> None:
        """Raises NotAVerifier for an object without a verifier's attributes."""
        self.border = Border(verifier)
        self._starting = asyncio.Lock()
        self._started = False
        self.num_open = 0
        """Responses without a verdict."""

    async def start(self) -> None:
        """Starts the verifier once, if it has a `start`."""
        async with self._starting:
            if not self._started:
                await self.border.start()
            self._started = True

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR if it fails in any way."""
        self.num_open += 1
        try:
            return await self.border.verify(prompt, response, target)
        finally:
            self.num_open -= 1

    async def verify_batch(self, batch: Sequence[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        # After Ray restarts an actor, nothing else starts its verifier.
        await self.start()
        return await asyncio.gather(*(self.verify(r.prompt, r.text, r.target) for r in batch))

    async def close(self) -> None:
        """Closes the verifier, if it has a `close`."""
        await self.border.close()


async def start_judge(judge: LocalJudge) -> None:
    """Starts the judge. Raises RunFailure with the reason why the verifier cannot start."""
    try:
        await judge.start()
    except SandboxUnavailable as e:
        raise RunFailure(str(e)) from e
    except (Exception, SystemExit) as e:
        # The verifier may be third-party code.
        raise RunFailure(f"the verifier cannot start: {named(e)}") from e


async def close_judge(judge: LocalJudge) -> None:
    """Closes the judge. Raises RunFailure with the reason why the verifier cannot close."""
    try:
        await judge.close()
    except (Exception, SystemExit) as e:
        raise RunFailure(f"the verifier cannot close: {named(e)}") from e


async def judge_all(
    verifier: Verifier, responses: Iterable[tuple[_Item, Response]]
) -> AsyncGenerator[tuple[_Item, Verdict], None]:
    """Judges responses in this process; yields what each came with and its verdict, in order.

    Each step waits for the oldest of at most `_IN_FLIGHT` verdicts. The verifier starts first and is
    closed at the end. Raises RunFailure if it cannot start or close.
    """
    judge = LocalJudge(verifier)
    waiting: deque[tuple[_Item, asyncio.Task[Verdict]]] = deque()
    try:
        await start_judge(judge)
        for item, asked in responses:
            verdict = judge.verify(asked.prompt, asked.text, asked.target)
            waiting.append((item, asyncio.create_task(verdict)))
            if len(waiting) >= _IN_FLIGHT:
                yield waiting[0][0], await waiting[0][1]
                waiting.popleft()
        while waiting:
            yield waiting[0][0], await waiting[0][1]
            waiting.popleft()
    finally:
        for _, task in waiting:
            task.cancel()
        await close_judge(judge)


VerifyBatch = Callable[[list[Response]], Awaitable[list[Verdict]]]


class PooledJudge:
    """Judges in a pool of actors, through functions that each send a batch to one actor."""

    def __init__(self, verifier: Verifier, pool: Sequence[VerifyBatch]) -> None:
        """`verifier` only names itself in the verdicts on lost batches."""
        self._border = Border(verifier)
        self._batcher: Batcher[Response, Verdict] = Batcher(pool, BATCH_SIZE)

    @property
    def num_open(self) -> int:
        """Responses that wait for a verdict."""
        return self._batcher.num_open

    def add(self, send: VerifyBatch) -> None:
        """Adds a function that sends to another actor."""
        self._batcher.add(send)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; ERROR if its batch is lost."""
        try:
            return await self._batcher.ask(Response(prompt=prompt, text=response, target=target))
        except BatchLost as e:
            return self._border.error(str(e))

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        await self._batcher.close()
