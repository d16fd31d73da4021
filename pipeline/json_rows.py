"""JSON rows, with gold answers that are numbers as the file writes them.

Python reads `5.10` and `1e2` as 5.1 and 100.0; of a gold answer it matters how it is written, and the
last digits of a long one would be lost. All other numbers are Python's. An object that has a key twice
is no row: Python would take the last value without a word.
"""

import json
import math
from collections.abc import Callable
from typing import Any

from pipeline.parsing import explain_json
from verifiers.mistakes import shown

Keys = tuple[str, ...]
"""The way to a value inside a row."""


def read_row(line: bytes, *golds: Keys, constants: list[str] | None = None) -> object:
    """A line's row; a decimal number at one of the places `golds` is text.

    `constants` gets each NaN and infinity of the row, which strict JSON does not have. Raises
    ValueError, which says what is wrong.
    """
    line = line.strip()
    try:
        row = json.loads(
            line,
            parse_constant=lambda constant: _noted(constant, constants),
            object_pairs_hook=_with_different_keys,
        )
    except RepeatedKey:
        raise
    except (ValueError, RecursionError) as e:
        raise ValueError(f"is not JSON: {explain_json(e)}") from e
    restore(row, lambda: json.loads(line, parse_float=str), *golds)
    return row


def restore(row: object, read_again: Callable[[], object], *golds: Keys) -> None:
    """Puts the text of decimal numbers at `golds` into the row; `read_again` gives the row with texts.

    Few rows have such numbers: reading those twice costs less than looking at every number. Raises
    ValueError for one that is too large.
    """
    for keys in golds:
        value = _at(row, keys)
        # What is no number in JSON, such as NaN, has no text there.
        if not isinstance(value, float) or not isinstance(text := _at(read_again(), keys), str):
            continue
        if math.isinf(value):
            raise ValueError(f"{'.'.join(keys)}: {text:.100} is too large for a number")
        _at(row, keys[:-1])[keys[-1]] = text


def read_list(text: bytes) -> object:
    """What a JSON text holds; a RepeatedKey stands for each item of a list that has a key twice.

    Raises ValueError and RecursionError, as `json.loads` does.
    """
    try:
        return json.loads(text, object_pairs_hook=_with_different_keys)
    except RepeatedKey:
        content = json.loads(text, object_pairs_hook=_marked)
    if not isinstance(content, list):
        return content
    return [_repeated(item) or item for item in content]


class RepeatedKey(ValueError):
    """An object has a key twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"has the key {shown(key)} twice in one object")


class _Marked(dict[str, Any]):
    """An object that has a key twice."""

    error: RepeatedKey


def _with_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedKey(next(name for name in names if names.count(name) > 1))
    return content


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    try:
        return _with_different_keys(pairs)
    except RepeatedKey as e:
        content = _Marked(pairs)
        content.error = e
        return content


def _repeated(item: object) -> RepeatedKey | None:
    """The first key that an object in this item has twice."""
    if isinstance(item, _Marked):
        return item.error
    within = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return next((found for one in within if (found := _repeated(one)) is not None), None)


def _at(row: Any, keys: Keys) -> Any:
    """What stands there; None if there is nothing."""
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _noted(constant: str, constants: list[str] | None) -> float:
    if constants is not None:
        constants.append(constant)
    return float(constant)
