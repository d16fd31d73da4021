"""Files of JSON lines, written whole or not at all."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.files.publishing import explained
from pipeline.files.storage import publish


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the file under a temporary name first. Raises FolderError and StorageError."""
    content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
    with explained(path):
        publish(path, content)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that `write_lines` wrote. Raises FolderError and StorageError."""
    with explained(path):
        # Not `splitlines`, which also ends lines at characters that JSON leaves as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]
