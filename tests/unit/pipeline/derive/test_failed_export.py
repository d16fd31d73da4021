"""An export that the machine interrupts, and rules that set several keys at once."""

import errno
from pathlib import Path

import pytest

from pipeline.config import read_rules
from pipeline.datasets.folder import RunFolder
from pipeline.derive import export
from pipeline.files.publishing import StorageError
from tests.unit.pipeline.datasets.test_folder import RUN, commit


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_an_incomplete_folder_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.claim(tmp_path / "out", RUN | {"config": {}})
    commit(folder, 0)
    folder.close()
    monkeypatch.setattr(export, "move", fail)
    steps = tmp_path / "steps"
    with pytest.raises(StorageError, match=f"{steps} is incomplete: delete it, then repeat"):
        export.export_view(tmp_path / "out", "steps", steps)


@pytest.mark.parametrize(
    ("override", "votes", "prunes"),
    [
        ("labels.majority={min_fraction: 0.9}", True, True),
        ("labels.majority.min_fraction=0.9", True, True),
        ("prune.max_per_problem=1", False, True),
        ("labels.confidence=0.9", False, False),
    ],
)
def test_a_rule_is_applied_however_it_is_written(
    tmp_path: Path, override: str, votes: bool, prunes: bool
) -> None:
    rules = read_rules({}, [override])
    folder = RunFolder(tmp_path, RUN)
    made = export._Export(folder, "steps", tmp_path / "new", rules, [override], lambda: None)
    assert (made.derivation.votes, made.derivation.prunes) == (votes, prunes)
