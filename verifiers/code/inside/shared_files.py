"""Lets tests and program share files, although each runs as its own user."""

import os
from typing import Any


def share_files() -> None:
    """Makes files created here, also by `tempfile`, readable and writable for the other process."""
    make_folder, open_file = os.mkdir, os.open

    def mkdir(path: Any, mode: int = 0o777, **more: Any) -> None:
        make_folder(path, mode | 0o777, **more)

    def open_(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        return open_file(path, flags, mode | 0o666, **more)

    os.mkdir, os.open = mkdir, open_
