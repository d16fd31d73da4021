"""The runs that the viewer shows, each with its index, its newest state, and what people say."""

import asyncio
import logging
import math
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.datasets.counts import PASS_RATES
from pipeline.datasets.damage import find_damage
from pipeline.datasets.reader import RunReader, UnknownProblem
from pipeline.datasets.trust.people import Agreement, Judgements, agreement_facts
from pipeline.errors import BerryError, UserMistake, named
from pipeline.files.locks import has_writer
from pipeline.files.publishing import FolderError, explained
from pipeline.files.storage import exists, is_local
from pipeline.inspection.report.findings import find_concerns, verdict
from pipeline.inspection.report.page import NAME as REPORT
from pipeline.inspection.report.reasons import MEANINGS
from pipeline.inspection.report.trust import read_measurements
from pipeline.inspection.selections import read_selections
from pipeline.inspection.ui.index import ProblemIndex, ProblemTable
from pipeline.inspection.ui.query import SORTS

_log = logging.getLogger(__name__)
_FRESH_SECONDS, _COMPLETE_SECONDS = 2.0, 20.0
"""A run is read again after this time, when somebody asks: one that is under way, and a complete one,
whose parts may be merged or repaired, and which may be resumed with a higher limit."""
_MOST_REASONS = 30
_MEANINGS = {stage.value: meaning for stage, (meaning, _) in MEANINGS.items()}


class UnknownName(UserMistake):
    """An address names what does not exist."""


class OpenRun:
    """A run folder that is shown."""

    def __init__(self, name: str, path: Path) -> None:
        """Reads its run.json and journal. Raises FolderError and StorageError."""
        self.name, self.path = name, path
        self.reader = RunReader.open(path)
        self.index = ProblemIndex(len(self.reader.parts))
        self.judgements = Judgements(path)
        self.error: str | None = None
        """Why the folder, or a part of it, cannot be read."""
        self._is_gone = False
        """Whether the folder as a whole could not be read at last."""
        self._damage: tuple[RunReader, list[str]] | None = None
        """The damaged files of a state of the folder, which are looked for once."""
        self._closed = threading.Event()
        self._read_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    @property
    def table(self) -> ProblemTable:
        """The problems that are read so far."""
        return self.index.table

    def refresh(self) -> None:
        """Begins to read what is new, in a thread, unless that is under way or was done just now."""
        if self._task is not None and not self._task.done():
            return
        is_settled = self.reader.folder.complete is not None and self.error is None
        fresh_seconds = _COMPLETE_SECONDS if is_settled else _FRESH_SECONDS
        is_first = self._task is None
        if is_first or time.monotonic() - self._read_at > fresh_seconds:
            self._task = asyncio.create_task(asyncio.to_thread(self._read, again=not is_first))

    def find(self, wanted: str) -> dict[str, Any]:
        """The row of `trees` with this `problem_id`, or what else `RunReader.find` takes.

        Parts that were merged or repaired since the folder was read are read from their new place.
        Raises UnknownProblem and FolderError.
        """
        try:
            return self._find(wanted)
        except UnknownProblem:
            raise
        except FolderError:
            # The index is as old as the folder: the next call begins to read both again.
            self._read_at = -math.inf
            try:
                self.reader = RunReader.open(self.path)
            except FolderError as e:
                self._fail(str(e))
                raise
            return self._find(wanted)

    def _find(self, wanted: str) -> dict[str, Any]:
        reader = self.reader
        # Finding an id without the index takes a look into every part.
        found = self.table.place(wanted)
        if found is not None and reader.folder.parts.get(found[0].index) == found[0]:
            return next(reader.trees_at(found[0].index, {found[1]}))
        return reader.find(wanted)

    async def read(self) -> None:
        """Waits until all that was there is read."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Has the thread end after the part that it reads."""
        self._closed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _read(self, *, again: bool) -> None:
        try:
            if again:
                self.reader = RunReader.open(self.path)
            self.index.refresh(self.reader, self._closed.is_set)
            self.error, self._is_gone = self.index.error, False
        except BerryError as e:
            # The folder was moved, or the store does not answer: the page says so.
            self._fail(str(e))
        except Exception as e:  # noqa: BLE001 - a fault of berry; the page shows it
            self._fail(f"internal error: {named(e)}")
            _log.exception("%s", self.path)
        self._read_at = time.monotonic()

    def _fail(self, why: str) -> None:
        if self.error != why:
            _log.warning("%s", why)
        self.error, self._is_gone = why, True

    def state(self) -> str:
        """`complete`, `running`, `not_running`, or `unknown` if this machine cannot tell."""
        if self._is_gone or (self.error is not None and not self.index.num_read):
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
            "concerns": self._concerns(),
            "has_report": self.report_path() is not None,
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
                {"stage": name, "count": n, "meaning": _MEANINGS.get(name)}
                for name, n in table.common("decided_by", _MOST_REASONS)
            ],
            "versions": table.versions(),
            "people": agreement_facts(Agreement.of(self.judgements.all())),
            "selections": [
                {
                    **one.model_dump(exclude={"problem_ids"}),
                    "problems": len(one.problem_ids),
                    "command": f"berry export {shlex.quote(str(self.path))} --as traces "
                    f"--selection {one.name} --output {one.name}",
                }
                for one in selections
            ],
            "damage": damage,
            "sorts": [{"key": key, "label": label} for key, (label, _) in SORTS.items()],
        }

    def report_path(self) -> Path | None:
        """The run's report; None if there is none, or a link in its place that may lead elsewhere."""
        path = self.path / REPORT
        with explained(path):
            is_there = exists(path) and not (is_local(path) and path.is_symlink())
        return path if is_there else None

    def _concerns(self) -> dict[str, Any]:
        """Whether to train on the data, and what speaks against it, as the report has it."""
        reader = self.reader
        if self._damage is None or self._damage[0] is not reader:
            self._damage = reader, find_damage(reader.folder)
        findings = find_concerns(reader.folder, read_measurements(reader.folder), self._damage[1])
        level, text = verdict(findings)
        return {"level": level, "text": text, "findings": list(map(asdict, findings))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs by name."""

    by_name: dict[str, OpenRun]

    @classmethod
    def open(cls, paths: Sequence[Path]) -> "Runs":
        """Opens all of them. Raises FolderError and StorageError for the first that cannot be read."""
        found: dict[str, OpenRun] = {}
        seen: set[Path] = set()
        for path in paths:
            # `.` and `..` are no names, and one folder can have several paths.
            whole = path.resolve() if is_local(path) else path
            if whole not in seen:
                seen.add(whole)
                name = _free_name(whole.name or "run", found.__contains__)
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
