"""The runs that the viewer shows, each with its index, its newest state, and what people say."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.datasets.counts import PASS_RATES
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Agreement, Judgements, agreement_facts
from pipeline.errors import BerryError, UserMistake
from pipeline.files.locks import has_writer
from pipeline.inspection.selections import read_selections
from pipeline.inspection.ui.index import ProblemIndex, ProblemTable
from pipeline.inspection.ui.query import SORTS

_log = logging.getLogger(__name__)
_FRESH_SECONDS = 2.0
"""A run that is not complete is read again after this time, when somebody asks."""
_MOST_REASONS = 30


class UnknownName(UserMistake):
    """An address names what does not exist."""


class OpenRun:
    """A run folder that is shown."""

    def __init__(self, name: str, path: Path) -> None:
        """Reads its run.json and journal. Raises FolderError and StorageError."""
        self.name, self.path = name, path
        self.reader = RunReader.open(path)
        self.index = ProblemIndex(path)
        self.judgements = Judgements(path)
        self.error: str | None = None
        """Why the folder can no longer be read."""
        self._read_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    @property
    def table(self) -> ProblemTable:
        """The problems that are read so far."""
        return self.index.table

    def refresh(self) -> None:
        """Begins to read what is new, in a thread, unless that is under way or was done just now.

        A complete run is read once.
        """
        if self._task is not None and not self._task.done():
            return
        is_old = time.monotonic() - self._read_at > _FRESH_SECONDS
        is_first = self._task is None
        if is_first or (is_old and self.reader.folder.complete is None):
            self._task = asyncio.create_task(asyncio.to_thread(self._read, again=not is_first))

    async def read(self) -> None:
        """Waits until all that was there is read."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Stops waiting for the thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _read(self, *, again: bool) -> None:
        try:
            if again:
                self.reader = RunReader.open(self.path)
            self.index.refresh(self.reader)
            self.error = self.index.error
        except BerryError as e:
            # The folder was moved, or the store does not answer: the page says so.
            self.error = str(e)
            _log.warning("%s", e)
        self._read_at = time.monotonic()

    def state(self) -> str:
        """`complete`, `running`, `not_running`, or `unknown` if this machine cannot tell."""
        if self.error is not None and not self.index.num_read:
            return "unreadable"
        if self.reader.folder.complete is not None:
            return "complete"
        return {True: "running", False: "not_running", None: "unknown"}[has_writer(self.path)]

    def brief(self) -> dict[str, Any]:
        """The run in a few figures, from its journal."""
        folder = self.reader.folder
        counts, engine = folder.counts, folder.run["config"].get("engine") or {}
        total = (folder.complete or {}).get("total")
        if total is None and (now := folder.last_metrics()) is not None:
            total = now.total
        return {
            "name": self.name,
            "path": str(self.path),
            "state": self.state(),
            "error": self.error,
            "created": folder.run.get("created"),
            "problems": counts.problems,
            "total": total,
            "solved": counts.problems_solved,
            "kept": counts.kept,
            "rollouts": counts.rollouts,
            "tokens": counts.tokens,
            "model": engine.get("model") or engine.get("use"),
            "right": counts.right,
            "known": counts.right + counts.not_right,
        }

    def facts(self) -> dict[str, Any]:
        """The run with what its index says so far, and people's verdicts."""
        counts, table = self.reader.folder.counts, self.table
        selections, damage = read_selections(self.path)
        return {
            **self.brief(),
            "read": {"parts": self.index.num_read, "of": self.index.num_parts},
            "is_read": self.index.is_complete,
            "flawed_fraction": counts.flawed_fraction,
            "pass_rates": [
                {"range": name, "problems": counts.pass_rates.get(name, 0)} for name in PASS_RATES
            ],
            "domains": domains(table),
            "outcomes": [{"name": name, "count": n} for name, n in sorted(counts.verdicts.items())],
            "reasons": [
                {"text": text, "count": n} for text, n in table.common("reason", _MOST_REASONS)
            ],
            "dropped": [
                {"stage": name, "count": n} for name, n in table.common("decided_by", _MOST_REASONS)
            ],
            "versions": table.versions(),
            "people": agreement_facts(Agreement.of(self.judgements.all())),
            "selections": [
                {
                    **one.model_dump(exclude={"problem_ids"}),
                    "problems": len(one.problem_ids),
                    "command": f"berry export {self.path} --as traces --selection {one.name} "
                    f"--output {one.name}",
                }
                for one in selections
            ],
            "damage": damage,
            "sorts": [{"key": key, "label": label} for key, (label, _) in SORTS.items()],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs by name."""

    by_name: dict[str, OpenRun]

    @classmethod
    def open(cls, paths: Sequence[Path]) -> "Runs":
        """Opens all of them. Raises FolderError and StorageError for the first that cannot be read."""
        found: dict[str, OpenRun] = {}
        for path in paths:
            if any(one.path == path for one in found.values()):
                continue
            name = _free_name(path.name or "run", found.__contains__)
            found[name] = OpenRun(name, path)
        return cls(by_name=found)

    def get(self, name: str) -> OpenRun:
        """The run of this name. Raises UnknownName if there is none."""
        if name not in self.by_name:
            raise UnknownName(f"run: expected one of {', '.join(self.by_name)}, got {name:.80}")
        return self.by_name[name]


def domains(table: ProblemTable) -> list[dict[str, Any]]:
    """The figures of each domain, the largest first."""
    if not table.num_problems:
        return []
    coded = pc.dictionary_encode(pc.fill_null(table.texts["domain"], "").combine_chunks())
    codes, names = coded.indices.to_numpy(), coded.dictionary.to_pylist()

    def total(values: np.ndarray) -> list[int]:
        sums: list[int] = np.bincount(codes, values, minlength=len(names)).astype(int).tolist()
        return sums

    kept = table.numbers("kept")
    columns = {
        "problems": total(np.ones(len(codes))),
        "right": total(table.numbers("right")),
        "known": total(table.numbers("known")),
        "kept": total(kept),
        "solved": total(kept > 0),
    }
    rows = [
        {"name": name, **{key: values[place] for key, values in columns.items()}}
        for place, name in enumerate(names)
    ]
    return sorted(rows, key=lambda one: (-one["problems"], one["name"]))


def _free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, with a number behind it if another run has it already."""
    number, free = 2, name
    while is_taken(free):
        free, number = f"{name}-{number}", number + 1
    return free
