"""Reads JSON rows; gold answers that are numbers keep their text.

Python reads `5.10` and `1e2` as 5.1 and 100.0, but the written form of a gold answer matters, and a
long number would lose its last digits. All other numbers are Python numbers. An object with a repeated
key is an error, because Python would silently use the last value.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.files.parsing import explain_json
from verifiers.mistakes import shown

Keys = tuple[str, ...]
"""Keys that lead to a value inside a row."""


def read_row(line: bytes, *golds: Keys, constants: list[str] | None = None) -> object:
    """Parses a line; a decimal number at one of the `golds` stays text.

    `constants` collects each NaN and infinity in the row, which strict JSON does not allow. Raises
    ValueError for a fault.
    """
    line = line.strip()
    try:
        if constants is None:
            row = _DECODE(line.decode(json.detect_encoding(line), "surrogatepass"))
        else:
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
    """Replaces decimal numbers at `golds` with their text; `read_again` parses numbers as text.

    Few rows have such numbers, so parsing these twice costs less than handling every number. Raises
    ValueError for a number that is too large.
    """
    for keys in golds:
        value = _at(row, keys)
        # NaN and infinities are not JSON numbers and have no text.
        if not isinstance(value, float) or not isinstance(text := _at(read_again(), keys), str):
            continue
        if math.isinf(value):
            raise ValueError(f"{'.'.join(keys)}: {text:.100} is too large for a number")
        _at(row, keys[:-1])[keys[-1]] = text


def read_list(text: bytes) -> object:
    """Parses JSON text; each list item with a repeated key becomes a RepeatedKey.

    Raises ValueError and RecursionError like `json.loads`.
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
    """An object with a repeated key."""

    error: RepeatedKey


def _with_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedKey(next(name for name in names if names.count(name) > 1))
    return content


_DECODE = json.JSONDecoder(object_pairs_hook=_with_different_keys).decode
"""`json.loads` with a hook would make a new decoder at each call."""


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    try:
        return _with_different_keys(pairs)
    except RepeatedKey as e:
        content = _Marked(pairs)
        content.error = e
        return content


def _repeated(item: object) -> RepeatedKey | None:
    """The first repeated key of an object inside this item."""
    if isinstance(item, _Marked):
        return item.error
    within = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return next((found for one in within if (found := _repeated(one)) is not None), None)


def _at(row: Any, keys: Keys) -> Any:
    """The value at these keys; None if missing."""
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _noted(constant: str, constants: list[str]) -> float:
    constants.append(constant)
    return float(constant)


def finite(value: Any) -> Any:
    """JSON values with null for each number that is not finite, which strict JSON does not allow."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value
