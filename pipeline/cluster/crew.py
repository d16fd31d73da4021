"""The actors of a run on Ray: rollout workers, verifiers, reward models."""

import asyncio
import contextlib
import itertools
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from pipeline.cluster.actors import RewardActor, RolloutWorker, VerifierActor
from pipeline.cluster.leases import Process
from pipeline.cluster.lost import end_actor, kill, one_line
from pipeline.cluster.placement import (
    check_nodes,
    gpus_per_reward_actor,
    gpus_per_worker,
    has_room_for_verifier,
    num_actors,
    num_reward_actors,
)
from pipeline.cluster.ray_session import (
    ClusterError,
    Head,
    find_address,
    join_ray,
    start_ray,
    unblocked,
)
from pipeline.cluster.shipping import modules_to_ship
from pipeline.config import RunConfig
from pipeline.engines import EngineStartError
from pipeline.errors import RunFailure, is_machines
from pipeline.files.storage import is_local
from pipeline.logs import ActorLog, current_level
from reward_models.errors import RewardModelError
from sandbox import SandboxUnavailable

_REWARD_CALLS = 64
"""Concurrent calls to a reward actor: two per worker, plus `start` and `close`."""
_VERIFIER_SECONDS = 120.0
"""Time in which a verifier that is started during the run has to be ready."""
_WORKER_CALLS = 4096
"""Concurrent calls to a worker: one for each of its shards and each problem that it explores for
another worker, plus heartbeats."""


