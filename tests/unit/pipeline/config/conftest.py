"""A config in a file."""

from pathlib import Path

import pytest
import yaml

from tests.unit.pipeline.config.test_config import MINIMAL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path
