"""The folder of a loop.

    OUT/loop.json                what was asked for
    OUT/run.yaml                 the config of the runs, complete
    OUT/rounds/round-N.json      what round N has made so far: the record of finished stages
    OUT/round-N/                 the run of round N: a run folder like any other
    OUT/models/round-N/STAGE/    what a training made
    OUT/STAGE/round-N/           the run of an evaluation
    OUT/configs/                 the config of each of these runs
    OUT/logs/                    what each stage printed

A file appears whole or not at all. What is not in `rounds/` is not finished, and its stage goes on.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserMistake
from pipeline.files.locks import Lock, lock_folder
from pipeline.files.publishing import explained, json_bytes
from pipeline.files.storage import FolderError, exists, is_local, publish
from pipeline.loop.records import RoundRecord

FILE = "loop.json"
SCHEMA = 1
MAY_CHANGE = ("rounds", "stages", "difficulty", "gpus")
"""Keys of the config that may change while the loop goes on: the others decide which problems are held
out, and with what the rounds are compared."""
_RESUME = "finished stages are saved; repeat the command to go on"


def is_loop(path: Path) -> bool:
    """Whether the folder is a loop's."""
    return is_local(path) and (path / FILE).is_file()


def runs_in(path: Path) -> list[Path]:
    """The folder itself; of a loop, the runs of its rounds. Raises FolderError."""
    return LoopFolder.read(path).runs() or [path] if is_loop(path) else [path]


class LoopFolder:
    """A loop's folder: `read` opens it to read, `claim` to go on."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self.about = path, about
        self._lock: Lock | None = None

    @classmethod
    def read(cls, path: Path) -> "LoopFolder":
        """Opens a folder. Raises FolderError if it is no loop's, and StorageError."""
        with explained(path):
            try:
                about = json.loads((path / FILE).read_text(encoding="utf-8"))
            except (FileNotFoundError, NotADirectoryError) as e:
                raise FolderError(f"{path}: expected the folder of a loop, found no {FILE}") from e
            except ValueError as e:
                raise FolderError(f"{path / FILE}: is damaged, expected what `berry loop` wrote") from e
        if isinstance(about, dict) and about.get("schema") != SCHEMA:
            raise FolderError(
                f"{path}: expected a loop of schema {SCHEMA}, got {about.get('schema')}; "
                "use the version of berry that wrote it"
            )
        config = about.get("config") if isinstance(about, dict) else None
        if not isinstance(config, dict) or not isinstance(config.get("rounds"), int):
            raise FolderError(f"{path / FILE}: is damaged, expected what `berry loop` wrote")
        return cls(path, about)

    @classmethod
    def claim(cls, path: Path, about: Mapping[str, Any], run: Mapping[str, Any]) -> "LoopFolder":
        """Creates the folder of a loop, or opens it to go on, and locks it.

        `about` is the content of loop.json: its `config` may differ from the stored one in the keys of
        MAY_CHANGE alone, or in everything while nothing is done. Raises FolderError for a folder of
        something else or in use, and StorageError.
        """
        if not is_local(path):
            raise FolderError(f"output: {path}: expected a folder of this machine, where models train")
        with explained(path, cure=_RESUME):
            is_there = (path / FILE).is_file()
            if not is_there and path.is_dir() and any(path.iterdir()):
                raise FolderError(f"{path}: expected a new folder or one of `berry loop`, got another")
            path.mkdir(parents=True, exist_ok=True)
            lock = lock_folder(path)
            try:
                if is_there:
                    stored = cls.read(path).about
                    if _has_work(path):
                        _check_same(path, stored, about)
                        about = {**about, "created": stored.get("created")}
                publish(path / "run.yaml", yaml.safe_dump(dict(run), sort_keys=False).encode())
                publish(path / FILE, json_bytes({"schema": SCHEMA, **about}))
            except BaseException:
                lock.close()
                raise
        folder = cls.read(path)
        folder._lock = lock
        return folder

    def close(self) -> None:
        """Releases the lock; calling it twice is fine."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def round(self, number: int) -> RoundRecord | None:
        """What a round has made; None if it has not begun. Raises FolderError for a damaged file."""
        path = self._round_file(number)
        with explained(path):
            try:
                return RoundRecord.model_validate_json(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return None
            except ValueError as e:
                raise FolderError(f"{path}: is damaged, expected what `berry loop` wrote") from e

    def rounds(self) -> list[RoundRecord]:
        """All rounds that have begun, in order."""
        found: list[RoundRecord] = []
        while (record := self.round(len(found))) is not None:
            found.append(record)
        return found

    def write(self, record: RoundRecord) -> None:
        """Writes what a round has made. Raises StorageError."""
        path = self._round_file(record.round)
        with explained(path, cure=_RESUME):
            path.parent.mkdir(exist_ok=True)
            publish(path, f"{record.model_dump_json(indent=1)}\n".encode())

    def runs(self) -> list[Path]:
        """The runs of the rounds that have begun, in order."""
        found: list[Path] = []
        while exists((run := self.run_folder(len(found) + 1)) / "run.json"):
            found.append(run)
        return found

    def run_folder(self, number: int) -> Path:
        """The run of a round."""
        return self.path / f"round-{number}"

    def model_folder(self, number: int, stage: str) -> Path:
        """What a training stage makes in a round."""
        return self.path / "models" / f"round-{number}" / stage

    def evaluation_folder(self, number: int, stage: str) -> Path:
        """The run of an evaluation."""
        return self.path / stage / f"round-{number}"

    def log(self, number: int, stage: str) -> Path:
        """What a stage prints."""
        return self.path / "logs" / f"round-{number}-{stage}.log"

    def config_file(self, name: str) -> Path:
        """The config of a run."""
        return self.path / "configs" / f"{name}.yaml"

    def write_config(self, name: str, config: Mapping[str, Any]) -> Path:
        """Writes the config of a run, and returns its path. Raises StorageError."""
        return self.write_file(
            self.config_file(name).name, yaml.safe_dump(dict(config), sort_keys=False)
        )

    def write_file(self, name: str, text: str) -> Path:
        """Writes a file beside the configs, and returns its path. Raises StorageError."""
        path = self.path / "configs" / name
        with explained(path, cure=_RESUME):
            path.parent.mkdir(exist_ok=True)
            publish(path, text.encode())
        return path

    def _round_file(self, number: int) -> Path:
        return self.path / "rounds" / f"round-{number}.json"


def _has_work(path: Path) -> bool:
    """Whether a stage has made something, even if it is not finished. A loop that was refused before
    has not, and may be corrected."""
    return any(one.is_dir() and one.name not in ("configs", "logs") for one in path.iterdir())


def _check_same(path: Path, stored: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Raises UserMistake if the loop in the folder is another one."""
    before, now = (
        {key: value for key, value in one["config"].items() if key not in MAY_CHANGE}
        for one in (stored, about)
    )
    changed = sorted(_differing(before, now))
    if changed:
        raise UserMistake(
            f"{path}: holds a loop with another value of {', '.join(changed)}; only "
            f"{', '.join(MAY_CHANGE)} may change: use another output, or the stored config in {FILE}"
        )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The keys with different values, such as `run.sampling.temperature`."""
    for key in {*before, *now}:
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, f"{above}{key}.")
        elif one != other:
            yield f"{above}{key}"
