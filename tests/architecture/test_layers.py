"""The arrows between folders hold, and the check of each would see a violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ["pipeline", "verifiers", "reward_models", "sandbox"]
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": ""},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages, free to be spoilt."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_arrow_holds() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("sandbox/__init__.py", "import verifiers"),
        ("verifiers/answers/statement.py", "import pipeline.records"),
        ("verifiers/plugins.py", "import pipeline.config"),
        ("verifiers/border.py", "import pyarrow"),
        ("reward_models/__init__.py", "import verifiers.math"),
        ("reward_models/records.py", "import pipeline.tree"),
        ("pipeline/scoring.py", "import torch"),
        ("pipeline/records.py", "import pipeline.engines"),
        ("pipeline/search/best_of_n.py", "import pipeline.prune"),
        ("pipeline/explore.py", "import pipeline.cluster"),
        ("pipeline/datasets/views.py", "import pipeline.run"),
        ("pipeline/engines/steps.py", "import torch"),
        ("pipeline/tree.py", "import pyarrow"),
        ("pipeline/run.py", "import ray"),
        ("pipeline/shipping.py", "import ray"),
        ("pipeline/shipping.py", "import pipeline.actors"),
    ],
)
def test_a_violation_is_seen(copy: Path, module: str, forbidden: str) -> None:
    with (copy / module).open("a") as file:
        file.write(f"\n{forbidden}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.explore",
        "pipeline.config",
        "pipeline.engines.simulated",
        "verifiers",
        "verifiers.catalog",
        "verifiers.combine",
    ],
)
def test_heavy_libraries_are_not_loaded_by_light_parts(module: str) -> None:
    script = (
        f"import sys, {module}; "
        "print(*{'torch', 'vllm', 'ray', 'datasets', 'transformers', 'pytest'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


def test_the_program_says_so_when_another_package_is_called_verifiers(tmp_path: Path) -> None:
    (tmp_path / "verifiers").mkdir()
    (tmp_path / "verifiers" / "__init__.py").write_text("")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from pipeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert "expected berry's own package `verifiers`" in done.stderr
    assert "Traceback" not in done.stderr
