"""Where responses are judged: in this process, or by a pool of actors in batches.

Whatever fails on the way, a verifier that raises or an actor that is lost, becomes an ERROR verdict:
it says nothing about the response.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from verifiers import Target, Verdict, Verifier
from verifiers.border import Border

_BATCH_SIZE = 64
_BATCHES_PER_ACTOR = 2
"""One is judged while the next is on its way."""
_QUEUE_SIZE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a verifier is asked about."""

    prompt: str
    text: str
    target: Target


class LocalJudge:
    """Judges in this process."""

    def __init__(self, verifier: Verifier) -> None:
        """Raises NotAVerifier for an object that lacks what a verifier has."""
        self._verifier = Border(verifier)
        self._starting = asyncio.Lock()
        self._started = False

    async def start(self) -> None:
        """Lets the verifier get ready, once, if it has anything to do."""
        async with self._starting:
            if not self._started:
                await self._verifier.start()
            self._started = True

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR if it breaks in any way."""
        return await self._verifier.verify(prompt, response, target)

    async def verify_batch(self, batch: Sequence[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        # An actor that Ray has restarted was built anew, but nobody else starts it.
        await self.start()
        return await asyncio.gather(*(self.verify(r.prompt, r.text, r.target) for r in batch))

    async def close(self) -> None:
        """Closes the verifier, if it has anything to close."""
        await self._verifier.close()


VerifyBatch = Callable[[list[Response]], Awaitable[list[Verdict]]]


class PooledJudge:
    """Judges elsewhere, by functions that each send a batch to one actor."""

    def __init__(self, verifier: Verifier, pool: Sequence[VerifyBatch]) -> None:
        """`verifier` only names itself in the verdicts on batches that are lost."""
        self._verifier = Border(verifier)
        self._queue: asyncio.Queue[tuple[Response, asyncio.Future[Verdict]]] = asyncio.Queue(
            _QUEUE_SIZE
        )
        self._senders = [
            asyncio.create_task(self._send_batches(verify_batch))
            for verify_batch in pool
            for _ in range(_BATCHES_PER_ACTOR)
        ]

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; waits while the queue is full."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        await self._queue.put((Response(prompt=prompt, text=response, target=target), verdict))
        return await verdict

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_batches(self, verify_batch: VerifyBatch) -> None:
        """Waits for a response in the queue, then for the verdicts on it and what queued up."""
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < _BATCH_SIZE and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            try:
                verdicts = await verify_batch([response for response, _ in waiting])
            except Exception as e:  # noqa: BLE001 - an actor can be lost in many ways
                lost = self._verifier.error(f"the batch was lost ({type(e).__name__})")
                verdicts = [lost] * len(waiting)
            for (_, future), verdict in zip(waiting, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)
