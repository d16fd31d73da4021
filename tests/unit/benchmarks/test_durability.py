"""The campaign of faults: steps of commits have names, and what a lost actor explains is told apart."""

import os
from pathlib import Path

from benchmarks.durability.campaign import COMMIT_STEPS
from benchmarks.durability.comparison import explained_by_a_loss
from benchmarks.durability.driver import Steps


def test_steps_are_changes_to_the_folder_without_numbers_and_tokens(tmp_path: Path) -> None:
    steps, other = Steps(str(tmp_path), None), tmp_path.parent / "other"
    token = ".staging/part-0000003.1a2b3c4d-12"
    steps(
        "os.rename",
        (f"{tmp_path}/{token}/trees.parquet", f"{tmp_path}/data/trees/part-0000003.parquet"),
    )
    steps("open", (f"{tmp_path}/journal/.part-0000003.json", None, os.O_WRONLY | os.O_CREAT))
    steps("open", (f"{tmp_path}/journal/part-0000003.json", None, os.O_RDONLY))
    steps("os.rmdir", (f"{tmp_path}/{token}", None))
    steps("os.remove", (str(other), None))
    steps("open", (f"{tmp_path}/metrics.jsonl", None, os.O_WRONLY))
    assert steps.seen == {
        "rename data/trees/part-.parquet": 1,
        "open journal/.part-.json": 1,
        "rmdir .staging/part-N": 1,
    }
    assert steps.seen.keys() <= set(COMMIT_STEPS)


def test_only_a_lost_batch_explains_another_row() -> None:
    lost = "reward model x: the batch was lost (ActorDiedError)"
    assert explained_by_a_loss({"trajectories": [{"reason": None}], "warnings": [lost]})
    assert explained_by_a_loss({"trajectories": [{"reason": "the batch was lost (X)"}], "warnings": []})
    assert not explained_by_a_loss({"trajectories": [{"reason": "compared"}], "warnings": None})
