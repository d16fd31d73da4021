"""The checkpoints of a training: which are whole.

transformers writes a checkpoint file by file. One that was interrupted lacks the mark that berry adds
last, and is deleted when the training resumes; the one before it is still there.
"""

import shutil
from pathlib import Path

FOLDER = "checkpoints"
"""The folder of the checkpoints, in that of the training."""
_MARK = "whole"
"""An empty file in a checkpoint that was written to its end."""


def at(checkpoints: Path, step: int) -> Path:
    """The folder of the checkpoint of a step."""
    return checkpoints / f"checkpoint-{step}"


def mark(checkpoints: Path, step: int) -> None:
    """Marks the checkpoint of a step as whole. Raises OSError."""
    (at(checkpoints, step) / _MARK).touch()


def last_whole(checkpoints: Path) -> int | None:
    """The step of the last whole checkpoint; deletes all that are not whole. Raises OSError."""
    if not checkpoints.is_dir():
        return None
    steps = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / _MARK).is_file():
            steps.append(int(folder.name.partition("-")[2]))
        else:
            # Processes that train together all try.
            shutil.rmtree(folder, ignore_errors=True)
    return max(steps, default=None)
