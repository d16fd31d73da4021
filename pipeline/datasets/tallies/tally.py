"""A table of counts: rows under free text, such as a domain, and columns under names that are known.

Tables add up. Since free text is unlimited, the number of rows is not: the largest keep a row of their
own, the rest share one, `OTHER_ROWS`, so that each column keeps its total.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

OTHER_ROWS = "others"
"""The row that stands for all rows that are too small for one of their own."""
_MOST_ROWS = 40
_LONGEST = 160

Tally = dict[str, Counter[str]]
"""Row -> column -> number."""


def count_row(tally: Tally, row: str, columns: Mapping[str, int]) -> None:
    """Adds to a row; columns without a number stay out. The row's text is cut if it is long."""
    name = row if len(row) <= _LONGEST else row[: _LONGEST - 3] + "..."
    found = tally.setdefault(name, Counter())
    for column, number in columns.items():
        if number:
            found[column] += number


def add_tally(tally: Tally, other: Mapping[str, Mapping[str, int]], size: str) -> None:
    """Adds another table in place. `size` is the column by which the largest rows stay."""
    for row, columns in other.items():
        tally.setdefault(row, Counter()).update(columns)
    if len(tally) <= _MOST_ROWS:
        return
    ordered = sorted((row for row in tally if row != OTHER_ROWS), key=lambda row: -tally[row][size])
    others = tally.setdefault(OTHER_ROWS, Counter())
    for row in ordered[_MOST_ROWS - 1 :]:
        others.update(tally.pop(row))


def flat_tally(tally: Tally) -> Iterator[tuple[str, int]]:
    """`ROW.COLUMN` and the number, for each number; columns have no dot in their names."""
    for row, columns in tally.items():
        for column, number in columns.items():
            yield f"{row}.{column}", number


def read_flat(tally: Tally, key: str, number: int) -> None:
    """Reads back one number of the flat form."""
    row, _, column = key.rpartition(".")
    tally.setdefault(row, Counter())[column] = number
