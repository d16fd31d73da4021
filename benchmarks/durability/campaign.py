"""One long run into which faults are injected until it has had enough of them; then it is compared.

    python -m benchmarks.durability.campaign FOLDER SEED AMOUNTS OPTIONS

prints a `Report` as JSON; AMOUNTS and OPTIONS are JSON, too. FOLDER should be on a file system of its
own, small enough to fill.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.durability.comparison import explained_by_a_loss, files_of, left_in, rows_of
from benchmarks.durability.driver import END_BEFORE, FOLDER, STEPS_FILE
from benchmarks.durability.faults import FAULTS, Injected, NotNow
from benchmarks.durability.nodes import MARK, Nodes, marked, wait_for
from benchmarks.durability.parts import HANG_FILE
from benchmarks.measure import CONFIGS
from pipeline.datasets.folder import FolderError, RunFolder

_NUM_ACTORS = {"worker": 3, "verifier": 2, "reward actor": 1}
_PARTS = "benchmarks.durability.parts"
_RUN = [
    "cluster.workers=3",
    "cluster.verifier_actors=2",
    "cluster.silence_seconds=3",
    "cluster.checkpoint_seconds=1",
    "cluster.attempts=1000",  # each killed worker counts as an attempt of its problems
    "dataset.problems_per_part=4",
    "dataset.part_bytes=200000",
    f"verifier.use={_PARTS}:Verifier",
    f"reward_models=[{{use: '{_PARTS}:Prm'}}]",
]
_WORK = ["engine.token_seconds=0.03", "cluster.problems_in_flight=4"]
_REST = "cluster.problems_in_flight=64"
_LOOK_SECONDS = 0.25
_AT_ONCE = 3
"""Most faults from which the run is recovering."""
_LEFT_SECONDS = 15.0
"""Time for processes to end after a run."""
_STATUSES = {0, 3, 130, -9, -15}
"""Exit statuses of a driver that a fault may have ended, or that is done; -15 while Python starts."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a campaign."""

    faults: list[Injected]
    problems: int
    lost: int
    doubled: int
    changed: list[str]
    """Problems whose rows are others, though no fault of a verifier or reward model explains it."""
    errors: int
    """Problems with a verdict ERROR, or without scores, for the loss of a verifier or reward actor."""
    files_left: list[str]
    processes_left: list[str]
    complaints: list[str]
    """What else went wrong, such as a driver's unexpected last line."""
    seconds: float = 0.0
    last_lines: list[str] = field(default_factory=list)
    """Of the last driver."""


