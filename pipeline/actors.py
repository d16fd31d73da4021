"""What runs in a cluster's processes: plain classes, which `cluster.py` makes Ray actors of."""

import os
import sys
import traceback
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.datasets.views import EncodedTrace
from pipeline.engines import EngineDied, EngineStartError, MessageMatcher
from pipeline.engines.metered import MeteredEngine, Usage
from pipeline.engines.steps import StepSplitter
from pipeline.explore import Explorer
from pipeline.judging import LocalJudge, PooledJudge, Response
from pipeline.majority import Majority
from pipeline.prune import Pruner
from pipeline.records import Problem
from pipeline.reward_pool import HostedModel, PooledModel
from pipeline.scoring import ModelScorer, scores_outcomes
from reward_models import RewardModel
from verifiers import Verdict
from verifiers.border import TRACEBACKS


class VerifierActor:
    """Judges batches of responses on a CPU of the cluster."""

    def __init__(self, config: RunConfig, log_file: str | None) -> None:
        if log_file is not None:
            redirect_output(Path(log_file))
        self._judge = LocalJudge(config.build_verifier())

    async def start(self) -> None:
        """Gets the verifier ready. Raises what the verifier does."""
        await self._judge.start()

    async def verify_batch(self, batch: list[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        return await self._judge.verify_batch(batch)


class RewardActor(HostedModel):
    """Scores batches of steps with one of the config's reward models."""

    def __init__(self, config: RunConfig, index: int, log_file: str | None) -> None:
        if log_file is not None:
            redirect_output(Path(log_file))
        super().__init__(lambda: config.build_reward_model(index))


class RolloutWorker:
    """Owns an engine and explores problems with it."""

    def __init__(
        self,
        config: RunConfig,
        verifier_actors: list[Any],
        reward_actors: list[list[Any]],
        log_file: str | None,
    ) -> None:
        """`reward_actors` has the actors of each reward model, none for those to be in this process."""
        if log_file is not None:
            redirect_output(Path(log_file))
        self._config = config
        self._verifier_actors = verifier_actors
        self._reward_actors = reward_actors
        self._inner_engine = config.engine.build(config.prompt, config.seed)
        self._engine = MeteredEngine(self._inner_engine)
        self._scorers: list[ModelScorer] = []
        self._judge: LocalJudge | PooledJudge | None = None
        self._majority = Majority(config.labels.majority)

    async def start(self) -> tuple[str, ...]:
        """Loads the models; returns the engine's notes. Raises EngineStartError."""
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
            splitter=StepSplitter(config.steps),
            strategy=config.build_strategy(),
            judge=judge,
            majority=self._majority,
            pruner=Pruner(config.prune),
            sampling=config.sampling,
            seed=config.seed,
            scorer=scorer,
            outcome_scorer=outcome_scorer,
            branch_pruning=config.branch_pruning,
            matcher=self._inner_engine if isinstance(self._inner_engine, MessageMatcher) else None,
        )
        return self._engine.notes

    def _check_tokenizers(self) -> None:
        """Raises EngineStartError for a reward model that reads another tokenizer's ids."""
        solvers = getattr(self._inner_engine, "tokenizer_digest", None)
        for index, part in enumerate(self._config.reward_models):
            of_model = getattr(part.cls, "tokenizer_digest", None)
            wanted = None if of_model is None else of_model(part.options)
            if None not in (solvers, wanted) and solvers != wanted:
                raise EngineStartError(
                    f"reward_models.{index}: expected a model that was trained on this solver's token "
                    f"ids, got one for another tokenizer ({getattr(part.options, 'model', part.use)})"
                )

    async def _start_scorers(self) -> list[ModelScorer | None]:
        """What scores steps, and what scores complete responses; None where no model does."""
        found: list[ModelScorer | None] = []
        for outcomes in (False, True):
            models = [
                self._reward_model(index)
                for index, part in enumerate(self._config.reward_models)
                if scores_outcomes(part) is outcomes
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
            for part in (*self._scorers, self._judge):
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
    # Of the verifier's processes too, which inherit it.
    os.environ.setdefault(TRACEBACKS, "1")
