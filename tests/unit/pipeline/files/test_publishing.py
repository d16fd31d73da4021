"""Files that appear whole or not at all."""

import gc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.files import publishing
from pipeline.files.publishing import RowsFile
from pipeline.files.storage import NewFile


def test_a_given_up_file_is_not_written_to_once_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow would write the end of the file when it is collected, and fail where nobody sees it."""
    late = []

    class Watched(NewFile):
        def write(self, data: Any) -> int:
            if self.closed:
                late.append(len(data))
            return super().write(data)

    monkeypatch.setattr(publishing, "NewFile", Watched)
    batch = pa.RecordBatch.from_pydict({"x": [1, 2, 3]})

    def give_up() -> None:
        with RowsFile(tmp_path / "rows.parquet", batch.schema) as file:
            file.add(batch)
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    gc.collect()
    assert not late
    assert not list(tmp_path.iterdir())
