"""Classes that run in a cluster's processes; `crew.py` turns them into Ray actors."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.cluster.leases import Lease, Process, ShardReport, WorkerStatus
from pipeline.cluster.lost import this_process
from pipeline.cluster.metrics import WorkerMetrics
from pipeline.cluster.worker.places import Places, next_number
from pipeline.cluster.worker.shard_work import ShardWork, Storing
from pipeline.config import RunConfig
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.dispatch.judging import LocalJudge, PooledJudge, Response
from pipeline.dispatch.reward_pool import HostedModel, PooledModel
from pipeline.dispatch.scoring import ModelScorer, read_reward_model
from pipeline.engines import (
    EngineStartError,
    Load,
    MessageMatcher,
    OwnsTokenizer,
    ReportsLoad,
    Updatable,
    WeightsRefused,
)
from pipeline.engines.metered import MeteredEngine
from pipeline.explore import Explorer, aside
from pipeline.failures import collected, failed_trace
from pipeline.files.storage import exists
from pipeline.labels.majority import Majority
from pipeline.logs import ActorLog
from pipeline.prune import Pruner
from pipeline.records import Failure, Phase, Problem
from pipeline.rollouts.steps import StepSplitter
from pipeline.tree import Tree
from reward_models import RewardModel
from reward_models.serving.model import ServingConfig
from verifiers import Verdict

_LOAD_SECONDS = 2.0
"""Time between two looks at the engine's load."""
_log = logging.getLogger(__name__)


