"""A new file of JSON lines that appears once it is complete."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pipeline.files.publishing import REPEAT, explained
from pipeline.files.storage import NewFile, move


class NewLines:
    """The file, under a temporary name until the block ends; a context manager.

    If the block raises, there is no file. All methods raise FolderError and StorageError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.partial")
        self._file = NewFile(self._temporary)

    def __enter__(self) -> Self:
        with explained(self._path, cure=REPEAT):
            self._file.__enter__()
        return self

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds a line."""
        with explained(self._path, cure=REPEAT):
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def __exit__(self, *error: Any) -> None:
        with explained(self._path, cure=REPEAT):
            self._file.__exit__(*error)
            if error[0] is None:
                move(self._temporary, self._path)