class Campaign:
    """A run that is disturbed."""

    def __init__(self, folder: Path, seed: int, num_problems: int, num_nodes: int = 3) -> None:
        self.chance = random.Random(seed)
        self.out, self._folder = folder / "disturbed", folder
        self.hang_file = folder / "hang"
        self.disk = folder if os.path.ismount(folder) else None
        os.environ[HANG_FILE] = str(self.hang_file)
        self._problems = num_problems
        self.nodes = Nodes(num_nodes)
        self.driver: subprocess.Popen[bytes] | None = None
        self._num_drivers = 0
        self._end_before = ""
        self._options = _WORK
        self.injected: list[Injected] = []
        self.complaints: list[str] = []
        self._num_committed = 0
        self.merge_steps: list[str] = []
        """Steps of merging before which a driver ends."""
        self.steps: list[str] = []
        """All steps of an undisturbed run."""
        self._logs = Path(tempfile.mkdtemp(prefix="durability-"))

    # -- the driver ------------------------------------------------------------------------------

    def _command(self, out: Path, *options: str) -> list[str]:
        command = [sys.executable, "-m", "benchmarks.durability.driver", "run"]
        size = f"problems.size={self._problems}"
        return [*command, str(CONFIGS / "simulated.yaml"), f"output={out}", size, *_RUN, *options]

    def undisturbed(self) -> Path:
        """Runs the same problems without faults; notes the steps of commits."""
        out, steps = self._folder / "whole", self._folder / "steps.json"
        # How fast the engine is changes no row.
        options = ["engine.token_seconds=0", _REST, "--address", self.nodes.address]
        command = self._command(out, *options)
        environment = os.environ | {FOLDER: str(out), STEPS_FILE: str(steps)}
        with self._log().open("ab") as log:
            subprocess.run(command, env=environment, check=True, stdout=log, stderr=log)
        self.steps = sorted(json.loads(steps.read_text()))
        return out

    def _log(self) -> Path:
        return self._folder / "driver.log"

    def _start_driver(self) -> None:
        self._num_drivers += 1
        if self._options is not _WORK and self.merge_steps:
            self._end_before = f"{self.merge_steps.pop(0)}|1"
        self._ends_before = self._end_before.partition("|")[0]
        command = self._command(self.out, *self._options, "--address", self.nodes.address)
        environment = os.environ | {FOLDER: str(self.out), END_BEFORE: self._end_before}
        self._end_before = ""
        # A log that cannot grow would only show that the disk is full.
        self._said = self._logs / f"driver-{self._num_drivers}.log"
        with self._said.open("wb") as said:
            self.driver = subprocess.Popen(command, env=environment, stdout=said, stderr=said)

    def signal_driver(self, number: int) -> None:
        """Sends the driver a signal."""
        if self.driver is None or self.driver.poll() is not None:
            raise NotNow
        self.driver.send_signal(number)

    def restart_nodes(self) -> None:
        """Waits for the driver, which loses its cluster, and starts another one."""
        if self.driver is not None:
            self.driver.wait()
        self.nodes.end()
        self.nodes.start()

    # -- the loop --------------------------------------------------------------------------------

    def run(self, plan: Sequence[str], seconds: float, pause: float) -> None:
        """Injects the faults of the plan, also while the run recovers from earlier ones."""
        queue, ends, next_at = list(plan), time.monotonic() + seconds, 0.0
        self._start_driver()
        while True:
            now = time.monotonic()
            if self.driver is not None and self.driver.poll() is not None:
                self._check_ended()
                if self.driver.returncode == 0:
                    break
                self._start_driver()
            if not queue or now > ends:
                if self._options is _WORK and not self._is_disturbed():
                    # The rest of the problems, at once.
                    self._options = [_WORK[0], _REST]
                    self.signal_driver(signal.SIGTERM)
            elif now >= next_at and (name := self._next(queue)) is not None:
                queue.remove(name)
                next_at = now + pause * self.chance.uniform(0.3, 1.7)
            self._look()
            time.sleep(_LOOK_SECONDS)
        self._finish_faults()

    def _is_disturbed(self) -> bool:
        return any(one.undo_at is not None or one.seconds is None for one in self.injected)

    def _next(self, queue: Sequence[str]) -> str | None:
        """Injects the first fault that is possible now; its name."""
        possible = (name for name in dict.fromkeys(queue) if self._may_inject(name))
        return next((name for name in possible if self._inject(name)), None)

    def _may_inject(self, name: str) -> bool:
        """A driver is ended only while it works; a second disk cannot be filled."""
        waiting = [one for one in self.injected if one.seconds is None and _of_driver(one.name)]
        if sum(one.seconds is None for one in self.injected) >= _AT_ONCE:
            return False
        if _of_driver(name):
            return not waiting and self._is_at_work()
        return not any(one.name == name and one.undo_at is not None for one in self.injected)

    def _is_at_work(self) -> bool:
        return bool(self.nodes.actors("worker")) and self.driver is not None

    def _inject(self, name: str) -> bool:
        done = Injected(
            name=name, at=time.monotonic(), commits=self._commits(), driver=self._num_drivers
        )
        if name.startswith("driver killed before"):
            # The next driver is to end at a step; the present one makes room for it.
            step = name.removeprefix("driver killed before ")
            self._end_before = f"{step}|{self.chance.randint(1, 2 if ' data/' in step else 1)}"
            assert self.driver is not None, "expected a driver at work, see _may_inject"
            self.driver.kill()
            self.driver.wait()
            self._start_driver()
            done.driver = self._num_drivers
        else:
            try:
                undo = FAULTS[name].inject(self)
            except (NotNow, psutil.NoSuchProcess):
                return False
            if undo is not None:
                done.undo_at, done.act = done.at + undo.seconds, undo.act
        self.injected.append(done)
        return True

    def _look(self) -> None:
        now, is_full = time.monotonic(), self._is_complete()
        for one in self.injected:
            if one.undo_at is not None and now >= one.undo_at:
                one.act()
                one.undo_at = None
            if one.seconds is not None or one.undo_at is not None or not is_full:
                continue
            if _of_driver(one.name) and self._commits() <= one.commits:
                continue
            one.seconds = now - one.at

    def _finish_faults(self) -> None:
        for one in self.injected:
            if one.undo_at is not None:
                one.act()
                one.undo_at = None
            if one.seconds is None:
                one.seconds = time.monotonic() - one.at

    def _is_complete(self) -> bool:
        """Whether a driver and all its actors are there."""
        if self.driver is None or self.driver.poll() is not None:
            return False
        return all(len(self.nodes.actors(kind)) >= number for kind, number in _NUM_ACTORS.items())

    def _commits(self) -> int:
        """Shards committed so far; 0 before the first."""
        with contextlib.suppress(FolderError):  # it is not there yet
            self._num_committed = max(self._num_committed, RunFolder.read(self.out).parts.num_shards)
        return self._num_committed

    def _check_ended(self) -> None:
        """Checks what a driver left, and how it ended."""
        assert self.driver is not None
        said, status = self._said.read_text(errors="replace"), self.driver.returncode
        lines = [line for line in said.splitlines() if line.strip()]
        if status == -9 and self._options is not _WORK:
            began = time.monotonic()
            name = f"driver killed before {self._ends_before}"
            self.injected.append(Injected(name=name, at=began, driver=self._num_drivers))
        if status not in _STATUSES or "Traceback" in said:
            self.complaints.append(f"status {status}: {' / '.join(lines[-3:])}")
        if (self.out / "run.json").exists():
            shards = RunFolder.read(self.out).parts.num_shards
            if shards < self._num_committed:
                self.complaints.append(
                    f"committed shards shrank from {self._num_committed} to {shards}"
                )

    # -- the end ---------------------------------------------------------------------------------

    def report(self, whole: Path) -> Report:
        """Compares the run with one that nothing disturbed, and looks for what was left behind."""
        wanted, got = rows_of(whole), rows_of(self.out)
        counts = Counter(problem for problem, _ in got)
        rows = dict(got)
        changed, errors = [], 0
        for problem, row in wanted:
            if problem in rows and rows[problem] != row:
                if explained_by_a_loss(rows[problem]):
                    errors += 1
                else:
                    changed.append(problem)
        if not errors and not changed and files_of(whole) != files_of(self.out):
            changed.append("the bytes of the files")
        self.nodes.end()
        wait_for(lambda: not list(marked()), _LEFT_SECONDS)
        return Report(
            faults=self.injected,
            problems=len(wanted),
            lost=sum(problem not in rows for problem, _ in wanted),
            doubled=sum(number - 1 for number in counts.values()),
            changed=changed,
            errors=errors,
            files_left=left_in(self.out),
            processes_left=[" ".join(one.cmdline()[:4]) for one in marked()],
            complaints=self.complaints,
            last_lines=self._said.read_text().splitlines()[-30:],
        )


