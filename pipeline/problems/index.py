"""The index of the problems that a run has taken, so that a resumed run need not read them again.

    OUT/intake/problems-START.index    a block of consecutive problems, from number START of the set

A block has each problem's id, the hash of its prompt and the number of its row, and what the intake
had counted after the last one. It holds for one state of the source, which a key identifies; blocks of
another state, damaged blocks and all after them are deleted. The index only saves time: a run without
it reads the problem set from the beginning.
"""

import json
import logging
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files.publishing import FolderError, explained
from pipeline.files.storage import delete, files_in, make_folder, publish, read_bytes
from pipeline.hashing import digest_bytes
from pipeline.problems.id_set import Keys

_log = logging.getLogger(__name__)
_DIGEST_BYTES = 16
_STORED = np.dtype("<u8")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What an intake has counted up to a row."""

    next_row: int = 0
    """Number of the next row to read, from 0."""
    is_ended: bool = False
    """Whether the source has no more rows."""
    num_duplicates: int = 0
    num_bad_rows: int = 0
    first_bad: str | None = None
    """Place and fault of the first bad row."""
    num_doubtful: int = 0
    """Number of gold answers that do not look like final answers."""
    first_doubt: str | None = None
    """The first such problem, and why."""
    num_conflicts: int = 0
    conflict_examples: list[str] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive problems: arrays of one length."""

    start: int
    """Number of the first problem in the set."""
    ids: Keys
    asked: Keys
    """Hashes of the prompts."""
    rows: Keys
    tally: Tally
    """After the last problem."""

    @property
    def stop(self) -> int:
        """Number of the problem after the last."""
        return self.start + len(self.ids)

    def id_texts(self, start: int, stop: int) -> list[str]:
        """Ids of the problems with these numbers, as in `Problem.id`."""
        digits = self.ids[start - self.start : stop - self.start].astype(">u8").tobytes().hex()
        return [digits[at : at + 16] for at in range(0, len(digits), 16)]


class IntakeIndex:
    """The blocks in one folder that hold for one state of the source."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._starts: list[int] = []
        self._newest: Block | None = None
        """The last block that `at` returned."""

    def load(self, limit: int | None) -> Iterator[Block]:
        """Yields the usable blocks in order, up to the limit on problems; deletes the others.

        Raises FolderError and StorageError.
        """
        with explained(self._path):
            stop, is_usable = 0, True
            names = [name for name in files_in(self._path) if name.startswith("problems-")]
            for path in (self._path / name for name in sorted(names)):
                block = self._read(path) if is_usable else None
                if block is None or block.start != stop or (limit is not None and block.stop > limit):
                    is_usable = False
                    delete(path)
                    continue
                stop = block.stop
                self._starts.append(block.start)
                yield block

    def append(self, block: Block) -> None:
        """Adds a block, atomically. Raises FolderError and StorageError."""
        with explained(self._path):
            make_folder(self._path)
            publish(self._block_path(block.start), _encode(block, self._key))
        self._starts.append(block.start)

    def at(self, number: int) -> Block:
        """The block with this problem, which is in the index. Raises FolderError."""
        start = self._starts[bisect_right(self._starts, number) - 1]
        if self._newest is None or self._newest.start != start:
            path = self._block_path(start)
            self._newest = self._read(path)
            if self._newest is None:
                raise FolderError(f"{path}: is damaged; delete it and repeat `berry run`")
        return self._newest

    def _block_path(self, start: int) -> Path:
        return self._path / f"problems-{start:010d}.index"

    def _read(self, path: Path) -> Block | None:
        """The block; None if it is damaged or of another state of the source."""
        with explained(path):
            content = read_bytes(path)
        digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if digest != _digest(body):
            _log.warning("%s is damaged; its problems are read again", path)
            return None
        line, _, arrays = body.partition(b"\n")
        head: dict[str, Any] = json.loads(line)
        if head["key"] != self._key:
            _log.info("%s: the problem set or berry has changed; reading all of it", path)
            return None
        size = head["count"] * _STORED.itemsize
        deltas = np.frombuffer(zlib.decompress(arrays[2 * size :]), _STORED)
        return Block(
            start=head["start"],
            ids=np.frombuffer(arrays[:size], _STORED),
            asked=np.frombuffer(arrays[size : 2 * size], _STORED),
            rows=np.cumsum(deltas, dtype=np.uint64),
            tally=Tally(**head["tally"]),
        )


def _encode(block: Block, key: str) -> bytes:
    head = {
        "key": key,
        "start": block.start,
        "count": len(block.ids),
        "tally": asdict(block.tally),
    }
    # Most steps from row to row are 1.
    deltas = np.diff(block.rows, prepend=np.uint64(0)).astype(_STORED)
    body = b"".join(
        [
            json.dumps(head).encode(),
            b"\n",
            block.ids.astype(_STORED).tobytes(),
            block.asked.astype(_STORED).tobytes(),
            zlib.compress(deltas.tobytes(), level=1),
        ]
    )
    return _digest(body) + body


def _digest(body: bytes) -> bytes:
    return bytes.fromhex(digest_bytes(body, num_bytes=_DIGEST_BYTES))


def rows_of(index: IntakeIndex, problems: Sequence[range]) -> list[range]:
    """The smallest ranges of rows with these ranges of problems."""
    return [
        range(_row(index, numbers.start), _row(index, numbers.stop - 1) + 1) for numbers in problems
    ]


def _row(index: IntakeIndex, number: int) -> int:
    block = index.at(number)
    return int(block.rows[number - block.start])