class Crew:
    """Starts and ends the actors of a run; an async context manager."""

    def __init__(self, config: RunConfig, log_folder: Path | None = None) -> None:
        # Actors may run in other folders.
        output = config.output.absolute() if is_local(config.output) else config.output
        self._config = config.model_copy(update={"output": output})
        self._log_folder = log_folder
        self._address = find_address(config.cluster.address)
        """The Ray cluster to join; None starts a local one."""
        self.verifiers: list[Any] = []
        self.reward_actors: list[list[Any]] = []
        """The actors of each of the config's reward models."""
        self._workers: dict[int, Any] = {}
        """Number -> newest actor."""
        self._redirections = contextlib.ExitStack()
        self._head: Head | None = None

    async def __aenter__(self) -> "Crew":
        try:
            self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def start_pools(self) -> None:
        """Starts the verifiers and reward models. Raises EngineStartError and ClusterError."""
        pools = [*self.verifiers, *itertools.chain(*self.reward_actors)]
        await asyncio.gather(*map(self.started, pools))

    async def another_verifier(self) -> Any | None:
        """Starts another verifier and tells the workers; None if the cluster has no room.

        Raises EngineStartError, ClusterError, and TimeoutError if its room is taken meanwhile.
        """
        if not await unblocked(has_room_for_verifier):
            return None
        actor = await unblocked(self._new_verifier)
        try:
            async with asyncio.timeout(_VERIFIER_SECONDS):
                await self.started(actor)
        except BaseException:  # also a cancelled start may not keep its room
            await unblocked(ray.kill, actor)
            raise
        # From here on new workers get it at their start, and all others now.
        self.verifiers.append(actor)
        for worker in self._workers.values():
            worker.add_verifier.remote(actor)
        return actor

    def new_worker(self, number: int, engine: int = 0) -> Any:
        """A worker's actor with one of the config's engines; Ray starts it when there is room."""
        config = self._config.with_engine(engine)
        worker = ray.remote(num_cpus=1, num_gpus=gpus_per_worker(config))(RolloutWorker)
        actor = worker.options(max_concurrency=_WORKER_CALLS).remote(
            config, self.verifiers, self.reward_actors, self._log(f"worker-{number}")
        )
        self._workers[number] = actor
        return actor

    async def started(self, actor: Any) -> Any:
        """Starts an actor and returns the result. Raises EngineStartError, or ClusterError for a fault
        of the machine."""
        try:
            return await actor.start.remote()
        except (EngineStartError, RewardModelError) as e:
            raise EngineStartError(f"{one_line(e)}{self.see_logs()}") from e
        except (RunFailure, SandboxUnavailable) as e:
            raise ClusterError(f"{one_line(e)}{self.see_logs()}") from e
        except RayTaskError as e:
            error = ClusterError if is_machines(e.cause) else EngineStartError
            raise error(
                f"a worker, verifier or reward model could not start: {one_line(e)}{self.see_logs()}"
            ) from e
        except RayActorError as e:
            if "creation task" in str(e):
                # The constructor of a part raised: a fault of the part or the config.
                raise EngineStartError(
                    f"a worker, verifier or reward model cannot be built: {one_line(e)}"
                    f"{self.see_logs()}"
                ) from e
            raise self._died(e) from e
        except RayError as e:
            raise self._died(e) from e

    async def watch_head(self, done: asyncio.Event) -> None:
        """Watches Ray's head until `done` is set. Raises HeadLost."""
        assert self._head is not None, "expected a crew that was started"
        await self._head.watch(done)

    async def check_head(self) -> None:
        """Raises HeadLost if the head is gone: Ray would block this process for a minute."""
        if self._head is not None and not await self._head.answers():
            raise self._head.lost()

    async def end_worker(
        self, actor: Any, process: Process | None = None, *, closes: bool = True
    ) -> None:
        """Ends a worker's actor; with `closes=False` at once, without a chance to end its engine."""
        await end_actor(actor, process, closes=closes)

    def restart(self, actor: Any, process: Process | None) -> None:
        """Kills a verifier's or reward model's actor; Ray starts it again and repeats its calls."""
        ray.kill(actor, no_restart=False)
        if process is not None:
            kill(process)

    async def close(self) -> None:
        """Ends the actors, and Ray if it was started here; calling it twice is fine."""
        if not ray.is_initialized():
            self._redirections.close()
            return
        if self._head is not None and not await self._head.answers():
            self._abandon(self._head)
            return
        await asyncio.gather(*map(end_actor, self._workers.values()))
        await asyncio.gather(*map(end_actor, itertools.chain(*self.reward_actors)))
        for actor in self.verifiers:
            ray.kill(actor)
        self._forget()
        ray.shutdown()
        self._redirections.close()

    def _abandon(self, head: Head) -> None:
        """Leaves a Ray whose head is gone, without any call to it."""
        if self._address is None:
            head.kill_family()
        self._forget()
        self._redirections.close()

    def _forget(self) -> None:
        self._workers, self.verifiers, self.reward_actors = {}, [], []

    def _open(self) -> None:
        if self._log_folder is not None:
            # Ray prints messages about its processes on the driver's standard output.
            try:
                self._log_folder.mkdir(parents=True, exist_ok=True)
                log = self._redirections.enter_context((self._log_folder / "ray.log").open("a"))
            except OSError as e:
                raise ClusterError(f"{self._log_folder}: cannot be written ({e.strerror})") from e
            self._redirections.enter_context(contextlib.redirect_stdout(log))
        if (address := self._address) is None:
            start_ray(num_actors(self._config))
        else:
            join_ray(address, modules_to_ship(self._config.parts()))
        self._head = Head()
        check_nodes(self._config)
        for _ in range(self._config.cluster.first_verifiers):
            self.verifiers.append(self._new_verifier())
        self.reward_actors = [
            [self._new_reward_actor(index, number) for number in range(count)]
            for index, count in enumerate(num_reward_actors(self._config))
        ]

    def _new_verifier(self) -> Any:
        verifier = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=3)(VerifierActor)
        return verifier.remote(self._config, self._log(f"verifier-{len(self.verifiers)}"))

    def _new_reward_actor(self, index: int, number: int) -> Any:
        # A restart loads the model again; a batch that killed two actors is not sent again.
        actor = ray.remote(
            num_cpus=1,
            num_gpus=gpus_per_reward_actor(self._config),
            max_restarts=-1,
            max_task_retries=1,
        )(RewardActor)
        return actor.options(max_concurrency=_REWARD_CALLS).remote(
            self._config, index, self._log(f"reward-model-{index}-{number}")
        )

    def _log(self, process: str) -> ActorLog:
        folder = self._log_folder
        file = None if folder is None else str(folder.absolute() / f"{process}.log")
        return ActorLog(process=process, level=current_level(), file=file)

    def _died(self, error: RayError) -> ClusterError:
        return ClusterError(
            f"a worker, verifier or reward model died during its start: {one_line(error)}"
            f"{self.see_logs()}"
        )

    def see_logs(self) -> str:
        """The end of a message that sends the user to the logs."""
        return f"; see {self._log_folder}" if self._log_folder is not None else ""
