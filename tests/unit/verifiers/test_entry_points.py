"""Parts that installed packages offer through entry points."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.config import load_config
from tests.unit.pipeline.config.test_config import MINIMAL
from verifiers import plugins
from verifiers.catalog import VERIFIER
from verifiers.exact import ExactVerifier


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    plugins.forget_installed_packages()
    yield
    plugins.forget_installed_packages()


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Gets one entry for each scan of the installed packages."""
    counted: list[None] = []

    def scan() -> object:
        counted.append(None)
        return importlib.metadata.entry_points()

    monkeypatch.setattr(plugins, "entry_points", scan)
    return counted


def install(folder: Path, package: str, *offers: str) -> None:
    """Puts a package's metadata into a folder, as an installer does."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[berry.verifiers]", *offers, ""]))


def test_any_number_of_configs_scans_the_installed_packages_once(
    tmp_path: Path, scans: list[None]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    for seed in range(5):
        load_config(path, [f"seed={seed}"])
    assert len(scans) == 1


def test_a_package_on_a_folder_added_to_the_path_is_found_without_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "same" not in VERIFIER.names()
    install(tmp_path, "same_answers", "same = verifiers.exact:ExactVerifier")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert VERIFIER.find("same") is ExactVerifier


def test_a_package_installed_later_is_found_after_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[None]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "same" not in VERIFIER.names()
    install(tmp_path, "same_answers", "same = verifiers.exact:ExactVerifier")
    assert "same" not in VERIFIER.names()
    plugins.forget_installed_packages()
    assert VERIFIER.find("same") is ExactVerifier
    assert len(scans) == 2


@pytest.mark.parametrize(
    ("offers", "complaint"),
    [
        (
            ["math = mine:Mine"],
            "'math' is offered twice, as verifiers.math:MathVerifier and mine:Mine",
        ),
        (["same = mine:A", "same = mine:B"], "'same' is offered twice, as mine:A and mine:B"),
    ],
    ids=["a built-in name", "a name twice"],
)
def test_a_name_that_is_offered_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offers: list[str], complaint: str
) -> None:
    install(tmp_path, "mine", *offers)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=complaint):
        VERIFIER.names()
