"""A run goes on with other limits of its sandbox, but not where programs would find other things."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.derive.verify_again import verifier_of
from pipeline.progress import Snapshot
from pipeline.run import _change_run, describe, execute
from tests.runs import make_trace, write_run
from verifiers.code import CodeVerifier

REACHED = {"preload": ["numpy"], "readable": ["/opt/data"]}


class Silent:
    """Shows no progress."""

    def message(self, text: str) -> None:
        """Nothing."""

    def update(self, snapshot: Snapshot) -> None:
        """Nothing."""


def config(path: Path, **sandbox: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "output": str(path),
            "engine": {"use": "simulated"},
            "problems": {"use": "file", "path": str(path.parent / "none.jsonl")},
            "verifier": {"use": "code"},
            "sandbox": sandbox,
        }
    )


def complete_run(path: Path, about: dict[str, Any]) -> Path:
    """A run folder with data whose run.json has this content."""
    write_run(path, [make_trace("1 + 1", "2", [("2", True)])])
    folder = RunFolder.reopen(path)
    folder.run = {key: folder.run[key] for key in ("schema",)}
    folder.change_run(**about)
    folder.close()
    return path


def test_run_json_has_the_settings_of_the_sandbox(tmp_path: Path) -> None:
    given = config(tmp_path / "out", **REACHED, processes=3, allow_weak=True)
    out = complete_run(tmp_path / "out", describe(given))
    stored = RunFolder.read(out).run["sandbox"]
    assert stored == given.sandbox.model_dump(mode="json")
    verifier = verifier_of(RunFolder.read(out))
    assert isinstance(verifier, CodeVerifier)
    assert verifier._checkers.sandbox.config == given.sandbox


@pytest.mark.parametrize("key", REACHED)
def test_what_programs_find_stays_the_same(tmp_path: Path, key: str) -> None:
    out = tmp_path / "out"
    complete_run(out, describe(config(out, **REACHED)))
    other = config(out, **{**REACHED, key: []})
    with pytest.raises(
        FolderError, match=rf"another config: sandbox\.{key} was \['.*'\] and is now \[\]"
    ):
        execute(other, Silent())
    with pytest.raises(FolderError, match=rf"sandbox\.{key} was"):
        RunFolder.find(out, describe(other))
    execute(config(out, **REACHED), Silent())


def test_what_keeps_programs_in_may_change(tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = complete_run(out, describe(config(out, processes=2)))
    folder = execute(config(out, processes=1, allow_weak=True, recycle_after=5), Silent())
    assert folder.complete is not None
    # It was complete: all verdicts are from before.
    assert RunFolder.read(before).run["sandbox"]["processes"] == 2


def test_an_unfinished_run_has_the_settings_of_its_last_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with_two, with_one = config(out, processes=2), config(out, processes=1)
    RunFolder.claim(out, describe(with_two)).close()
    folder = RunFolder.claim(out, describe(with_one))
    _change_run(folder, with_one)
    folder.close()
    assert RunFolder.read(out).run["sandbox"]["processes"] == 1


def test_nothing_is_kept_of_a_run_with_another_sandbox_that_committed_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    RunFolder.claim(out, describe(config(out, **REACHED))).close()
    folder = RunFolder.claim(out, describe(config(out)))
    folder.close()
    assert RunFolder.read(out).run["sandbox"]["readable"] == []


def test_a_run_of_an_earlier_version_goes_on_with_any_sandbox(tmp_path: Path) -> None:
    """Its run.json does not say which one it had."""
    given = config(tmp_path / "out", **REACHED)
    about = describe(given)
    del about["sandbox"]
    out = complete_run(tmp_path / "out", about)
    assert execute(given, Silent()).complete is not None
    assert "sandbox" not in RunFolder.read(out).run
    assert "sandbox" not in config_with_sandbox(RunFolder.read(out).run)
