"""What the packages import is declared, what is declared is imported, and the check sees a breach."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ["pipeline", "verifiers", "reward_models", "sandbox"]
DEPTRY = Path(sys.executable).parent / "deptry"


def deptry(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [DEPTRY, ".", "--no-ansi"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages, free to be spoilt."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_is_declared() -> None:
    done = deptry(ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import httpx", "DEP003 'httpx' imported but it is a transitive dependency"),
        ("import duckdb", "DEP004 'duckdb' imported but declared as a dev dependency"),
        ("import no_such_package", "DEP001 'no_such_package' imported but missing"),
    ],
)
def test_an_import_that_is_not_declared_is_found(copy: Path, code: str, said: str) -> None:
    file = copy / "sandbox" / "__init__.py"
    file.write_text(f"{file.read_text()}\n{code}\n")
    done = deptry(copy)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_dependency_that_nothing_imports_is_found(copy: Path) -> None:
    project = copy / "pyproject.toml"
    text = project.read_text()
    project.write_text(
        text.replace('dependencies = [\n    "aio', 'dependencies = [\n    "httpx",\n    "aio')
    )
    done = deptry(copy)
    assert done.returncode == 1
    assert "DEP002 'httpx' defined as a dependency but not used" in done.stderr
