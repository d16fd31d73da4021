"""Reward models in other processes: a pool of actors scores the steps of all problems of a worker.

A lost batch, because of its actor or an error of the model, leaves its steps unscored. After several
lost batches in a row, the run continues without the model and warns.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pipeline.dispatch.batching import Batcher, BatchLost
from pipeline.dispatch.own_code import OwnThread
from pipeline.dispatch.scoring import ScoringFailed, describe_failure
from reward_models import RewardModel, Score, Steps
from reward_models.errors import RewardModelDied
from verifiers.attributes import method


@dataclass(frozen=True, slots=True)
class Failure:
    """An actor's answer instead of scores; Ray would wrap an exception."""

    reason: str


Send = Callable[[list[Steps]], Awaitable[list[Score] | Failure]]

_BATCH_SIZE = 128
DISABLED = "disabled after"
"""How a message about a model that is not asked any more begins."""
_BATCH_SECONDS = 600.0
"""A batch that takes longer means that the model hangs."""
_GIVE_UP_AFTER = 8
"""Consecutive lost batches, per actor, after which the model is not used any more; a hanging batch
counts as this many. A dying actor loses two batches, which Ray sends once more."""

_log = logging.getLogger(__name__)


class HostedModel:
    """One reward model in its own actor."""

    def __init__(self, build: Callable[[], RewardModel]) -> None:
        self._build = build
        self._model: RewardModel | None = None
        self._thread = OwnThread()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Builds and starts the model, once. Raises RewardModelError and the model's own errors."""
        await self._ready()

    async def _ready(self) -> RewardModel:
        async with self._starting:
            if self._model is None:
                model = self._build()
                if (start := method(model, "start")) is not None:
                    await self._thread.call(start)
                self._model = model
            return self._model

    async def score(self, batch: list[Steps]) -> list[Score] | Failure:
        """Returns the model's scores. A dead model is built again, once for each batch."""
        try:
            # After Ray restarts an actor, nothing else starts its model.
            model = await self._ready()
            try:
                return list(await self._thread.call(model.score, batch))
            except RewardModelDied:
                _log.warning("the reward model failed on a batch", exc_info=True)
                await self._drop(model)
            model = await self._ready()
            return list(await self._thread.call(model.score, batch))
        except Exception as e:  # noqa: BLE001 - a model may be third-party code
            # The user gets one line; the rest belongs in the log.
            _log.warning("the reward model failed on a batch", exc_info=True)
            return Failure(describe_failure(e))

    async def change(self, build: Callable[[], RewardModel]) -> None:
        """Replaces the model by another one, which is loaded first.

        Raises RewardModelError and the model's own errors; the old model then stays.
        """
        model = build()
        if (start := method(model, "start")) is not None:
            await self._thread.call(start)
        async with self._starting:
            old, self._model, self._build = self._model, model, build
        if old is not None and (close := method(old, "close")) is not None:
            await self._thread.call(close)

    async def close(self) -> None:
        """Closes the model, if it has a `close`; calling it twice is fine."""
        if self._model is not None:
            await self._drop(self._model)
        self._thread.close()

    async def _drop(self, model: RewardModel) -> None:
        """Closes this model, unless another batch has already replaced it."""
        async with self._starting:
            if self._model is model:
                self._model = None
                if (close := method(model, "close")) is not None:
                    await self._thread.call(close)


class PooledModel:
    """A `RewardModel` that uses a pool of functions, each of which sends a batch to one actor."""

    def __init__(self, name: str, pool: Sequence[Send]) -> None:
        self.name = name
        self.revision = ""
        self._batcher: Batcher[Steps, Score] = Batcher(
            [self._watched(send) for send in pool], _BATCH_SIZE
        )
        self._lost_in_a_row = 0
        self._give_up_after = _GIVE_UP_AFTER * len(pool)

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """Raises ScoringFailed if a batch with any of these is lost, or the model is disabled."""
        if self._lost_in_a_row >= self._give_up_after:
            raise ScoringFailed(f"{DISABLED} {self._give_up_after} lost batches in a row")
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
        """Wraps `send` with a time limit and a count of lost batches."""

        async def send_watched(batch: list[Steps]) -> list[Score]:
            try:
                async with asyncio.timeout(_BATCH_SECONDS):
                    answer = await send(batch)
                if isinstance(answer, Failure):
                    raise ScoringFailed(answer.reason)
            except TimeoutError:
                # Every further attempt would take as long.
                self._lost_in_a_row += _GIVE_UP_AFTER
                raise
            except Exception:
                # Only counted here; the batcher reports the loss to the caller.
                self._lost_in_a_row += 1
                raise
            self._lost_in_a_row = 0
            return answer

        return send_watched
