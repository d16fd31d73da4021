"""Lengths of responses: quantiles and a histogram, from how many there are of each length."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 24
_SHOWN = 0.99
"""Fraction of the responses that the histogram's bins but the last are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths of the responses of one fate."""

    fate: str
    responses: int
    mean: float
    p5: int
    median: int
    p95: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Responses by length; the last bin also has all that are longer."""

    width: int
    numbers: Mapping[str, tuple[int, ...]]
    """Fate -> responses in each bin."""


def describe_lengths(counts: Mapping[str, Mapping[int, int]]) -> list[Lengths]:
    """A line for each fate that has responses."""
    return [_describe(fate, *_sorted(of_fate)) for fate, of_fate in counts.items() if of_fate]


def histogram(counts: Mapping[str, Mapping[int, int]]) -> Histogram | None:
    """The histogram; None without responses."""
    together: dict[int, int] = {}
    for of_fate in counts.values():
        for length, number in of_fate.items():
            together[length] = together.get(length, 0) + number
    if not together:
        return None
    width = _round_up(max(1, _quantile(*_sorted(together), _SHOWN)) / (_BINS - 1))
    used = min(_BINS, 1 + max(together) // width)
    return Histogram(
        width=width,
        numbers={fate: _binned(of_fate, width, used) for fate, of_fate in counts.items() if of_fate},
    )


def _binned(counts: Mapping[int, int], width: int, used: int) -> tuple[int, ...]:
    lengths, numbers = _sorted(counts)
    places = np.minimum(used - 1, lengths // width)
    return tuple(int(one) for one in np.bincount(places, numbers, used))


def _sorted(counts: Mapping[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = np.array(sorted(counts), np.int64)
    return lengths, np.array([counts[one] for one in lengths.tolist()], np.int64)


def _describe(fate: str, lengths: NDArray[np.int64], numbers: NDArray[np.int64]) -> Lengths:
    total = int(numbers.sum())
    return Lengths(
        fate=fate,
        responses=total,
        mean=float(lengths @ numbers / total),
        p5=_quantile(lengths, numbers, 0.05),
        median=_quantile(lengths, numbers, 0.5),
        p95=_quantile(lengths, numbers, 0.95),
        longest=int(lengths[-1]),
    )


def _quantile(lengths: NDArray[np.int64], numbers: NDArray[np.int64], fraction: float) -> int:
    """The least length that at least this fraction of the responses does not exceed."""
    needed = fraction * numbers.sum()
    return int(lengths[int(np.searchsorted(np.cumsum(numbers), needed))])


def _round_up(number: float) -> int:
    """The next whole number of the form 1, 2 or 5 times a power of ten."""
    scale = 1
    while True:
        for step in (scale, 2 * scale, 5 * scale):
            if step >= number:
                return step
        scale *= 10
