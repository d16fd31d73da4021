"""Files in a folder on a local disk or in an object store, which a URL names (`s3://bucket/folder`).

A local path is a `pathlib.Path`, a URL a `UPath` of universal_pathlib with the same methods. The
functions here behave alike on both: what they write appears whole or not at all, and a store that fails
for a while is asked again. They raise OSError, which `pipeline.files.publishing.explained` turns into a
line for the user: FileNotFoundError for a missing file or bucket, PermissionError also for missing
credentials, and one with the number EIO for a store that keeps failing.
"""

import errno
import hashlib
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from pipeline.errors import RunFailure, UserMistake
from pipeline.files.retries import persistently as persistently

_AT_ONCE = 32
"""Files that are read from a store at the same time."""
_READ_AHEAD_BYTES = 8 * 2**20


class FolderError(UserMistake):
    """The run folder cannot be used; the message is one line for the user."""


class StorageError(RunFailure):
    """The disk is full, or the machine currently cannot read or write the folder."""


def place(text: str | Path) -> Path:
    """The path for a folder's name: a `pathlib.Path` for a local one, a UPath for a URL.

    Raises FolderError for a URL of an unknown kind of store, or one whose package is missing.
    """
    scheme, found, rest = str(text).partition("://")
    if not isinstance(text, str) or not found or not scheme.isalnum():
        return Path(text) if isinstance(text, str) else text
    if scheme == "file":
        return Path(rest)
    from upath import UPath

    # A cached listing would hide what other processes have written.
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":
        # `persistently` repeats calls, and knows for how long.
        options["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    try:
        path = UPath(text, **options)
        _ = path.fs
    except ImportError as e:
        extra = f"pip install 'berry-pipeline[{scheme}]'" if scheme == "s3" else str(e)
        raise FolderError(f"{text}: the package for {scheme}:// is not installed: {extra}") from e
    except ValueError as e:
        raise FolderError(
            f"{text}: expected a local path or a URL of a known kind, such as s3://BUCKET/FOLDER, got "
            f"{scheme}://"
        ) from e
    return cast("Path", path)


def is_local(path: Path) -> bool:
    """Whether the path is on a file system of this machine."""
    return isinstance(path, Path)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or something in it."""
    if is_local(path) and is_local(folder):
        return path.resolve().is_relative_to(folder.resolve())
    return f"{path}/".startswith(f"{str(folder).rstrip('/')}/")


def exists(path: Path) -> bool:
    """Whether a file, or a folder with something in it, has this path."""
    if is_local(path):
        return path.exists()
    try:
        _info(path)
    except FileNotFoundError:
        return False
    return True


def num_bytes(path: Path) -> int:
    """Size of a file. Raises FileNotFoundError."""
    return path.stat().st_size if is_local(path) else int(_info(path)["size"] or 0)


def _info(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", persistently(_fs(path).info, _key(path)))


def read_bytes(path: Path) -> bytes:
    """Content of a file."""
    if is_local(path):
        return path.read_bytes()
    return cast("bytes", persistently(_fs(path).cat_file, _key(path)))


def read_many(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of files in a folder; from a store, many at a time."""
    if is_local(folder):
        for name in names:
            yield name, (folder / name).read_bytes()
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(names, pool.map(lambda name: read_bytes(folder / name), names), strict=True)


def open_input(path: Path) -> IO[bytes]:
    """Opens a file for reading; reads from a store are repeated like everything else."""
    if is_local(path):
        return path.open("rb")
    file = persistently(_fs(path).open, _key(path), block_size=_READ_AHEAD_BYTES)
    return cast("IO[bytes]", io.BufferedReader(_Stored(file), _READ_AHEAD_BYTES // 8))


class _Stored(io.RawIOBase):
    """A file in a store."""

    def __init__(self, file: Any) -> None:
        self._stored = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._stored.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stored.tell())

    def readinto(self, buffer: Any) -> int:
        # A failed read does not move the position, so it can be repeated.
        found = persistently(self._stored.read, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._stored.close()
        super().close()


def logs_folder(output: Path) -> Path:
    """The folder of a run's log files: `logs` in the run folder, or for a run in a store a local folder
    `berry-logs/NAME` in the working directory, because log lines are appended one by one."""
    if is_local(output):
        return output / "logs"
    return Path("berry-logs") / (output.name or str(output.parent.name) or "run")


def publish(path: Path, content: bytes, *, durable: bool = True, shared: bool = False) -> None:
    """Replaces a file atomically: a reader, or a crash, sees either the old content or the new.

    `shared` is for files to which several may write at once, without a lock: the last one counts. A
    crash then leaves a hidden file under a name of its own.
    """
    if not is_local(path):
        persistently(_fs(path).pipe_file, _key(path), content)
        return
    temporary = path.with_name(f".{secrets.token_hex(8) if shared else ''}{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        if shared:
            # Nothing would write over it.
            with suppress(OSError):
                temporary.unlink()
        raise
    if durable:
        _sync_folder(path.parent)


def files_in(folder: Path) -> dict[str, int]:
    """Name -> bytes of the files in a folder, not those in folders below; empty without the folder."""
    if is_local(folder):
        try:
            with os.scandir(folder) as entries:
                sizes = {one.name: _size(one) for one in entries if not one.is_dir()}
        except FileNotFoundError:
            return {}
        return {name: size for name, size in sizes.items() if size is not None}
    return {_name(one): int(one["size"] or 0) for one in _listing(folder) if one["type"] != "directory"}


def _size(entry: os.DirEntry[str]) -> int | None:
    """Its bytes; None if it was deleted or renamed since it was listed: the others are still there."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return None


def folders_in(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder; empty without the folder."""
    if is_local(folder):
        try:
            with os.scandir(folder) as entries:
                return sorted(one.name for one in entries if one.is_dir())
        except FileNotFoundError:
            return []
    return sorted(_name(one) for one in _listing(folder) if one["type"] == "directory")


def _listing(folder: Path) -> list[dict[str, Any]]:
    try:
        found = persistently(_fs(folder).ls, _key(folder), detail=True)
    except FileNotFoundError:
        return []
    # A store may list the folder itself, as an empty object.
    return [one for one in found if one["name"].strip("/") != _key(folder).strip("/")]


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; stores have no folders."""
    if is_local(path):
        path.mkdir(parents=True, exist_ok=True)


def delete(path: Path) -> None:
    """Deletes a file, if it exists."""
    if is_local(path):
        path.unlink(missing_ok=True)
        return
    try:
        persistently(_fs(path).rm_file, _key(path))
    except FileNotFoundError:
        return


def delete_folder(path: Path) -> None:
    """Deletes a folder with everything in it, if it exists; files that appear meanwhile may stay."""
    if is_local(path):
        shutil.rmtree(path, onerror=_unless_changed)
        return
    for name in files_in(path):
        delete(path / name)
    for name in folders_in(path):
        delete_folder(path / name)


def _unless_changed(function: object, path: str, error: Any) -> None:
    """Raises an error of `rmtree`, unless another process writes to the folder or deletes it."""
    reason = error[1]
    if not (isinstance(reason, OSError) and reason.errno in (errno.ENOENT, errno.ENOTEMPTY)):
        raise reason


def move(source: Path, target: Path) -> None:
    """Moves a file over another: renames it, or copies it inside the store and deletes the original.

    Once this returns, a crash cannot undo it. Interrupted, it can be repeated.
    """
    if is_local(target):
        source.replace(target)
        _sync_folder(target.parent)
        return
    persistently(_fs(target).cp_file, _key(source), _key(target))
    delete(source)


class NewFile:
    """A new binary file, and its folder; hashes what is written. A context manager.

    The file is on the disk, or in the store, when the block ends; if the block raises, it is removed.
    For a store, the content waits in a temporary local file, so that it can be sent again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.blake2b(digest_size=16)
        self._file: IO[bytes]
        self.num_bytes = 0

    @property
    def digest(self) -> str:
        """blake2b of what was written, 16 bytes in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def closed(self) -> bool:
        """Whether the file is closed; pyarrow asks."""
        return self._file.closed

    def __enter__(self) -> Self:
        if is_local(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        else:
            self._file = tempfile.TemporaryFile()  # without a name, so that a crash leaves nothing
        return self

    def write(self, data: Any) -> int:
        """Adds bytes, or an object with a buffer of them; returns their number."""
        with memoryview(data) as view:
            self._hash.update(view)
            self._file.write(view)
            self.num_bytes += view.nbytes
            return view.nbytes

    def tell(self) -> int:
        """Number of bytes written so far."""
        return self.num_bytes

    def flush(self) -> None:
        """Nothing to do before the file is closed; pyarrow calls it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._file as file:
            if error is None:
                file.flush()
                if is_local(self._path):
                    os.fsync(file.fileno())
                else:
                    open_file = f"/proc/self/fd/{file.fileno()}"
                    persistently(_fs(self._path).put_file, open_file, _key(self._path))
        if is_local(self._path):
            if error is None:
                _sync_folder(self._path.parent)
            else:
                self._path.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """The hash of a file's bytes that `NewFile.digest` gives."""
    with open_input(path) as file:
        found = hashlib.blake2b(digest_size=16)
        while block := file.read(2**22):
            found.update(block)
    return found.hexdigest()


def _fs(path: Path) -> Any:
    """The fsspec file system of a UPath."""
    return path.fs  # type: ignore[attr-defined]


def _key(path: Path) -> str:
    """The path of a UPath inside its file system."""
    return str(path.path)  # type: ignore[attr-defined]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
