"""The run folder: what is done, and nothing else, survives a crash.

    OUT/run.json                  the run's config, its digest, versions
    OUT/journal/part-*.json       one file for each committed part: the truth about what is done
    OUT/journal/complete.json     there once the run is complete
    OUT/data/VIEW/part-*.parquet  the data
    OUT/metrics.jsonl             one line per interval
    OUT/README.md                 the dataset card

Part k holds the problems k*n to (k+1)*n - 1 of the problem set, whenever they were finished. It is
written under temporary names, published, then journalled; a part without its journal entry does not
exist, and is written again under the same name. So a run that was killed and resumed, however often,
ends with the same files as one that was not.
"""

import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.views import SCHEMAS
from pipeline.errors import UserMistake


class FolderError(UserMistake):
    """The run folder cannot be used; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A committed part, as its journal entry tells it."""

    index: int
    num_problems: int
    problems_digest: str
    """Of the ids in order: shows whether the problem set is still the same."""
    counts: Counter[str]


class RunFolder:
    """A run folder; made by `RunFolder.read` to look at, or by `RunFolder.claim` to write to."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        self.run = run
        """The content of run.json."""
        self.parts: dict[int, Part] = {}
        self.counts: Counter[str] = Counter()
        """Sums over the committed parts."""
        self.complete: dict[str, Any] | None = None
        """The final facts of the run; None until it is complete."""
        self._lock: IO[str] | None = None

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """A folder as it is on disk, also while another process writes to it.

        Raises FolderError if it is no run folder.
        """
        with _explained(path):
            if not (path / "run.json").is_file():
                raise FolderError(f"{path}: expected a run folder with run.json, found none")
            folder = cls(path, json.loads((path / "run.json").read_text()))
            for entry in sorted((path / "journal").glob("part-*.json")):
                folder._count(json.loads(entry.read_text()))
            if (path / "journal" / "complete.json").is_file():
                folder.complete = json.loads((path / "journal" / "complete.json").read_text())
            return folder

    @classmethod
    def claim(cls, path: Path, run: dict[str, Any]) -> "RunFolder":
        """The folder for this run, made or resumed, and locked against other runs.

        `run` is what run.json is to hold; its `digest` and `config` identify the run. Raises
        FolderError for a folder of another config, one in use, one that is not a run's, and one that
        cannot be written to.
        """
        with _explained(path):
            if path.is_dir() and not (path / "run.json").exists() and _visible(path):
                raise FolderError(
                    f"{path}: expected an empty or new folder, or one of an earlier run, "
                    f"found other files ({_visible(path)[0]})"
                )
            path.mkdir(parents=True, exist_ok=True)
            lock = (path / ".lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                lock.close()
                raise FolderError(f"{path}: another run is writing to this folder") from e
            for view in SCHEMAS:
                (path / "data" / view).mkdir(parents=True, exist_ok=True)
            (path / "journal").mkdir(exist_ok=True)
            if not (path / "run.json").exists():
                _publish(path / "run.json", _json_bytes(run))
            folder = cls.read(path)
            folder._lock = lock
            if folder.run["digest"] != run["digest"] and not folder.parts:
                # A run that has committed nothing, for want of a file or a model, binds nobody.
                _publish(path / "run.json", _json_bytes(run))
                folder.run = run
            if folder.run["digest"] != run["digest"]:
                folder.close()
                raise FolderError(f"{path}: {_difference(folder.run['config'], run['config'])}")
            folder._remove_uncommitted()
            return folder

    def commit(
        self,
        index: int,
        problem_ids: Sequence[str],
        tables: Mapping[str, pa.Table],
        counts: Mapping[str, int],
    ) -> None:
        """Makes a part durable: when this returns, a crash cannot undo it. Raises FolderError."""
        with _explained(self.path, "; what is committed stays, the same command goes on from there"):
            for view, table in tables.items():
                _publish_table(self.path / "data" / view / f"part-{index:05d}.parquet", table)
            entry = {
                "part": index,
                "problems": list(problem_ids),
                "rows": {view: table.num_rows for view, table in tables.items()},
                "counts": dict(counts),
            }
            _publish(self.path / "journal" / f"part-{index:05d}.json", _json_bytes(entry))
        self._count(entry)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Marks the run complete. Raises FolderError."""
        self.complete = dict(facts)
        with _explained(self.path):
            _publish(self.path / "journal" / "complete.json", _json_bytes(self.complete))

    def write_card(self, text: str) -> None:
        """Puts the dataset card in place. Raises FolderError."""
        with _explained(self.path):
            _publish(self.path / "README.md", text.encode(), durable=False)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl. Raises FolderError."""
        with _explained(self.path), (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def last_metrics(self) -> dict[str, Any] | None:
        """The newest line of metrics.jsonl; None before the first. Raises FolderError."""
        with _explained(self.path):
            path = self.path / "metrics.jsonl"
            lines = path.read_text().splitlines() if path.exists() else []
            # A crash can leave half a line at the end.
            whole = [line for line in lines[-2:] if line.endswith("}")]
            return dict(json.loads(whole[-1])) if whole else None

    def state_digest(self) -> str:
        """A hash that changes whenever the folder's data do."""
        state = [self.run["digest"], self.run["created"]]
        state += [f"{part.index} {part.problems_digest}" for part in self.parts.values()]
        return hashlib.blake2b(repr(state).encode(), digest_size=8).hexdigest()

    def close(self) -> None:
        """Gives up the lock; calling it twice is fine."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _count(self, entry: Mapping[str, Any]) -> None:
        part = Part(
            index=entry["part"],
            num_problems=len(entry["problems"]),
            problems_digest=ids_digest(entry["problems"]),
            counts=Counter(entry["counts"]),
        )
        self.parts[part.index] = part
        self.counts.update(part.counts)

    def _remove_uncommitted(self) -> None:
        """Deletes parts that a crash left without a journal entry: readers must not see them."""
        committed = {f"part-{index:05d}.parquet" for index in self.parts}
        for file in (self.path / "data").glob("*/*"):
            if file.name not in committed:
                file.unlink()


def ids_digest(problem_ids: Sequence[str]) -> str:
    """A hash of problem ids in order."""
    return hashlib.blake2b("\n".join(problem_ids).encode(), digest_size=8).hexdigest()


def _publish_table(path: Path, table: pa.Table) -> None:
    temporary = path.with_name(f".{path.name}")
    # A row group without rows makes `load_dataset` fail, no row group at all does not.
    with pq.ParquetWriter(temporary, table.schema, compression="zstd") as writer:
        if table.num_rows:
            writer.write_table(table)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(path)
    _sync_folder(path.parent)


def _publish(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replaces a file in one go: a reader, or a crash, sees the old content or the new."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.rename(path)
    if durable:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _visible(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))


@contextmanager
def _explained(path: Path, advice: str = "") -> Iterator[None]:
    """Turns what the file system or a damaged file raises into a FolderError."""
    try:
        yield
    except OSError as e:
        raise FolderError(f"{path}: cannot be used ({e.strerror or e}){advice}") from e
    except (ValueError, KeyError) as e:
        raise FolderError(f"{path}: a file of the run is damaged ({e})") from e


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> str:
    """The first key in which two configs differ, as a message."""
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            return _difference(was, now, f"{above}{key}.")
        return (
            f"holds a run of another config: {above}{key} was {was!r} there and is {now!r} now; "
            "name another output, or delete the folder"
        )
    return "holds a run of another config"
