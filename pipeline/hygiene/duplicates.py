"""Finds exact and near duplicates among any number of texts.

Near duplicates have in common what the texts say that they must, and an estimated similarity of at
least `least`. Candidates come from locality-sensitive hashing: two texts are compared if all
bytes of a band of their signatures are equal. The bands are chosen so that a pair at the limit is
missed in less than one of a thousand cases.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.hygiene.signatures import NUM_HASHES, Signatures

_MISSED = 0.001
"""Greatest probability that a pair at the limit is not compared."""


def find_duplicates(signatures: Signatures, least: float | None) -> dict[int, int]:
    """Text -> an earlier text that stays and that it repeats. Without `least`, exact ones alone."""
    repeats = _exact(signatures)
    if least is None:
        return repeats
    left = np.array([text for text in range(len(signatures)) if text not in repeats], dtype=np.int64)
    alike = defaultdict[int, list[int]](list)
    for bucket in _buckets(signatures, left, least):
        for later, earlier in _alike(signatures, bucket, least):
            alike[later].append(earlier)
    for text in sorted(alike):
        staying = [other for other in alike[text] if other not in repeats]
        if staying:
            repeats[text] = min(staying)
    # A text may repeat one that now goes: it repeats what that one does.
    return {text: repeats.get(other, other) for text, other in repeats.items()}


def _exact(signatures: Signatures) -> dict[int, int]:
    _, first, group = np.unique(signatures.exact, return_index=True, return_inverse=True)
    firsts = first[group]
    return {int(text): int(firsts[text]) for text in np.flatnonzero(firsts != np.arange(len(firsts)))}


def _buckets(
    signatures: Signatures, texts: NDArray[np.int64], least: float
) -> Iterator[NDArray[np.int64]]:
    """Groups of texts that have the same numbers and the same bytes in a band, each in order."""
    rows = _rows(least)
    for band in range(NUM_HASHES // rows):
        hashes = signatures.hashes[texts, band * rows : (band + 1) * rows]
        numbers = signatures.numbers[texts].view(np.uint8).reshape(len(texts), 8)
        keys = np.ascontiguousarray(np.hstack([numbers, hashes]))
        keys = keys.view(np.dtype((np.void, keys.shape[1]))).ravel()
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
        for bucket in np.split(order, ends):
            if len(bucket) > 1:
                yield texts[bucket]


def _rows(least: float) -> int:
    """The most bytes a band can have."""
    for rows in range(NUM_HASHES, 1, -1):
        if (1 - least**rows) ** (NUM_HASHES // rows) <= _MISSED:
            return rows
    return 1


def _alike(
    signatures: Signatures, bucket: NDArray[np.int64], least: float
) -> Iterator[tuple[int, int]]:
    """Pairs of a text and an earlier one of the bucket that is like no text before it."""
    leaders, number = np.empty_like(bucket), 1
    leaders[0] = bucket[0]
    for text in bucket[1:]:
        similarity = signatures.similarity(text, leaders[:number])
        best = int(similarity.argmax())
        if similarity[best] >= least:
            yield int(text), int(leaders[best])
        else:
            leaders[number] = text
            number += 1
