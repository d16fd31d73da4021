"""Signatures of texts: what exact and near duplicates are found by, in some 140 bytes a text.

MinHash (Broder, 1997): the fraction of equal hashes estimates the Jaccard similarity of two sets of
word 3-grams. Of each hash one byte is kept (b-bit minwise hashing, Li and König, 2010,
arXiv:0910.3349): two different hashes have the same byte in one of 256 cases, which the estimate allows
for. Its standard error is under 0.045.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from pipeline.hashing import digest_text

NUM_HASHES = 128
_SEED = 7
_SIZE = 3
_BATCH = 1000
"""Texts whose words are in memory at a time."""
_CHANCE = 1 / 256
"""Fraction of different hashes with the same byte."""


class Compared(NamedTuple):
    """A text as it is compared."""

    exact: str
    """Equal only for exact duplicates."""
    words: Sequence[str]
    common: Sequence[str]
    """What near duplicates must have in common: a calculation, an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Signatures of texts, in order."""

    exact: NDArray[np.uint64]
    """A hash of `Compared.exact`; shape (texts)."""
    numbers: NDArray[np.uint64]
    """A hash of `Compared.common`; shape (texts)."""
    hashes: NDArray[np.uint8]
    """The lowest byte of each hash; shape (texts, NUM_HASHES)."""

    @classmethod
    def of(cls, texts: Iterable[Compared]) -> "Signatures":
        """Signatures of texts."""
        left, parts = iter(texts), list[Signatures]()
        while batch := list(islice(left, _BATCH)):
            parts.append(cls._of(batch))
        return cls.joined(parts or [cls._of([])])

    @classmethod
    def _of(cls, texts: Sequence[Compared]) -> Self:
        exact, numbers, grams = [], [], []
        for text, words, own in texts:
            exact.append(_hash([text]))
            numbers.append(_hash(own))
            size = min(_SIZE, max(1, len(words)))
            shifted = (words[n:] for n in range(size))
            grams.append([" ".join(gram) for gram in zip(*shifted, strict=False)])
        digests = RMinHash.digests_from_token_sets(grams, NUM_HASHES, _SEED)
        hashes = np.array(digests, dtype=np.uint32).reshape(len(grams), NUM_HASHES)
        return cls(
            exact=np.array(exact, dtype=np.uint64),
            numbers=np.array(numbers, dtype=np.uint64),
            hashes=(hashes & 0xFF).astype(np.uint8),
        )

    @classmethod
    def joined(cls, parts: Sequence["Signatures"]) -> "Signatures":
        """The signatures of all parts, in order."""
        return cls(
            exact=np.concatenate([part.exact for part in parts]),
            numbers=np.concatenate([part.numbers for part in parts]),
            hashes=np.concatenate([part.hashes for part in parts]),
        )

    def take(self, places: NDArray[np.int64]) -> "Signatures":
        """The signatures of some texts."""
        return Signatures(
            exact=self.exact[places], numbers=self.numbers[places], hashes=self.hashes[places]
        )

    def __len__(self) -> int:
        return len(self.exact)

    def similarity(self, text: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Estimated Jaccard similarity of a text to others, 0 to 1; 0 with other numbers."""
        equal = (self.hashes[others] == self.hashes[text]).mean(axis=1)
        similarity = np.maximum(0.0, (equal - _CHANCE) / (1 - _CHANCE))
        return np.where(self.numbers[others] == self.numbers[text], similarity, 0.0)


def _hash(words: Sequence[str]) -> int:
    return int(digest_text("\0".join(words)), 16)