def _of_driver(name: str) -> bool:
    return name not in FAULTS or FAULTS[name].of_driver


def plan(chance: random.Random, amounts: Mapping[str, int]) -> list[str]:
    """The names of faults, each as often as given, in a random order."""
    names = [name for name, number in amounts.items() for _ in range(number)]
    chance.shuffle(names)
    return names


_MERGES = (
    "mkdir .staging/merged",
    "open .staging/merged/trees.parquet",
    "open .staging/merged/traces.parquet",
    "open journal/.part-.json",
    "rename journal/part-.json",
    "rename data/trees/part-.parquet",
    "rename data/traces/part-.parquet",
    "remove data/trees/part-.parquet",
    "remove data/traces/part-.parquet",
    "rmdir .staging/merged",
    "open journal/.folded-.jsonl",
    "rename journal/folded-.jsonl",
    "remove journal/folded-.jsonl",
    "remove journal/part-.json",
    "rmdir .staging",
    "open journal/.complete.json",
    "rename journal/complete.json",
)
COMMIT_STEPS = (
    "open .run.json",
    "rename run.json",
    "open intake/.problems-.index",
    "rename intake/problems-.index",
    "rename data/trees/part-.parquet",
    "rename data/traces/part-.parquet",
    "open journal/.part-.json",
    "rename journal/part-.json",
    "rmdir .staging/part-N",
    "open journal/.folded-.jsonl",
    "rename journal/folded-.jsonl",
    "remove journal/part-.json",
    "open .README.md",
    "rename README.md",
)


def campaign(folder: Path, seed: int, amounts: Mapping[str, int], options: Mapping[str, Any]) -> Report:
    """A whole campaign in an empty folder."""
    began = time.monotonic()
    os.environ[MARK] = f"{os.getpid()}-{began}"
    # Else Ray would look for another address of this machine than that of loopback.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_AUTH_MODE"] = "disabled"
    chaos = Campaign(folder, seed, options["problems"], options.get("nodes", 3))
    try:
        whole = chaos.undisturbed()
        if options.get("merges", True):
            chaos.merge_steps = list(_MERGES)
        injected = plan(chaos.chance, amounts)
        chaos.run(injected, options["seconds"], options["pause"])
        report = chaos.report(whole)
    finally:
        chaos.nodes.end()
        if chaos.driver is not None:
            chaos.driver.kill()
            chaos.driver.wait()
    report.seconds = time.monotonic() - began
    return report


def main(arguments: Sequence[str]) -> None:
    """Runs a campaign and prints its report."""
    folder, seed, amounts, options = arguments
    print(
        json.dumps(
            asdict(campaign(Path(folder), int(seed), json.loads(amounts), json.loads(options))),
            default=str,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
