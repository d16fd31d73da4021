"""The run on Ray: rollout workers that own engines, actors that judge and score, leases, replacements.

The driver leases problems one at a time. A worker has as many places as it explores problems at once;
a lease takes a free place, so idle workers get the next problems and nothing waits in a worker's queue.

    who                       waits for                      is woken by
    Cluster.explore           a free place, then its trace   a returned place; the worker's answer
    RolloutWorker.explore     its own expansions             the engine, verdicts and scores
    Batcher's senders         questions, then answers        explore; a verifier or reward actor

When an engine or its actor dies, the first lease that notices replaces the actor; every lease it held
goes back and is taken up again, `cluster.attempts` times at most. The last attempts are made one at a
time: a problem that kills engines is given up, those that were explored beside it are not, unless
another killer comes just then.
"""

import asyncio
import contextlib
import itertools
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from pipeline.actors import RewardActor, RolloutWorker, VerifierActor
from pipeline.config import RunConfig
from pipeline.datasets.views import EncodedTrace
from pipeline.engines import EngineDied, EngineStartError
from pipeline.engines.metered import Usage
from pipeline.ray_session import AddressError, ClusterError, Head, join_ray, start_ray
from pipeline.records import Problem, Trace
from pipeline.seeds import derive_seed
from pipeline.shipping import modules_to_ship
from pipeline.tree import Tree
from reward_models.errors import RewardModelError

_CLOSE_SECONDS = 10.0
_STATS_SECONDS = 1.0
_REWARD_CALLS = 64
"""Calls to a reward actor at once: two of each worker's, and `start` and `close`."""
_REPLACE_SECONDS = 1800.0


class _Seat:
    """A worker's place in the cluster; actors come and go on it."""

    def __init__(self, number: int, actor: Any) -> None:
        self.number = number
        self.actor = actor
        self.replacing = asyncio.Lock()
        self._before = Usage()
        """Of this seat's earlier actors, as last reported."""
        self._now = Usage()

    @property
    def usage(self) -> Usage:
        """Of all actors that have had this seat, as last reported."""
        return self._before + self._now

    async def poll(self) -> None:
        """Asks the actor what it has used; one that does not answer keeps its last figures."""
        actor = self.actor
        with contextlib.suppress(RayActorError, TimeoutError):
            async with asyncio.timeout(_STATS_SECONDS):
                now: Usage = await actor.usage.remote()
            # The answer of an actor that was replaced meanwhile is in `_before`.
            if self.actor is actor:
                self._now = now

    def give_to(self, actor: Any) -> None:
        """Puts a new actor on the seat."""
        self._before, self._now = self.usage, Usage()
        self.actor = actor


