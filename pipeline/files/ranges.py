"""Ranges of row numbers, from 0, for reading some rows of a file and passing over the others."""

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import TypeVar

T = TypeVar("T")
Ranges = Sequence[range]
"""Ranges with the step 1, in order and without overlap."""


def rows_from(start: int) -> range:
    """All rows from this one."""
    return range(start, sys.maxsize)


EVERY_ROW: Ranges = (rows_from(0),)


def pick(items: Iterator[T], ranges: Ranges) -> Iterator[T]:
    """The items in the ranges; `items` begins with item 0. Others cost no more than their iteration."""
    position = 0
    for wanted in ranges:
        yield from islice(items, wanted.start - position, wanted.stop - position)
        position = wanted.stop


def overlap(ranges: Ranges, rows: range) -> list[range]:
    """The pieces of the ranges inside `rows`."""
    first = bisect_right(ranges, rows.start, key=lambda one: one.stop)
    near = takewhile(lambda one: one.start < rows.stop, islice(ranges, first, None))
    pieces = (range(max(one.start, rows.start), min(one.stop, rows.stop)) for one in near)
    return [piece for piece in pieces if piece]
