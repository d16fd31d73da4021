"""berry as it is installed from a wheel, with the packages that the wheel asks for and no others."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT, Finished
from tests.viewer_runs import viewer_run

SOURCES = ("pipeline", "verifiers", "reward_models", "sandbox", "configs")
HEAVY = ("ray", "torch", "vllm", "transformers", "datasets", "reasoning_gym", "sklearn", "matplotlib")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with berry's wheel in it."""

    wheel: Path
    folder: Path

    def run(self, cwd: Path, *command: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*command),
            cwd=cwd,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def command(self, name: object, *arguments: object) -> list[str]:
        return [str(self.folder / "bin" / str(name)), *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        """Without what would let the repository's own packages in."""
        return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built and installed where only its declared dependencies can be imported."""
    folder = tmp_path_factory.mktemp("light")
    source = folder / "source"
    for package in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build: list[str | Path] = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "-w",
        folder,
        source,
    ]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel],
        check=True,
    )
    packages = environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    links = folder / "links"
    links.mkdir()
    (berry,) = packages.glob("berry_pipeline-*.dist-info")
    for name in dependencies(PathDistribution(berry)):
        link(name, links)
    (packages / "light.pth").write_text(f"{links}\n")
    return Installed(wheel, environment)


def dependencies(root: PathDistribution) -> set[str]:
    """Names of what a distribution asks for, without its extras, and what that asks for."""
    waiting = [Requirement(text) for text in root.requires or ()]
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": ""}):
                name = canonicalize_name(requirement.name)
                found.add(name)
                if (name, extra) not in seen:
                    seen.add((name, extra))
                    asked = map(Requirement, distribution(name).requires or ())
                    waiting += [
                        one for one in asked if not one.marker or one.marker.evaluate({"extra": extra})
                    ]
    return found


def link(name: str, folder: Path) -> None:
    """Makes the files of an installed distribution visible in the folder."""
    files = distribution(name).files
    assert files is not None
    for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
        target = Path(str(distribution(name).locate_file(top)))
        if target.exists() and not (folder / top).exists():
            (folder / top).symlink_to(target)


def test_the_wheel_holds_what_is_read_when_berry_runs(light: Installed) -> None:
    with zipfile.ZipFile(light.wheel) as file:
        names = set(file.namelist())
    assert {f"{package}/py.typed" for package in SOURCES[:4]} <= names
    named = set(re.findall(r"configs/(?:loops/)?\w+\.yaml", (ROOT / "README.md").read_text()))
    assert named
    assert {f"pipeline/{config}" for config in named} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    inspection = ROOT / "pipeline" / "inspection"
    pages = [
        *(inspection / "report" / "templates").iterdir(),
        *(inspection / "ui" / "assets").rglob("*"),
    ]
    assert {str(path.relative_to(ROOT)) for path in pages if path.is_file()} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "configs/"))]


def test_the_light_part_has_the_viewer_and_the_report(light: Installed, tmp_path: Path) -> None:
    run = viewer_run(tmp_path / "run")
    written = light.run(tmp_path, "berry", "report", run)
    assert written.returncode == 0, written.stderr
    loaded = light.run(tmp_path, "python", "-c", "import pipeline.inspection.ui.server")
    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.parametrize("package", HEAVY)
def test_the_light_part_brings_no_heavy_package(light: Installed, package: str) -> None:
    assert not list((light.folder.parent / "links").glob(f"{package}*"))


def test_the_libraries_are_usable_alone(light: Installed, tmp_path: Path) -> None:
    done = light.run(tmp_path, "python", "-c", "import verifiers, sandbox; print(verifiers.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(light.folder))


def test_help_needs_nothing_more(light: Installed, tmp_path: Path) -> None:
    done = light.run(tmp_path, "berry", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "berry run" not in done.stderr
    assert "doctor" in done.stdout


def test_the_doctor_says_which_extras_are_missing(light: Installed, tmp_path: Path) -> None:
    done = light.run(tmp_path, "berry", "doctor")
    assert done.returncode == 1
    assert done.stderr == "berry: missing for `berry run`: run, vllm\n"
    lines = {line[:19].split()[-1]: line for line in done.stdout.splitlines()}
    assert lines["light"].startswith("ok")
    for extra in ("run", "train", "eval", "gym"):
        assert lines[extra].startswith("missing")
        assert f"pip install 'berry-pipeline[{extra}]'" in lines[extra]
    assert "berry-pipeline[gpu]" in lines["vllm"]


def test_the_doctor_is_content_where_only_verifying_is_asked_for(
    light: Installed, tmp_path: Path
) -> None:
    done = light.run(tmp_path, "berry", "doctor", "--for", "verify")
    assert (done.returncode, done.stderr) == (0, "")


def test_answers_are_judged(light: Installed, tmp_path: Path) -> None:
    integral = r"\int_0^1 x dx"
    rows = [
        {"id": "right", "gold": "1/2", "response": r"It is \boxed{0.5}"},
        {"id": "wrong", "gold": "1/2", "response": r"It is \boxed{0.6}"},
        {"id": "by sympy", "gold": integral, "response": r"It is \boxed{\frac{1}{2}}"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = light.run(
        tmp_path, "berry", "verify", "math", "--input", "rows.jsonl", "--output", "out.jsonl"
    )
    assert done.returncode == 0, done.stderr
    verdicts = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [verdict["outcome"] for verdict in verdicts] == ["pass", "fail", "pass"]


def test_programs_are_judged(light: Installed, tmp_path: Path) -> None:
    target = {"kind": "stdin_stdout", "cases": [{"input": "3", "output": "6"}]}
    row = {"id": "1", "target": target, "response": "```python\nprint(int(input()) * 2)\n```"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    options = ["--input", "rows.jsonl", "--output", "out.jsonl", "--allow-weak"]
    done = light.run(tmp_path, "berry", "verify", "code", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text())["outcome"] == "pass"


def test_verdicts_are_served(light: Installed, tmp_path: Path) -> None:
    for said in serving(light, tmp_path):
        address = said.split()[-1]
        with urllib.request.urlopen(f"{address}/health") as reply:
            assert reply.status == 200


def serving(light: Installed, folder: Path) -> Iterator[str]:
    """What the server says once it listens; it is ended afterwards."""
    with subprocess.Popen(
        light.command("berry", "serve", "verify", "--use", "math", "--port", "0"),
        cwd=folder,
        env=light.environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline()
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.mark.ray
def test_a_run_of_another_machine_is_read(light: Installed, finished: Finished, tmp_path: Path) -> None:
    out = shutil.copytree(finished.out, tmp_path / "out")
    for command in (
        ["status", out],
        ["show", out],
        ["report", out],
        ["export", out, "--as", "traces", "--output", "traces"],
        ["export", out, "--as", "steps", "--output", "steps.jsonl"],
    ):
        done = light.run(tmp_path, "berry", *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "run configs/simulated.yaml",
            "`berry run` needs the package ray, which is not installed: "
            "pip install 'berry-pipeline[run]'",
        ),
        (
            "check configs/simulated.yaml",
            "problems.use=reasoning_gym needs the package reasoning-gym, which is not installed: "
            "pip install 'berry-pipeline[gym]'",
        ),
        (
            "check configs/code.yaml engine.use=simulated",
            "problems.use=hugging_face needs the package datasets, which is not installed: "
            "pip install 'berry-pipeline[run]'",
        ),
        (
            "train prm --data out --base model --output prm",
            "`berry train` needs the package torch, which is not installed: "
            "pip install 'berry-pipeline[train]'",
        ),
        (
            "eval out",
            "`berry eval` needs the package scikit-learn, which is not installed: "
            "pip install 'berry-pipeline[eval]'",
        ),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    light: Installed, tmp_path: Path, command: str, said: str
) -> None:
    done = light.run(tmp_path, "berry", *command.split())
    assert (done.returncode, done.stderr, done.stdout) == (2, f"berry: {said}\n", "")


def test_a_verifier_names_the_extra_that_it_lacks(light: Installed, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    options = ["--input", "rows.jsonl", "--output", "out.jsonl"]
    done = light.run(tmp_path, "berry", "verify", "use", "reasoning_gym", *options)
    assert done.returncode == 2
    assert "the verifier 'reasoning_gym' cannot be built" in done.stderr
    assert "pip install 'berry-pipeline[gym]'" in done.stderr
    assert done.stderr.count("\n") == 1