class Cluster:
    """The actors of a run; to be used as `async with`."""

    def __init__(self, config: RunConfig, log_folder: Path | None = None) -> None:
        self._config = config
        self._log_folder = log_folder
        self._seats: list[_Seat] = []
        self._verifier_actors: list[Any] = []
        self._reward_actors: list[list[Any]] = []
        """Of each of the config's reward models."""
        self._places: asyncio.Queue[_Seat] = asyncio.Queue()
        self._last_attempt = asyncio.Lock()
        """Held by a problem on its last attempt: there is one such at a time, so that an engine's
        death then tells which problem it dies of."""
        self._redirections = contextlib.ExitStack()
        self._num_restarts = 0
        self._head: Head | None = None
        self.notes: tuple[str, ...] = ()
        """What the engines chose for the machines they run on, a line each."""

    @property
    def capacity(self) -> int:
        """Problems that can be explored at once."""
        return self._config.cluster.workers * self._config.cluster.problems_in_flight

    async def __aenter__(self) -> "Cluster":
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def explore(self, problem: Problem) -> EncodedTrace:
        """Leases a problem to a free worker until it is done or its attempts are used up.

        Raises ClusterError if the work itself fails, EngineStartError if a dead engine cannot be
        started again.
        """
        attempts = self._config.cluster.attempts
        reason = ""
        for attempt in range(1, attempts + 1):
            # Whoever is on the last attempt may be what kills engines, or may have been beside it.
            last = self._last_attempt if 1 < attempt == attempts else contextlib.nullcontext()
            async with last:
                seat = await self._places.get()
                async with seat.replacing:
                    # A dead actor's free places must not cost the next leases an attempt.
                    actor = seat.actor
                try:
                    encoded: EncodedTrace = await actor.explore.remote(problem)
                except (EngineDied, RayActorError) as e:
                    reason = _one_line(e)
                    await self._replace(seat, actor)
                except RayTaskError as e:
                    raise ClusterError(
                        f"exploring problem {problem.id} failed: {_one_line(e.cause)}{self._see_logs()}"
                    ) from e
                else:
                    return encoded
                finally:
                    self._places.put_nowait(seat)
        return EncodedTrace.of(_given_up(problem, self._config, reason))

    def take_restarts(self) -> int:
        """Workers that were replaced, because they or their engines died, since the last call."""
        taken, self._num_restarts = self._num_restarts, 0
        return taken

    async def usage(self) -> Usage:
        """What sampling took so far, by all workers, those that were replaced included."""
        for seat in self._seats:
            await seat.poll()
        return sum((seat.usage for seat in self._seats), Usage())

    async def watch_head(self, done: asyncio.Event) -> None:
        """Waits for `done`, and looks after Ray's head meanwhile. Raises HeadLost."""
        assert self._head is not None, "expected a cluster that was started"
        await self._head.watch(done)

    async def close(self) -> None:
        """Ends the actors, and Ray itself if it was started here; calling it twice is fine."""
        if not ray.is_initialized():
            self._redirections.close()
            return
        if self._head is not None and not await self._head.answers():
            self._abandon(self._head)
            return
        await asyncio.gather(*(_end(seat.actor) for seat in self._seats))
        await asyncio.gather(*map(_end, itertools.chain(*self._reward_actors)))
        for actor in self._verifier_actors:
            ray.kill(actor)
        self._seats, self._verifier_actors, self._reward_actors = [], [], []
        ray.shutdown()
        self._redirections.close()

    def _abandon(self, head: Head) -> None:
        """Leaves a Ray whose head is gone, without asking it for anything."""
        if self._config.cluster.address is None:
            head.kill_family()
        self._seats, self._verifier_actors, self._reward_actors = [], [], []
        self._redirections.close()

    async def _start(self) -> None:
        if self._log_folder is not None:
            # Ray prints what befell its processes on the driver's standard output.
            try:
                self._log_folder.mkdir(parents=True, exist_ok=True)
                log = self._redirections.enter_context((self._log_folder / "ray.log").open("a"))
            except OSError as e:
                raise ClusterError(f"{self._log_folder}: cannot be written ({e.strerror})") from e
            self._redirections.enter_context(contextlib.redirect_stdout(log))
        if (address := self._config.cluster.address) is None:
            start_ray(_num_actors(self._config))
        else:
            join_ray(address, modules_to_ship(self._config.parts()))
        self._head = Head()
        _check_resources(self._config)
        verifier_actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=3)(VerifierActor)
        self._verifier_actors = [
            verifier_actor.remote(self._config, self._log_file(f"verifier-{number}"))
            for number in range(self._config.cluster.verifier_actors)
        ]
        self._reward_actors = [
            [self._new_reward_actor(index, number) for number in range(count)]
            for index, count in enumerate(_num_reward_actors(self._config))
        ]
        self._seats = [
            _Seat(number, self._new_worker(number)) for number in range(self._config.cluster.workers)
        ]
        workers = [seat.actor for seat in self._seats]
        others = [*self._verifier_actors, *itertools.chain(*self._reward_actors)]
        notes, *_ = await asyncio.gather(
            asyncio.gather(*(self._started(worker) for worker in workers)),
            *(self._started(actor) for actor in others),
        )
        self.notes = tuple(dict.fromkeys(itertools.chain(*notes)))
        for _ in range(self._config.cluster.problems_in_flight):
            for seat in self._seats:
                self._places.put_nowait(seat)

    def _new_reward_actor(self, index: int, number: int) -> Any:
        # A restart loads the model anew; a batch that has killed two actors is not sent again.
        actor = ray.remote(
            num_cpus=1,
            num_gpus=_gpus_per_reward_actor(self._config),
            max_restarts=-1,
            max_task_retries=1,
        )(RewardActor)
        return actor.options(max_concurrency=_REWARD_CALLS).remote(
            self._config, index, self._log_file(f"reward-model-{index}-{number}")
        )

    def _log_file(self, name: str) -> str | None:
        return None if self._log_folder is None else str(self._log_folder.absolute() / f"{name}.log")

    def _new_worker(self, number: int) -> Any:
        worker = ray.remote(num_cpus=1, num_gpus=_gpus_per_worker(self._config))(RolloutWorker)
        # The calls of `usage` and `close` come on top of the problems.
        concurrency = self._config.cluster.problems_in_flight + 4
        return worker.options(max_concurrency=concurrency).remote(
            self._config, self._verifier_actors, self._reward_actors, self._log_file(f"worker-{number}")
        )

    async def _started(self, actor: Any) -> Any:
        """What the actor's `start` returns."""
        try:
            return await actor.start.remote()
        except (EngineStartError, RewardModelError) as e:
            raise EngineStartError(f"{_one_line(e)}{self._see_logs()}") from e
        except (RayActorError, RayTaskError) as e:
            raise EngineStartError(
                f"a worker, verifier or reward model could not start: {_one_line(e)}{self._see_logs()}"
            ) from e

    async def _replace(self, seat: _Seat, dead: Any) -> None:
        """Puts a new worker on the seat; only the first of the leases that lost `dead` does it."""
        async with seat.replacing:
            if seat.actor is not dead:
                return
            if self._head is not None and not await self._head.answers():
                # Ray would wait for its head for a minute, and this process with it.
                raise self._head.lost()
            self._num_restarts += 1
            # Where only the engine died, its worker still knows.
            await seat.poll()
            await _end(dead)
            actor = self._new_worker(seat.number)
            try:
                async with asyncio.timeout(_REPLACE_SECONDS):
                    await self._started(actor)
            except TimeoutError as e:
                raise ClusterError(
                    f"worker {seat.number} died and a new one did not start within "
                    f"{_REPLACE_SECONDS:.0f} seconds; has the cluster lost a node?{self._see_logs()}"
                ) from e
            seat.give_to(actor)

    def _see_logs(self) -> str:
        return f"; see {self._log_folder}" if self._log_folder is not None else ""


