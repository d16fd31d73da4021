"""An exact set of 64-bit integers that takes 9 to 13 bytes for each.

A Python set takes about 100 bytes for an integer, which is a gigabyte for ten million problems.
"""

from array import array
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

_PARTITION_BITS = 8
_SHIFT = 64 - _PARTITION_BITS
_FEWEST_PENDING = 32
_PENDING_FRACTION = 64
"""A partition merges its pending keys once they are this fraction of it: pending keys are Python's,
and merging takes time in proportion to the partition."""

Keys = npt.NDArray[np.uint64]


class IdSet:
    """A growing set. Each partition, by the top bits, has sorted keys and a small set of new ones."""

    def __init__(self) -> None:
        self._sorted = [array("Q") for _ in range(1 << _PARTITION_BITS)]
        self._pending: list[set[int]] = [set() for _ in range(1 << _PARTITION_BITS)]

    def __len__(self) -> int:
        return sum(map(len, self._sorted)) + sum(map(len, self._pending))

    def __contains__(self, key: int) -> bool:
        partition = key >> _SHIFT
        if key in self._pending[partition]:
            return True
        keys = self._sorted[partition]
        at = bisect_left(keys, key)
        return at < len(keys) and keys[at] == key

    def add(self, key: int) -> bool:
        """Adds a key from 0 to 2**64 - 1; returns whether it is new."""
        partition = key >> _SHIFT
        keys, pending = self._sorted[partition], self._pending[partition]
        at = bisect_left(keys, key)
        if key in pending or (at < len(keys) and keys[at] == key):
            return False
        pending.add(key)
        if len(pending) >= _FEWEST_PENDING and len(pending) >= len(keys) // _PENDING_FRACTION:
            self._merge(partition, np.array(sorted(pending), np.uint64))
            pending.clear()
        return True

    def update(self, keys: Keys) -> None:
        """Adds many keys at once; some may be in the set already."""
        keys = np.sort(keys)
        bounds = np.arange(1, 1 << _PARTITION_BITS, dtype=np.uint64) << np.uint64(_SHIFT)
        for partition, part in enumerate(np.split(keys, np.searchsorted(keys, bounds))):
            if len(part):
                self._merge(partition, part)
                self._pending[partition].difference_update(part.tolist())

    def _merge(self, partition: int, keys: Keys) -> None:
        """Adds sorted keys to the sorted ones of a partition."""
        old = np.frombuffer(self._sorted[partition], np.uint64)
        merged = np.concatenate([old, keys])
        # Both parts are sorted, and this kind of sort makes use of it.
        merged.sort(kind="stable")
        is_new = np.ones(len(merged), dtype=bool)
        np.not_equal(merged[1:], merged[:-1], out=is_new[1:])
        self._sorted[partition] = array("Q", merged[is_new].tobytes())
