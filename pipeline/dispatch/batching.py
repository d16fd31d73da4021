"""Sends questions of many coroutines to a pool of actors in batches.

A batch holds all waiting questions, from any coroutine. A sender takes the next batch as soon as its
previous one is answered, so idle actors get the work. The coroutines that asked handle a lost batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_BATCHES_PER_ACTOR = 2
"""An actor works on one batch while the next is in transit."""
_QUEUE_SIZE = 4096
LOST = "the batch was lost"
"""How a message about a lost actor begins; it follows the model's name if it is about scores."""


class BatchLost(Exception):
    """A batch was not answered; the cause is the original error."""


class Batcher(Generic[Question, Answer]):
    """A queue of questions for functions that each send a batch to one actor."""

    def __init__(
        self,
        pool: Sequence[Callable[[list[Question]], Awaitable[Sequence[Answer]]]],
        batch_size: int,
    ) -> None:
        self._queue: asyncio.Queue[tuple[Question, asyncio.Future[Answer]]] = asyncio.Queue(_QUEUE_SIZE)
        self._batch_size = batch_size
        self._senders: list[asyncio.Task[None]] = []
        self.num_open = 0
        """Questions without an answer."""
        for send in pool:
            self.add(send)

    def add(self, send: Callable[[list[Question]], Awaitable[Sequence[Answer]]]) -> None:
        """Adds a function that sends to another actor."""
        self._senders += [
            asyncio.create_task(self._send_batches(send)) for _ in range(_BATCHES_PER_ACTOR)
        ]

    async def ask(self, question: Question) -> Answer:
        """Returns the answer; waits while the queue is full. Raises BatchLost."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.num_open += 1
        try:
            await self._queue.put((question, answer))
            return await answer
        finally:
            self.num_open -= 1

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_batches(
        self, send: Callable[[list[Question]], Awaitable[Sequence[Answer]]]
    ) -> None:
        """Repeatedly waits for a question, then sends it with all others in the queue."""
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
                        lost = BatchLost(f"{LOST} ({type(e).__name__})")
                        lost.__cause__ = e
                        future.set_exception(lost)
                continue
            for (_, future), answer in zip(waiting, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
