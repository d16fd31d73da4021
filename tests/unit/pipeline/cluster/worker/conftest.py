"""A run folder to work in."""

from pathlib import Path

import pytest

from pipeline.datasets.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, {})
