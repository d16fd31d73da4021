"""Reward models that live elsewhere: a pool of actors scores what all problems of a worker ask for.

A batch that is lost, with its actor or by a model that raises, leaves its steps unscored. A model that
loses one batch after the other is given up: the run goes on without it, and says so.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pipeline.batching import Batcher, BatchLost
from pipeline.own_code import OwnThread
from pipeline.scoring import ScoringFailed, describe_failure
from reward_models import RewardModel, Score, Steps
from reward_models.errors import RewardModelDied


@dataclass(frozen=True, slots=True)
class Failure:
    """What an actor answers instead of scores; an exception would come back wrapped by Ray."""

    reason: str


Send = Callable[[list[Steps]], Awaitable[list[Score] | Failure]]

_BATCH_SIZE = 128
_BATCH_SECONDS = 600.0
"""No model takes as long for a batch: it hangs."""
_GIVE_UP_AFTER = 8
"""Batches lost in a row, for each actor; one that hangs counts as many. An actor that dies takes two
with it, which Ray sends once more."""


class HostedModel:
    """One reward model in an actor of its own."""

    def __init__(self, build: Callable[[], RewardModel]) -> None:
        self._build = build
        self._model: RewardModel | None = None
        self._thread = OwnThread()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Builds the model and lets it get ready, once. Raises RewardModelError, and what it raises."""
        await self._ready()

    async def _ready(self) -> RewardModel:
        async with self._starting:
            if self._model is None:
                model = self._build()
                if (start := getattr(model, "start", None)) is not None:
                    await self._thread.call(start)
                self._model = model
            return self._model

    async def score(self, batch: list[Steps]) -> list[Score] | Failure:
        """Its scores. A model that has died is built anew, once for each batch."""
        try:
            # An actor that Ray has restarted was made anew, but nobody else starts it.
            model = await self._ready()
            try:
                return list(await self._thread.call(model.score, batch))
            except RewardModelDied:
                traceback.print_exc()
                await self._drop(model)
            model = await self._ready()
            return list(await self._thread.call(model.score, batch))
        except Exception as e:  # noqa: BLE001 - a model may be anybody's
            # The user is told in one line; the rest belongs into the log.
            traceback.print_exc()
            return Failure(describe_failure(e))

    async def close(self) -> None:
        """Closes the model, if it has anything to close; calling it twice is fine."""
        if self._model is not None:
            await self._drop(self._model)
        self._thread.close()

    async def _drop(self, model: RewardModel) -> None:
        """Closes this model, unless another batch has done so and there is a new one."""
        async with self._starting:
            if self._model is model:
                self._model = None
                if (close := getattr(model, "close", None)) is not None:
                    await self._thread.call(close)


class PooledModel:
    """A `RewardModel` in front of a pool, of functions that each send a batch to one actor."""

    def __init__(self, name: str, pool: Sequence[Send]) -> None:
        self.name = name
        self.revision = ""
        self._batcher: Batcher[Steps, Score] = Batcher(
            [self._watched(send) for send in pool], _BATCH_SIZE
        )
        self._lost_in_a_row = 0
        self._give_up_after = _GIVE_UP_AFTER * len(pool)

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """Raises ScoringFailed if a batch that has any of these is lost, or the model is given up."""
        if self._lost_in_a_row >= self._give_up_after:
            raise ScoringFailed(f"given up after {self._give_up_after} lost batches in a row")
        answers = await asyncio.gather(*map(self._batcher.ask, batch), return_exceptions=True)
        scores = []
        for answer in answers:
            if isinstance(answer, BatchLost):
                failed = answer.__cause__
                raise failed if isinstance(failed, ScoringFailed) else ScoringFailed(str(answer))
            if isinstance(answer, BaseException):
                raise answer
            scores.append(answer)
        return scores

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        await self._batcher.close()

    def _watched(self, send: Send) -> Callable[[list[Steps]], Awaitable[list[Score]]]:
        """Sends a batch, in time, and counts the losses."""

        async def send_watched(batch: list[Steps]) -> list[Score]:
            try:
                async with asyncio.timeout(_BATCH_SECONDS):
                    answer = await send(batch)
                if isinstance(answer, Failure):
                    raise ScoringFailed(answer.reason)
            except TimeoutError:
                # Each further try would take as long.
                self._lost_in_a_row += _GIVE_UP_AFTER
                raise
            except Exception:
                # Counted here; whoever asked is told by the batcher.
                self._lost_in_a_row += 1
                raise
            self._lost_in_a_row = 0
            return answer

        return send_watched
