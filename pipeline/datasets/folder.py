"""The run folder: finished work, and nothing else, survives a crash.

    OUT/run.json                  the run's config, its digest, versions
    OUT/journal/part-*.json       one file for each committed part: the record of finished work
    OUT/journal/complete.json     exists once the run is complete
    OUT/data/VIEW/part-*.parquet  the data
    OUT/metrics.jsonl             one line per interval
    OUT/README.md                 the dataset card

Part k holds the problems k*n to (k+1)*n - 1 of the problem set, regardless of when they finished. It
is written under temporary names, published, then recorded in the journal. A part without a journal
entry does not count and is written again under the same name. So a run ends with the same data files
no matter how often it was killed and resumed.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.datasets.counts import Counts
from pipeline.datasets.identity import difference
from pipeline.datasets.journal import (
    SCHEMA,
    Journal,
    read_complete,
    read_run,
    sealed,
)
from pipeline.datasets.metrics import Metrics, append_lines
from pipeline.datasets.part import Part, PartTable, StagedFile, ids_digest, with_file
from pipeline.datasets.staging import (
    STAGING,
    checkpoints,
    delete_all_but_checkpoints,
    delete_staged,
    move_merged,
    staged_file,
    staged_shards,
    staging_folder,
)
from pipeline.datasets.views.table import VIEWS
from pipeline.files.locks import Lock, has_writer, lock_folder
from pipeline.files.publishing import (
    RESUME,
    FolderError,
    WrittenFile,
    explained,
    json_bytes,
    publish,
    replace_file,
    require_run,
    visible_files,
)
from pipeline.files.storage import (
    delete,
    delete_folder,
    exists,
    files_in,
    folders_in,
    logs_folder,
    make_folder,
    move,
)
from pipeline.hashing import digest_text

_log = logging.getLogger(__name__)

__all__ = ["FolderError", "Part", "RunFolder", "StagedFile", "ids_digest"]


@lru_cache(maxsize=1)
def folder_at(path: Path, state: str) -> "RunFolder":
    """The folder, read once for each state, or a later one; for processes that work on given parts."""
    return RunFolder.read(path)


def stored_views(run: Mapping[str, Any]) -> list[str]:
    """Names of the views that a run stores, from the content of its run.json."""
    views = run["config"].get("dataset", {}).get("views")
    return [view for view in VIEWS if views is None or view in ("trees", *views)]


class RunFolder:
    """A run folder: `read` opens it to read, `claim` to write a run, `reopen` for other changes."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        self.run = run
        """The content of run.json."""
        self.journal = Journal(path)
        self.parts = PartTable()
        self.counts = Counts()
        """Sums over the committed parts."""
        self.complete: dict[str, Any] | None = None
        """The final facts of the run; None until it is complete."""
        self._lock: Lock | None = None

    @classmethod
    def read(cls, path: Path, damage: list[FolderError] | None = None) -> "RunFolder":
        """Reads a folder's state, even while another process writes to it.

        Damaged journal files are added to `damage`, if given, and passed over. Raises FolderError if it
        is not a run folder, or one of a later version of berry, or without `damage` a damaged one.
        """
        with explained(path):
            require_run(path)
            folder = cls(path, read_run(path / "run.json"))
            folder.parts = folder.journal.read(damage)
            folder.counts = folder.parts.counts()
            folder.complete = read_complete(path, folder.counts.problems, damage)
            return folder

    @classmethod
    def claim(cls, path: Path, run: dict[str, Any]) -> "RunFolder":
        """Creates or resumes the folder of this run and locks it against other runs.

        `run` is the content of run.json; its `digest` and `config` identify the run. Raises FolderError
        if the folder belongs to another config, is in use, is no run folder, or is not writable.
        """
        with explained(path):
            is_run = exists(path / "run.json")
            if not is_run:
                _refuse_other_files(path)
            make_folder(path / "journal")
            lock = lock_folder(path)
            try:
                for view in stored_views(run):
                    make_folder(path / "data" / view)
                run_json = json_bytes(sealed({"schema": SCHEMA, **run}))
                if not is_run:
                    publish(path / "run.json", run_json)
                folder = cls.read(path)
                if not folder.is_of(run):
                    # A run that has committed nothing, for example without its model, can be replaced.
                    publish(path / "run.json", run_json)
                    folder.run = run
                folder._lock = lock
                folder.delete_uncommitted()
            except BaseException:
                lock.close()
                raise
            return folder

    @classmethod
    def find(cls, path: Path, run: dict[str, Any]) -> "RunFolder | None":
        """The folder that `claim` would resume, to read; None if it would begin a new run.

        Raises FolderError like `claim`, except that it cannot tell what is not writable.
        """
        with explained(path):
            if not exists(path / "run.json"):
                _refuse_other_files(path)
                return None
            folder = cls.read(path)
            if has_writer(path):
                raise FolderError(f"{path}: another run is writing to this folder")
            return folder if folder.is_of(run) else None

    def is_of(self, run: Mapping[str, Any]) -> bool:
        """Whether the folder belongs to this run; False also if another run has committed nothing.

        Raises FolderError if it holds data of another run.
        """
        other = difference(self.run, run)
        if other is None:
            return True
        if "cleaned" in self.run:
            raise FolderError(f"{self.path}: was made by `berry clean`; name another output")
        if self.parts:
            raise FolderError(f"{self.path}: {other}")
        return False

    @classmethod
    def reopen(cls, path: Path) -> "RunFolder":
        """Opens and locks the folder of any run for `revise` and `withdraw`.

        Raises FolderError if it is not a run folder, is in use, or is not writable.
        """
        with explained(path):
            cls.read(path)
            lock = lock_folder(path)
            try:
                # Read again: a run could have resumed before the lock.
                folder = cls.read(path)
            except BaseException:
                lock.close()
                raise
            folder._lock = lock
            folder.delete_uncommitted()
            return folder

    @property
    def logs(self) -> Path:
        """Folder of the run's log files; always a local one."""
        return logs_folder(self.path)

    def part_path(self, view: str, index: int) -> Path:
        """Path of a part of a view."""
        return self.path / "data" / view / f"part-{index:0{self.journal.digits}d}.parquet"

    def entry_path(self, index: int) -> Path:
        """Path of a part's journal entry, until the journal folds it."""
        return self.journal.entry_path(index)

    def staging(self, index: int, token: str) -> Path:
        """Folder in which the holder of a lease writes the files of a shard."""
        return staging_folder(self.path, index, token)

    def checkpoints(self, index: int) -> list[Path]:
        """Checkpoints of a shard that is not committed, of all leases, sorted. Raises FolderError."""
        with explained(self.path):
            return checkpoints(self.path, index)

    def revise(self, index: int, view: str, written: WrittenFile) -> bool:
        """Replaces a view's file in a committed part, or adds one; returns whether it changed.

        The closed new file is in `staging`. Raises FolderError.
        """
        with explained(self.path):
            self.check_lock()
            changed = replace_file(written, self.part_path(view, index))
            old = self.parts.entry(index)
            entry = with_file(old, view, staged_file(written))
            if entry != old:
                self.journal.put(entry, self.parts)
            delete_staged(self.path, index)
            return changed

    def withdraw(self, indices: Sequence[int]) -> None:
        """Deletes the entries of parts, and damaged ones: the next run explores their problems again.

        Raises FolderError.
        """
        with explained(self.path):
            self.check_lock()
            delete(self.path / "journal" / "complete.json")
            self.journal.withdraw({shard for index in indices for shard in self.parts[index].covered})
            for index in indices:
                self.parts.drop(index)
            self.counts = self.parts.counts()
            self.delete_uncommitted()

    def commit(
        self,
        index: int,
        files: Mapping[str, StagedFile],
        *,
        num_problems: int,
        problems_digest: str,
        counts: Counts,
    ) -> None:
        """Publishes staged files as a part; once this returns, a crash cannot undo it.

        `files` maps each stored view to its file. Deletes the shard's other files in `.staging`. Raises
        FolderError, and StorageError for a fault of the machine.
        """
        entry = {
            "part": index,
            "num_problems": num_problems,
            "problems_digest": problems_digest,
            "counts": counts.to_dict(),
        }
        for view, file in files.items():
            entry = with_file(entry, view, file)
        with explained(self.path, f"; {RESUME}"):
            self.check_lock()
            for view, file in files.items():
                move(self.path / file.path, self.part_path(view, index))
            self.journal.put(entry, self.parts)
            self.counts = self.parts.counts()
            _log.info("part %d: %d problems committed", index, num_problems)
            delete_staged(self.path, index)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Marks the run complete and empties `.staging`. Raises FolderError."""
        with explained(self.path):
            self.check_lock()
            delete_folder(self.path / STAGING)
            publish(self.path / "journal" / "complete.json", json_bytes(sealed(facts)))
        self.complete = dict(facts)

    def resume(self) -> None:
        """Marks a complete run as not complete. Raises FolderError."""
        with explained(self.path):
            delete(self.path / "journal" / "complete.json")
        self.complete = None

    def change_run(self, **keys: object) -> None:
        """Changes keys of run.json. Raises FolderError."""
        self.run = {**self.run, **keys}
        with explained(self.path):
            publish(self.path / "run.json", json_bytes(sealed(self.run)))

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds a line to the run's metrics. Raises FolderError."""
        with explained(self.path):
            append_lines(self.path, [json.dumps(line)])

    def append_events(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Adds lines to the run's events. Raises FolderError."""
        with explained(self.path):
            append_lines(self.path, list(map(json.dumps, entries)), "events")

    def last_metrics(self) -> Metrics | None:
        """The newest line of the run's metrics; None before the first. Raises FolderError."""
        with explained(self.path):
            return Metrics.last(self.path)

    def state_digest(self) -> str:
        """A hash that changes with the folder's data; quick however many parts there are."""
        return digest_text(repr([self.run["digest"], self.run["created"], self.parts.state]))

    def close(self) -> None:
        """Releases the lock; calling it twice is fine."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def check_lock(self) -> None:
        """Raises StorageError if another process has taken the folder over."""
        if self._lock is not None:
            self._lock.check()

    def delete_uncommitted(self) -> None:
        """Deletes what a crash left, except checkpoints of uncommitted shards. Raises OSError."""
        for index in staged_shards(self.path) & self.parts.keys():
            move_merged(self.path, self.parts[index], self.part_path)
        for file in uncommitted(self):
            delete(file)
        delete_all_but_checkpoints(self.path, self.parts.covers)
        self.journal.clean(self.parts)


def _refuse_other_files(path: Path) -> None:
    if found := visible_files(path):
        raise FolderError(
            f"{path}: expected an empty or new folder, or one of an earlier run, "
            f"found other files ({found[0]})"
        )


def merge_parts(folder: RunFolder, entry: Mapping[str, Any]) -> None:
    """Commits a merged part, whose files are at `merged_path`, in the place of its shards.

    Raises FolderError and StorageError.
    """
    with explained(folder.path):
        folder.check_lock()
        folder.journal.put(entry, folder.parts)
        move_merged(folder.path, folder.parts[entry["part"]], folder.part_path)
        for index in range(entry["part"] + 1, entry["part"] + entry["shards"]):
            for view in entry["rows"]:
                delete(folder.part_path(view, index))
        delete_staged(folder.path, entry["part"])


def uncommitted(folder: RunFolder) -> list[Path]:
    """Files in `data` that belong to no committed part. Raises OSError."""
    data, found = folder.path / "data", []
    committed = {folder.part_path("trees", index).name for index in folder.parts}
    for view in folders_in(data):
        names = sorted(files_in(data / view).keys() - committed)
        found += [data / view / name for name in names]
    return found