def _check_resources(config: RunConfig) -> None:
    """Raises AddressError for a cluster that is too small: actors would wait there for ever."""
    cluster = config.cluster
    num_reward_actors = sum(_num_reward_actors(config))
    needed = {
        "CPU": float(_num_actors(config)),
        "GPU": cluster.workers * _gpus_per_worker(config)
        + num_reward_actors * _gpus_per_reward_actor(config),
    }
    there = ray.cluster_resources()
    for resource, amount in needed.items():
        if there.get(resource, 0) < amount:
            raise AddressError(
                f"expected a cluster with {amount:g} {resource}s for {cluster.workers} workers, "
                f"{cluster.verifier_actors} verifier actors and {num_reward_actors} reward actors, got "
                f"{there.get(resource, 0):g}; lower cluster.workers, cluster.verifier_actors, "
                "cluster.reward_actors, cluster.gpus_per_worker or cluster.gpus_per_reward_actor"
            )


def _num_reward_actors(config: RunConfig) -> list[int]:
    """Of each of the reward models."""
    return [config.num_reward_actors(index) for index in range(len(config.reward_models))]


def _num_actors(config: RunConfig) -> int:
    return config.cluster.workers + config.cluster.verifier_actors + sum(_num_reward_actors(config))


def _gpus_per_reward_actor(config: RunConfig) -> float:
    if config.cluster.gpus_per_reward_actor is not None:
        return config.cluster.gpus_per_reward_actor
    return 1.0 if ray.cluster_resources().get("GPU") else 0.0


def _gpus_per_worker(config: RunConfig) -> float:
    if config.cluster.gpus_per_worker is not None:
        return config.cluster.gpus_per_worker
    if config.engine.use != "vllm" or not ray.cluster_resources().get("GPU"):
        return 0
    options = getattr(config.engine.options, "options", {})
    return float(options.get("tensor_parallel_size", 1))


async def _end(actor: Any) -> None:
    """Asks the actor to end its processes, then kills it."""
    with contextlib.suppress(Exception):  # it may be dead already, which is what we are here for
        await asyncio.wait_for(actor.close.remote(), _CLOSE_SECONDS)
    ray.kill(actor)


def _given_up(problem: Problem, config: RunConfig, reason: str) -> Trace:
    error = f"given up after {config.cluster.attempts} attempts, the last: {reason}"
    seed = derive_seed(config.seed, problem.id)
    return Trace(problem=problem, seed=seed, tree=Tree((), "", seed), trajectories=(), errors=(error,))


def _one_line(error: BaseException) -> str:
    """The error's own message, without the traceback that Ray puts into it."""
    if isinstance(error, RayTaskError):
        error = error.cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, RayActorError) and "creation task" in str(error):
        # What the actor's own code raised stands below Ray's words and the traceback.
        return lines[-1]
    return lines[0] if lines else type(error).__name__
