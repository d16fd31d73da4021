"""What is sent to the nodes of a cluster: the user's own modules, and nothing that is installed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cluster.shipping import modules_to_ship
from verifiers.catalog import VERIFIER

VERIFIER_SOURCE = """
{imports}
from verifiers.exact import ExactVerifier

class Mine(ExactVerifier):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def shipped(*uses: str) -> list[str]:
    parts = [VERIFIER.part({"use": use}) for use in uses]
    return [Path(place).name for place in modules_to_ship(parts)]


def test_nothing_is_sent_of_berry_and_of_installed_packages() -> None:
    assert shipped("exact", "math", "verifiers.exact:ExactVerifier") == []


def test_a_module_goes_with_what_it_imports_from_its_folder(folder: Path) -> None:
    (folder / "one.py").write_text(
        VERIFIER_SOURCE.format(imports="import json, yaml, helper, pack.sub")
    )
    (folder / "helper.py").write_text("")
    (folder / "unused.py").write_text("")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "sub.py").write_text("")
    assert shipped("one:Mine") == ["helper.py", "one.py", "pack"]


def test_a_package_is_sent_as_a_whole(folder: Path) -> None:
    inner = folder / "whole" / "inner"
    inner.mkdir(parents=True)
    (folder / "whole" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("")
    (inner / "mine.py").write_text(VERIFIER_SOURCE.format(imports=""))
    assert shipped("whole.inner.mine:Mine") == ["whole"]


def test_a_package_without_an_init_file_is_sent_too(folder: Path) -> None:
    (folder / "spaced").mkdir()
    (folder / "spaced" / "mine.py").write_text(VERIFIER_SOURCE.format(imports=""))
    assert shipped("spaced.mine:Mine") == ["spaced"]
