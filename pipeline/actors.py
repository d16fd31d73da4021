"""What runs in a cluster's processes: plain classes, which `cluster.py` makes Ray actors of."""

import os
import sys
import traceback
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.datasets.views import EncodedTrace
from pipeline.engines import EngineDied
from pipeline.engines.metered import MeteredEngine, Usage
from pipeline.engines.steps import StepSplitter
from pipeline.explore import Explorer
from pipeline.judging import LocalJudge, PooledJudge, Response
from pipeline.majority import Majority
from pipeline.prune import Pruner
from pipeline.records import Problem
from pipeline.scoring import ModelScorer
from verifiers import Verdict


class VerifierActor:
    """Judges batches of responses on a CPU of the cluster."""

    def __init__(self, config: RunConfig) -> None:
        self._judge = LocalJudge(config.build_verifier())

    async def start(self) -> None:
        """Gets the verifier ready. Raises what the verifier does."""
        await self._judge.start()

    async def verify_batch(self, batch: list[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        return await self._judge.verify_batch(batch)


class RolloutWorker:
    """Owns an engine and explores problems with it."""

    def __init__(self, config: RunConfig, verifier_actors: list[Any], log_file: str | None) -> None:
        if log_file is not None:
            redirect_output(Path(log_file))
        self._config = config
        self._verifier_actors = verifier_actors
        engine = config.engine.build(config.prompt, config.seed)
        self._engine = MeteredEngine(engine)
        models = config.build_reward_models(engine)
        self._scorer = ModelScorer(models) if models else None
        self._judge: LocalJudge | PooledJudge | None = None
        self._majority = Majority(config.labels.majority)

    async def start(self) -> str:
        """Loads the models; returns the engine's version. Raises EngineStartError."""
        await self._engine.start()
        config = self._config
        verifier = config.build_verifier()
        if self._verifier_actors:
            pool = [actor.verify_batch.remote for actor in self._verifier_actors]
            judge: LocalJudge | PooledJudge = PooledJudge(verifier, pool)
        else:
            judge = LocalJudge(verifier)
            await judge.start()
        self._judge = judge
        if self._scorer is not None:
            await self._scorer.start()
        self._explorer = Explorer(
            engine=self._engine,
            splitter=StepSplitter(config.steps),
            strategy=config.build_strategy(),
            judge=judge,
            majority=self._majority,
            pruner=Pruner(config.prune),
            sampling=config.sampling,
            seed=config.seed,
            scorer=self._scorer,
        )
        return self._engine.model_version

    async def explore(self, problem: Problem) -> EncodedTrace:
        """Everything about one problem. Raises EngineDied, and what a part of somebody's raises."""
        try:
            return EncodedTrace.of(await self._explorer.explore(problem), self._config.labels)
        except EngineDied:
            raise
        except Exception:
            # The driver tells the user in one line; the rest belongs into the log.
            traceback.print_exc()
            raise

    async def usage(self) -> Usage:
        """What sampling took so far, for unfinished problems too."""
        return self._engine.usage

    async def close(self) -> None:
        """Ends the engine's, the verifier's and the reward models' processes."""
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._engine.close)
            closing.push_async_callback(self._majority.close)
            for part in (self._scorer, self._judge):
                if part is not None:
                    closing.push_async_callback(part.close)


def redirect_output(log_file: Path) -> None:
    """Sends what this process and its children print to a file, where the folder can be reached."""
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        # On another node without the run folder's file system Ray keeps the output in its own logs.
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
