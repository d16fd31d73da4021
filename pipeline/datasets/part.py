"""A committed part, as its journal entry records it, and a file that may become part of one."""

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.counts import OTHER, Counts
from pipeline.hashing import digest_text

PART_BYTES = 128_000_000
"""Default size of the files of `trees` after a compaction."""
DIGITS, OLD_DIGITS = 7, 5
"""Digits of a part's number in names of files; `OLD_DIGITS` in folders that earlier versions began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A finished file in `.staging`, which `RunFolder.commit` publishes."""

    path: str
    """Relative to the run folder."""
    num_rows: int
    num_bytes: int
    digest: str
    """`NewFile.digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A committed part: the problems of one shard, or of several that were merged."""

    index: int
    """Number of its first shard."""
    num_problems: int
    problems_digest: str
    """Hash of the ids in order; shows whether the problem set has changed."""
    rows: Mapping[str, int]
    """View -> rows of its file; only the views that are stored."""
    shards: int = 1
    """Number of shards, which follow each other."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """View -> bytes of its file; empty in entries of earlier versions."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """View -> hash of its file; empty in entries of earlier versions."""

    @property
    def covered(self) -> range:
        """Numbers of its shards."""
        return range(self.index, self.index + self.shards)

    @property
    def state(self) -> int:
        """A number that changes with the part's data."""
        state = [self.index, self.problems_digest, *sorted(self.digests.items())]
        return int(digest_text(repr(state)), 16)


def part_of(entry: Mapping[str, Any]) -> Part:
    """The part of a sound journal entry, also of one with all ids, as earlier versions wrote it."""
    if (ids := entry.get("problems")) is None:
        num_problems, digest = entry["num_problems"], entry["problems_digest"]
    else:
        num_problems, digest = len(ids), ids_digest(ids)
    return Part(
        index=entry["part"],
        num_problems=num_problems,
        problems_digest=digest,
        shards=entry.get("shards", 1),
        rows=entry["rows"],
        sizes=entry.get("sizes", {}),
        digests=entry.get("digests", {}),
    )


def with_file(entry: Mapping[str, Any], view: str, file: StagedFile) -> dict[str, Any]:
    """The journal entry with a new file of a view."""
    new = {"rows": file.num_rows, "sizes": file.num_bytes, "digests": file.digest}
    return {**entry, **{key: {**entry.get(key, {}), view: value} for key, value in new.items()}}


def ids_digest(problem_ids: Sequence[str]) -> str:
    """A hash of the problem ids in order."""
    return digest_text("\n".join(problem_ids))


_MOST_KEYS = 5000
_USUAL = json.dumps(
    {
        "checksum": "",
        "counts": {
            **dict.fromkeys(("dropped.duplicate", "dropped.not_pass", "flawed_thousandths"), 0),
            **{
                f"calibration.{n}.{key}": 0
                for n in (2, 7)
                for key in ("held_out", "passes", "predicted")
            },
            "calibration.squared": 0,
            **dict.fromkeys(("kept", "nodes", "not_right", "problems", "problems_failed"), 0),
            **dict.fromkeys(
                ("problems_solved", "restarts", "right", "rollouts", "status.completed"), 0
            ),
            **dict.fromkeys(
                ("status.truncated", "tokens", "verdict.fail", "verdict.pass", "weighed"), 0
            ),
        },
        "digests": {"steps": "", "traces": "", "trees": ""},
        "num_problems": 64,
        "part": 1,
        "problems_digest": "",
        "rows": {"steps": 64, "traces": 64, "trees": 64},
        "sizes": {"steps": 1, "traces": 1, "trees": 1},
    }
).encode()
"""Text that most entries share, which compresses them."""


class PartTable(Mapping[int, Part]):
    """The committed parts by number, compressed: a run may have some hundred thousand."""

    def __init__(self) -> None:
        self._entries: dict[int, bytes] = {}
        self._totals: Counter[str] = Counter()
        self.state = 0
        """A number that changes with the parts' data."""
        self.num_shards = 0
        self._merged: dict[int, int] = {}
        """First shard of a merged part -> its shards."""

    def put(self, entry: Mapping[str, Any]) -> None:
        """Adds a part by its sound journal entry; it replaces the parts of all its shards."""
        part = part_of(entry)
        for index in part.covered:
            self.drop(index)
        squeezed = zlib.compressobj(1, zdict=_USUAL)
        text = json.dumps(entry).encode()
        self._entries[part.index] = squeezed.compress(text) + squeezed.flush()
        for key, number in entry["counts"].items():
            self._totals[self._key(key)] += number
        self.state += part.state
        self.num_shards += part.shards
        if part.shards > 1:
            self._merged[part.index] = part.shards

    def drop(self, index: int) -> None:
        """Takes a part out, if it is there."""
        if index in self._entries:
            entry = self.entry(index)
            part = part_of(entry)
            for key, number in entry["counts"].items():
                self._totals[self._key(key)] -= number
            self.state -= part.state
            self.num_shards -= part.shards
            self._merged.pop(index, None)
            del self._entries[index]

    def entry(self, index: int) -> dict[str, Any]:
        """The part's journal entry."""
        opened = zlib.decompressobj(zdict=_USUAL)
        entry: dict[str, Any] = json.loads(opened.decompress(self._entries[index]))
        return entry

    def counts(self) -> Counts:
        """Sums of the parts' counts."""
        # Adding limits the number of texts.
        return Counts() + Counts.from_dict({key: n for key, n in self._totals.items() if n})

    def _key(self, key: str) -> str:
        """The key that counts under a key: free texts share one once there are too many."""
        family, _, rest = key.partition(".")
        few = key in self._totals or len(self._totals) < _MOST_KEYS
        if few or family not in ("reason", "verifier"):
            return key
        return f"reason.{rest.partition('.')[0]}.{OTHER}" if family == "reason" else f"verifier.{OTHER}"

    def covers(self, shard: int) -> bool:
        """Whether the shard is committed, alone or in a merged part."""
        return shard in self._entries or any(
            first < shard < first + shards for first, shards in self._merged.items()
        )

    def __getitem__(self, index: int) -> Part:
        return part_of(self.entry(index))

    def __contains__(self, index: object) -> bool:
        """Whether a part has this number."""
        return index in self._entries

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
