"""A disk that fails while an input is read is no user's mistake; a missing permission is."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.errors import BerryError, RunFailure, UserMistake
from pipeline.evaluation.labelled import read_labelled
from pipeline.problems.files import FileSource
from pipeline.responses.file import _check_files


def read_problems(path: Path) -> None:
    config = FileSource.Config.model_validate({"path": path, "preset": "plain"})
    list(FileSource(config).rows())


READERS: dict[str, Callable[[Path], object]] = {
    "config": load_config,
    "problems": read_problems,
    "labelled responses": lambda path: list(read_labelled(path)),
    "responses": lambda path: _check_files(path, path.with_name("output")),
}


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EIO, RunFailure), (errno.EMFILE, RunFailure), (errno.EACCES, UserMistake)],
)
@pytest.mark.parametrize("reader", list(READERS))
def test_only_a_file_that_the_user_can_mend_is_a_users_mistake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reader: str,
    number: int,
    expected: type[BerryError],
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(expected, match=os.strerror(number)) as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)
