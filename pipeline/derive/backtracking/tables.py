"""The files of an export: the chains, and beside them their controls; both appear or neither."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from pipeline.derive.backtracking.rows import CONTROL, SCHEMA, VIEW
from pipeline.derive.export_file import FileKind, JsonLines, check_new_file
from pipeline.derive.output_folder import make_output, remove_output, start_over
from pipeline.files.publishing import REPEAT, RowsFile, explained
from pipeline.files.storage import move
from pipeline.hashing import digest_text


class Tables:
    """New files, filled row by row under hidden names; a context manager.

    A folder gets `data/VIEW/part-0000000.parquet` for each view, and a file NAME.jsonl or NAME.parquet
    a second one, NAME_control. If the block raises, nothing is left.
    """

    def __init__(self, output: Path, kind: FileKind | None, run: Path) -> None:
        self._output, self._kind, self._run = output, kind, run
        self._cure = start_over(output) if kind is None else REPEAT
        control = output.with_name(f"{output.stem}_control{output.suffix}")
        self.paths: Mapping[str, Path] = {VIEW: output, CONTROL: control}
        """View -> its file."""
        if kind is None:
            self.paths = {
                view: output / "data" / view / "part-0000000.parquet" for view in (VIEW, CONTROL)
            }
        self._files: dict[str, JsonLines | RowsFile] = {}
        self._stack = ExitStack()
        self._is_new = False

    @property
    def state(self) -> str:
        """A hash of the content of the closed files."""
        return digest_text(" ".join(file.written.digest for file in self._files.values()))

    def __enter__(self) -> Self:
        if self._kind is None:
            self._is_new = make_output(self._output, self._run, self.paths)
        else:
            for path in self.paths.values():
                check_new_file(path, self._run)
        with explained(self._output, cure=self._cure):
            for view, path in self.paths.items():
                hidden = path.with_name(f".{path.name}")
                is_text = self._kind == ".jsonl"
                file: JsonLines | RowsFile = JsonLines(hidden) if is_text else RowsFile(hidden, SCHEMA)
                self._stack.enter_context(file)
                self._files[view] = file
        return self

    def add(self, view: str, row: Mapping[str, object]) -> None:
        """Adds a row."""
        array = pa.array([dict(row)], type=pa.struct(list(SCHEMA)))
        with explained(self._output, cure=self._cure):
            self._files[view].add(pa.RecordBatch.from_struct_array(array))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with explained(self._output, cure=self._cure):
            self._stack.__exit__(kind, error, traceback)
            if error is None:
                # The control first: a reader of the chains finds it there.
                for path in reversed(list(self.paths.values())):
                    move(path.with_name(f".{path.name}"), path)
        if error is not None and self._kind is None:
            remove_output(self._output, is_new=self._is_new)
