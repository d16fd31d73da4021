"""The arrows between folders hold, and the check of each would see a violation."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ["pipeline", "verifiers", "reward_models", "sandbox"]
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"
VIOLATIONS = [
    ("sandbox/__init__.py", "import verifiers"),
    ("verifiers/answers/statement.py", "import pipeline.records"),
    ("verifiers/plugins.py", "import pipeline.config"),
    ("verifiers/isolation/border.py", "import pyarrow"),
    ("reward_models/__init__.py", "import verifiers.math.verifier"),
    ("reward_models/records.py", "import pipeline.tree"),
    ("pipeline/dispatch/scoring.py", "import torch"),
    ("pipeline/records.py", "import pipeline.engines"),
    ("pipeline/search/best_of_n.py", "import pipeline.prune"),
    ("pipeline/explore.py", "import pipeline.cluster.crew"),
    ("pipeline/datasets/views/table.py", "import pipeline.run"),
    ("pipeline/rollouts/steps.py", "import torch"),
    ("pipeline/tree/tree.py", "import pyarrow"),
    ("pipeline/run.py", "import ray"),
    ("pipeline/cluster/shipping.py", "import ray"),
    ("pipeline/cluster/shipping.py", "import pipeline.cluster.actors"),
]
"""A module, and an import that it must not have."""


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": ""},
    )


def test_every_arrow_holds() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The linter's report on one copy of the packages with every violation planted in it.

    Each violation is a direct import, which the linter reports as such whatever else it finds, so that
    none hides another.
    """
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for module, forbidden in VIOLATIONS:
        # Opened so that it has to be there.
        with (copy / module).open("r+") as file:
            file.seek(0, os.SEEK_END)
            file.write(f"\n{forbidden}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("module", "forbidden"), VIOLATIONS)
def test_a_violation_is_seen(complaints: str, module: str, forbidden: str) -> None:
    importer = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = forbidden.removeprefix("import ")
    # A chain of this one import: as a link of a longer chain it would be another violation's.
    chain = rf"^- +{re.escape(importer)} -> {re.escape(imported)} \(l\.[^)]+\)\n\n"
    assert re.search(chain, complaints, re.MULTILINE), complaints


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
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from pipeline.cli.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert "expected berry's own package `verifiers`" in done.stderr
    assert "Traceback" not in done.stderr