class VerifierActor:
    """Judges batches of responses on a CPU of the cluster."""

    def __init__(self, config: RunConfig, log: ActorLog | None = None) -> None:
        if log is not None:
            log.open()
        self._judge = LocalJudge(config.build_verifier())

    async def start(self) -> None:
        """Starts the verifier. Raises its errors."""
        await self._judge.start()

    async def ping(self) -> Process:
        """Shows that the process runs."""
        return this_process()

    async def verify_batch(self, batch: list[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        return await self._judge.verify_batch(batch)


class RewardActor(HostedModel):
    """Scores batches of steps with one of the config's reward models."""

    def __init__(self, config: RunConfig, index: int, log: ActorLog | None = None) -> None:
        if log is not None:
            log.open()
        self._config, self._index = config, index
        super().__init__(lambda: config.build_reward_model(index))

    async def change_weights(self, folder: str) -> None:
        """Loads another trained model in place of this one; raises its errors and keeps the old one."""
        config = self._config.with_reward_model(self._index, folder)
        await self.change(lambda: config.build_reward_model(self._index))

    async def ping(self) -> Process:
        """Shows that the process runs."""
        return this_process()


class RolloutWorker:
    """Owns an engine and explores problems with it."""

    def __init__(
        self,
        config: RunConfig,
        verifier_actors: list[Any],
        reward_actors: list[list[Any]],
        log: ActorLog | None = None,
    ) -> None:
        """`reward_actors` has the actors of each reward model; empty if the model runs in this
        process."""
        if log is not None:
            log.open()
        self._metrics = WorkerMetrics("worker" if log is None else log.process)
        self._load: Load | None = None
        """The engine's load when it was last looked at."""
        self._config = config
        self._verifier_actors = verifier_actors
        self._reward_actors = reward_actors
        self._inner_engine = config.engine.build(config.prompt, config.seed)
        self._engine = MeteredEngine(self._inner_engine)
        self._scorers: list[ModelScorer] = []
        self._judge: LocalJudge | PooledJudge | None = None
        self._majority = Majority(config.labels.majority)
        self._places = Places(config.cluster.first_places)
        self._work = ShardWork(
            self._explore, self._failed, self._places, _storing(config), lambda: self._engine.usage
        )
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> tuple[str, ...]:
        """Loads the models; returns the engine's notes. Raises EngineStartError, and FolderError if
        this machine does not see the run folder."""
        await asyncio.to_thread(_check_visible, self._config.output)
        await self._engine.start()
        self._check_tokenizers()
        config = self._config
        verifier = config.build_verifier()
        if self._verifier_actors:
            pool = [actor.verify_batch.remote for actor in self._verifier_actors]
            judge: LocalJudge | PooledJudge = PooledJudge(verifier, pool)
        else:
            judge = LocalJudge(verifier)
            await judge.start()
        self._judge = judge
        scorer, outcome_scorer = await self._start_scorers()
        self._explorer = Explorer(
            engine=self._engine,
            splitter=StepSplitter(config.steps, keeps_logprobs=config.dataset.token_logprobs),
            strategy=config.build_strategy(),
            judge=judge,
            majority=self._majority,
            pruner=Pruner(config.prune),
            sampling=config.sampling,
            seed=config.seed,
            scorer=scorer,
            outcome_scorer=outcome_scorer,
            branch_pruning=config.branch_pruning,
            on_stage=self._metrics.took,
            matcher=self._inner_engine if isinstance(self._inner_engine, MessageMatcher) else None,
        )
        self._watching = [asyncio.create_task(self._work.watch())]
        self._watching.append(asyncio.create_task(self._watch_load()))
        _log.info("engine ready: %s", self._engine.model_version)
        return self._engine.notes

    def _check_tokenizers(self) -> None:
        """Raises EngineStartError for a reward model that reads the ids of another tokenizer."""
        parts = self._config.reward_models
        if not parts or not isinstance(self._inner_engine, OwnsTokenizer):
            return
        solvers = self._inner_engine.tokenizer_digest
        for index, part in enumerate(parts):
            digest_of = read_reward_model(part).tokenizer_digest
            wanted = None if digest_of is None else digest_of(part.options)
            if wanted is not None and solvers != wanted:
                model = part.options.model if isinstance(part.options, ServingConfig) else part.use
                raise EngineStartError(
                    f"reward_models.{index}: expected a model trained on this solver's token ids, got "
                    f"one for another tokenizer ({model})"
                )

    async def _start_scorers(self) -> list[ModelScorer | None]:
        """The scorers of steps and of complete responses; None without such models."""
        found: list[ModelScorer | None] = []
        for outcomes in (False, True):
            models = [
                self._reward_model(index)
                for index, part in enumerate(self._config.reward_models)
                if read_reward_model(part).scores_outcomes is outcomes
            ]
            found.append(ModelScorer(models, outcomes=outcomes) if models else None)
        self._scorers = [scorer for scorer in found if scorer is not None]
        for scorer in self._scorers:
            await scorer.start()
        return found

    def _reward_model(self, index: int) -> RewardModel:
        if actors := self._reward_actors[index]:
            use = self._config.reward_models[index].use
            return PooledModel(use, [actor.score.remote for actor in actors])
        return self._config.build_reward_model(index, self._inner_engine)

    async def work(self, lease: Lease) -> ShardReport:
        """Explores and writes a shard. Raises EngineDied, StorageError and FolderError."""
        return await self._work.work(lease)

    async def explore_last(self, shard: int, token: str, position: int) -> None:
        """Explores a problem that may kill the engine."""
        await self._work.explore_last(shard, token, position)

    async def lend(self, shard: int, token: str, number: int) -> list[int]:
        """Gives up to `number` problems that have not begun to another worker."""
        return self._work.lend(shard, token, number)

    async def take_back(self, shard: int, token: str, position: int) -> None:
        """Explores a lent problem here after all."""
        self._work.take_back(shard, token, position)

    async def accept(self, shard: int, token: str, position: int, encoded: EncodedTrace) -> bool:
        """Takes the result of a lent or copied problem; False if it comes too late."""
        return self._work.accept(shard, token, position, encoded)

    async def fail(self, shard: int, token: str, position: int, failure: Failure) -> None:
        """Takes the failure of a problem that another worker could not explore."""
        self._work.fail(shard, token, position, failure)

    async def help(self, problem: Problem, owner: Any, shard: int, token: str, position: int) -> bool:
        """Explores a problem of another worker's shard and sends it the result, directly."""
        encoded = await self._work.explore_for_another(problem)
        counted: bool = await owner.accept.remote(shard, token, position, encoded)
        return counted

    async def change_weights(self, model: str) -> str:
        """Samples with other weights from now on; returns their version. Raises WeightsRefused."""
        engine = self._inner_engine
        if not isinstance(engine, Updatable):
            raise WeightsRefused(
                f"expected an engine that can change its weights, got engine.use="
                f"{self._config.engine.use}; start a new run with engine.model={model}"
            )
        half_grown = self._config.cluster.half_grown
        async with self._work.pausing(half_grown):
            version = await engine.update_weights(model)
        _log.info("new weights: %s", version)
        return version

    async def status(self) -> WorkerStatus:
        """The state of its work."""
        unjudged = 0 if self._judge is None else self._judge.num_open
        status = replace(
            self._work.status(), process=this_process(), num_unjudged=unjudged, load=self._load
        )
        self._metrics.beat(status, self._load, self._engine.model_version)
        return status

    async def add_verifier(self, actor: Any) -> None:
        """Sends responses to another verifier's actor, too."""
        if isinstance(self._judge, PooledJudge):
            self._judge.add(actor.verify_batch.remote)
        else:
            self._verifier_actors.append(actor)  # this worker is still starting

    async def save(self) -> None:
        """Stores all work so far. Raises StorageError and FolderError."""
        await self._work.save()

    async def close(self) -> None:
        """Ends the processes of the engine, the verifier and the reward models."""
        for task in self._watching:
            task.cancel()
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._engine.close)
            closing.push_async_callback(self._majority.close)
            for part in (*self._scorers, self._judge):
                if part is not None:
                    closing.push_async_callback(part.close)

    async def _watch_load(self) -> None:
        """Looks at the engine's load, and if that is wanted, adjusts the number of places to it, until
        it is cancelled."""
        engine = self._inner_engine
        is_fitted = self._config.cluster.problems_in_flight == "auto"
        while isinstance(engine, ReportsLoad):
            await asyncio.sleep(_LOAD_SECONDS)
            if (now := await engine.load()) is None:
                continue
            if is_fitted and self._load is not None:
                self._places.resize(next_number(self._places, self._load, now))
            self._load = now

    async def _explore(
        self, problem: Problem, tree: Tree | None, on_tree: Callable[[Tree], None]
    ) -> EncodedTrace:
        began = time.monotonic()
        trace = await self._explorer.explore(problem, tree, on_tree)
        self._metrics.explored(trace, time.monotonic() - began)
        _log.info("%d rollouts, %d kept", len(trace.trajectories), len(trace.kept))
        failures: list[Failure] = []
        with collected(failures, Phase.STORE):
            views = self._config.dataset.stored_views
            return await aside(trace.tree, EncodedTrace.of, trace, self._config.view_rules, views)
        return self._failed(problem, failures[0])

    def _failed(self, problem: Problem, failure: Failure) -> EncodedTrace:
        self._metrics.failed(failure.phase)
        trace = failed_trace(problem, self._config.seed, failure)
        return EncodedTrace.of(trace, self._config.view_rules, self._config.dataset.stored_views)


def _storing(config: RunConfig) -> Storing:
    folder = RunFolder(config.output, {})
    return Storing(
        staging=folder.staging,
        checkpoints=folder.checkpoints,
        views=config.dataset.stored_views,
        seconds=config.cluster.checkpoint_seconds,
        num_bytes=config.cluster.buffer_bytes,
    )


def _check_visible(output: Path) -> None:
    """Raises FolderError if this machine does not see the run folder."""
    if not exists(output / "run.json"):
        raise FolderError(
            f"{output}: expected an output folder that every node of the cluster sees, but a worker's "
            "node does not; name a folder on shared storage or a URL such as s3://BUCKET/FOLDER"
        )
