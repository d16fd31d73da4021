"""Writing the files of a folder so that a crash, or a reader, sees the old content or the new."""

import fcntl
import filecmp
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserMistake

_LOCK_WAITS = (0.02, 0.1)


class FolderError(UserMistake):
    """The run folder cannot be used; the message is one line for the user."""


def write_card(path: Path, text: str) -> None:
    """Puts a dataset card into a folder. Raises FolderError."""
    with explained(path):
        publish(path / "README.md", text.encode(), durable=False)


def publish_table(path: Path, table: pa.Table) -> bool:
    """Puts a parquet file in place in one go; False if the same bytes are there already."""
    temporary = path.with_name(f".{path.name}")
    # A row group without rows makes `load_dataset` fail, no row group at all does not.
    with pq.ParquetWriter(temporary, table.schema, compression="zstd") as writer:
        if table.num_rows:
            writer.write_table(table)
    if path.exists() and filecmp.cmp(temporary, path, shallow=False):
        temporary.unlink()
        return False
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(path)
    _sync_folder(path.parent)
    return True


def file_digest(path: Path) -> str:
    """A hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def lock_folder(path: Path) -> IO[str]:
    """Takes the folder for one writer. Raises FolderError if there is another."""
    lock = (path / ".lock").open("w")
    for wait_seconds in (*_LOCK_WAITS, None):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            if wait_seconds is None:
                lock.close()
                raise FolderError(f"{path}: another run is writing to this folder") from e
            # `has_writer` holds the lock for an instant.
            time.sleep(wait_seconds)
        else:
            break
    return lock


def has_writer(path: Path) -> bool | None:
    """Whether a process writes to the folder at this moment; None where that cannot be told."""
    try:
        with (path / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError) as e:
        return isinstance(e, BlockingIOError)
    except OSError:
        return None
    return False


def publish(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replaces a file in one go: a reader, or a crash, sees the old content or the new."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.rename(path)
    if durable:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """As a file's content that people can read."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def visible_files(path: Path) -> list[str]:
    """Names of a folder's entries, in order, hidden ones left out."""
    return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))


@contextmanager
def explained(path: Path, advice: str = "") -> Iterator[None]:
    """Turns what the file system or a damaged file raises into a FolderError."""
    try:
        yield
    except OSError as e:
        raise FolderError(f"{path}: cannot be used ({e.strerror or e}){advice}") from e
    except (ValueError, KeyError) as e:
        raise FolderError(f"{path}: a file of the run is damaged ({type(e).__name__}: {e})") from e
