"""The new folder of an export: empty, outside the run, and removed if nothing comes of it.

A folder that an interrupted export leaves has no card, and the next export refuses it.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.files.publishing import FolderError, explained, visible_files
from pipeline.files.storage import delete_folder, is_inside, is_local, make_folder


def make_output(output: Path, run: Path, views: Iterable[str]) -> bool:
    """Makes the folder with a folder for each view; returns whether `output` itself is new.

    Raises FolderError for a folder with files, or inside the run's.
    """
    check_output(output, run)
    with explained(output, cure=start_over(output)):
        is_new = not (is_local(output) and output.is_dir())
        for view in views:
            make_folder(output / "data" / view)
    return is_new


def check_output(output: Path, run: Path) -> None:
    """Raises FolderError for a folder with files, or inside the run's."""
    with explained(output, cure=start_over(output)):
        if is_inside(output, run):
            raise FolderError(f"{output}: expected a folder outside the run's")
        if is_inside(run, output):
            raise FolderError(f"{output}: expected a new folder, got one that has the run inside")
        if visible := visible_files(output):
            raise FolderError(f"{output}: expected an empty or new folder, found {visible[0]}")


def remove_output(output: Path, *, is_new: bool) -> None:
    """Deletes what `make_output` has made, with everything in it."""
    with explained(output, cure=start_over(output)):
        delete_folder(output if is_new else output / "data")


def start_over(output: Path) -> str:
    """Advice for an incomplete folder, which the next export would refuse."""
    return f"{output} is incomplete: delete it, then repeat the command"
