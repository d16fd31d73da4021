"""Sends what many coroutines ask to a pool of actors, in batches.

What waits together travels together, whoever asked. A sender takes the next batch as soon as its last
one is answered, so idle actors get the work. A batch that is lost is the asker's to deal with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_BATCHES_PER_ACTOR = 2
"""One is worked on while the next is on its way."""
_QUEUE_SIZE = 4096


class BatchLost(Exception):
    """No answer came; the cause is what came instead."""


class Batcher(Generic[Question, Answer]):
    """A queue of questions in front of functions that each send a batch to one actor."""

    def __init__(
        self,
        pool: Sequence[Callable[[list[Question]], Awaitable[Sequence[Answer]]]],
        batch_size: int,
    ) -> None:
        self._queue: asyncio.Queue[tuple[Question, asyncio.Future[Answer]]] = asyncio.Queue(_QUEUE_SIZE)
        self._batch_size = batch_size
        self._senders = [
            asyncio.create_task(self._send_batches(send))
            for send in pool
            for _ in range(_BATCHES_PER_ACTOR)
        ]

    async def ask(self, question: Question) -> Answer:
        """The answer; waits while the queue is full. Raises BatchLost."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        await self._queue.put((question, answer))
        return await answer

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_batches(
        self, send: Callable[[list[Question]], Awaitable[Sequence[Answer]]]
    ) -> None:
        """Waits for a question in the queue, then for the answers to it and to what queued up."""
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < self._batch_size and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            try:
                answers = await send([question for question, _ in waiting])
                if len(answers) != len(waiting):
                    raise ValueError(f"expected {len(waiting)} answers, got {len(answers)}")
            except Exception as e:  # noqa: BLE001 - an actor can be lost in many ways
                for _, future in waiting:
                    if not future.done():
                        lost = BatchLost(f"the batch was lost ({type(e).__name__})")
                        lost.__cause__ = e
                        future.set_exception(lost)
                continue
            for (_, future), answer in zip(waiting, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
