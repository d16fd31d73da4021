"""A run in this process: a real driver and real workers, which can be killed, stopped and continued."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import yaml
from ray.exceptions import RayActorError, RayTaskError

from pipeline.cluster.actors import RolloutWorker
from pipeline.cluster.coordinator import Coordinator
from pipeline.cluster.leases import Lease, ShardReport
from pipeline.config import RunConfig, load_config
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineStartError
from pipeline.run import describe
from tests.conftest import make_problem
from tests.patience import until
from tests.unit.pipeline.config.test_config import MINIMAL

PROBLEMS = [make_problem(f"What is {n}?", str(n)) for n in range(40)]
SIZE = 4


class Method:
    """Answers `actor.METHOD.remote()`."""

    def __init__(self, actor: "Actor", name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *arguments: Any) -> "asyncio.Future[Any]":
        return asyncio.ensure_future(self._actor.call(self._name, arguments))


class Actor:
    """A real worker behind calls like Ray's; it can be killed, stopped and continued."""

    def __init__(self, worker: RolloutWorker) -> None:
        self._worker = worker
        self._dead, self._goes_on = asyncio.Event(), asyncio.Event()
        self._goes_on.set()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)

    async def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        answer = asyncio.ensure_future(self._answer(name, arguments))
        # Nobody waits for the answer of a dead actor. Without this, asyncio reports its exception when
        # the garbage collector finds it, in the middle of any later test.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        death = asyncio.ensure_future(self._dead.wait())
        try:
            await asyncio.wait([answer, death], return_when=asyncio.FIRST_COMPLETED)
            if self._dead.is_set():
                raise RayActorError
            return answer.result()
        finally:
            death.cancel()

    async def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        await self._goes_on.wait()
        try:
            result = await getattr(self._worker, name)(*arguments)
        except (asyncio.CancelledError, EngineStartError, RayActorError):
            raise
        except Exception as e:
            raise RayTaskError(name, "Traceback ...", e).as_instanceof_cause() from e
        # What it did while it was stopped is reported once it goes on.
        await self._goes_on.wait()
        return result

    def kill(self) -> None:
        self._dead.set()

    def stop(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()


class Crew:
    """Starts workers in this process."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.verifiers: list[Any] = []
        self.reward_actors: list[list[Any]] = []
        self.actors: list[Actor] = []
        self.on_start: Callable[[int], None] = lambda number: None

    async def check_head(self) -> None: ...

    def see_logs(self) -> str:
        return ""

    def restart(self, actor: "PoolActor", process: object) -> None:
        actor.restart(process)

    async def start_pools(self) -> None: ...

    def new_worker(self, number: int, engine: int = 0) -> Actor:
        actor = Actor(RolloutWorker(self._config.with_engine(engine), [], []))
        self.actors.append(actor)
        return actor

    async def started(self, actor: Actor) -> Any:
        self.on_start(self.actors.index(actor))
        return await actor.start.remote()

    async def end_worker(self, actor: Actor, process: object = None, *, closes: bool = True) -> None:
        actor.kill()


class PoolActor:
    """A verifier's actor that hangs until it is restarted, and then starts slowly."""

    def __init__(self, start_seconds: float) -> None:
        self._start_seconds = start_seconds
        self.hangs = False
        self._starts_until = 0.0
        self.restarted: list[object] = []

    @property
    def ping(self) -> "PoolActor":
        return self

    def remote(self) -> "asyncio.Future[object]":
        return asyncio.ensure_future(self._answer())

    async def _answer(self) -> object:
        await until(lambda: not self.hangs and time.monotonic() >= self._starts_until)
        return "process"

    def restart(self, process: object) -> None:
        self.restarted.append(process)
        self.hangs, self._starts_until = False, time.monotonic() + self._start_seconds


class Observer:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.events: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def event(self, kind: str, **facts: object) -> None:
        self.events.append(kind)


class Run:
    """A run folder, a crew and a coordinator."""

    def __init__(self, path: Path, *overrides: str, settings: dict[str, Any] | None = None) -> None:
        path.mkdir()
        (path / "config.yaml").write_text(yaml.safe_dump(settings or MINIMAL))
        keys = [
            f"output={path / 'out'}",
            *([] if settings else ["engine.token_seconds=0.0001"]),
            "cluster.workers=3",
            "cluster.problems_in_flight=3",
            "cluster.checkpoint_seconds=0.05",
            "cluster.silence_seconds=0.3",
            f"dataset.problems_per_part={SIZE}",
            *overrides,
        ]
        self.config = load_config(path / "config.yaml", keys)
        self.folder = RunFolder.claim(self.config.output, describe(self.config))
        self.folder.close()  # the lock alone
        self.crew, self.observer = Crew(self.config), Observer()
        self.published: list[int] = []
        shards = [
            Shard(index=n // SIZE, problems=tuple(PROBLEMS[n : n + SIZE]))
            for n in range(0, len(PROBLEMS), SIZE)
        ]
        self.coordinator = Coordinator(
            self.config, cast("Any", self.crew), shards, self.publish, self.observer
        )

    async def publish(self, lease: Lease, report: ShardReport) -> None:
        self.published.append(lease.shard.index)
        self.folder.commit(
            lease.shard.index,
            report.files,
            num_problems=len(lease.shard.problems),
            problems_digest=lease.shard.digest,
            counts=report.counts,
        )

    def data(self) -> dict[str, bytes]:
        data = self.config.output / "data"
        return {str(path.relative_to(data)): path.read_bytes() for path in data.glob("*/*")}
