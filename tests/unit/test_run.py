"""The driver's loop, with a cluster that answers at once."""

import asyncio
import contextlib
from pathlib import Path

import pytest
import yaml

from pipeline.config import load_config
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.parts import Parts
from pipeline.datasets.views import EncodedTrace
from pipeline.engines.metered import Usage
from pipeline.records import Problem, Trace
from pipeline.run import Snapshot, _Run, describe
from pipeline.tree import Tree
from tests.conftest import make_problem
from tests.unit.test_config import MINIMAL


class Quiet:
    """A progress display that shows nothing."""

    def message(self, text: str) -> None: ...

    def update(self, snapshot: Snapshot) -> None: ...


class DeafCluster:
    """Explores at once, and swallows cancellations in `usage`, as an actor's call may."""

    capacity = 2

    async def explore(self, problem: Problem) -> EncodedTrace:
        await asyncio.sleep(0)
        return EncodedTrace.of(Trace(problem=problem, seed=0, tree=Tree((), ""), trajectories=()))

    def take_restarts(self) -> int:
        return 0

    async def watch_head(self, done: asyncio.Event) -> None:
        await done.wait()

    async def usage(self) -> Usage:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.2)
        return Usage(num_tokens=7)


async def test_a_run_ends_although_its_report_cannot_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.run._TICK_SECONDS", 0.001)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(MINIMAL))
    config = load_config(tmp_path / "config.yaml", [f"output={tmp_path / 'out'}"])
    folder = RunFolder.claim(config.output, describe(config))
    run = _Run(config, folder, Quiet())
    run._parts = Parts(folder, 2)
    leases = run._parts.leases([make_problem(f"Problem {n}?") for n in range(30)])
    cluster = DeafCluster()
    await run._explore_all(cluster, next(leases), leases)  # type: ignore[arg-type] # a stand-in
    assert folder.counts["problems"] == 30
    folder.close()
