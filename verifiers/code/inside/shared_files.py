"""Files that tests and program share, though each of them runs as a user of its own."""

import os
from typing import Any


def share_files() -> None:
    """Lets the other process read and write what this one makes, also by `tempfile`."""
    make_folder, open_file = os.mkdir, os.open

    def mkdir(path: Any, mode: int = 0o777, **more: Any) -> None:
        make_folder(path, mode | 0o777, **more)

    def open_(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        return open_file(path, flags, mode | 0o666, **more)

    os.mkdir, os.open = mkdir, open_
