"""`berry show`: where the labels say that a trajectory went wrong."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, Berry
from tests.integration.test_export import read

pytestmark = pytest.mark.ray


def test_show_tells_where_a_trajectory_went_wrong(joined: Berry, here: Berry, tmp_path: Path) -> None:
    done = joined(
        ROOT / "configs" / "simulated.yaml",
        "output=deep",
        "problems.size=4",
        "strategy.use=adaptive",
        "engine.min_steps=4",
        "dataset.views=[steps]",
    )
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "deep", "steps")
    told = [row for row in rows if row["first_error"] is not None]
    assert told
    shown = here("show", "deep", told[0]["problem_id"], "--all")
    assert shown.returncode == 0, shown.stderr
    # Where a line is broken depends on its length: the lines of the tree stand between.
    words = " ".join(shown.stdout.replace("│", " ").split())
    assert f"wrong from step {told[0]['first_error'] + 1} of" in words
