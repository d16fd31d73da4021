"""Local folders and stores behave alike; a lock of a store is lost and found."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from pipeline.files import locks, retries, storage
from pipeline.files.locks import has_writer, lock_folder
from pipeline.files.publishing import FolderError, StorageError, explained
from pipeline.files.storage import (
    NewFile,
    delete,
    delete_folder,
    digest_of,
    exists,
    files_in,
    folders_in,
    is_inside,
    make_folder,
    move,
    num_bytes,
    open_input,
    persistently,
    place,
    publish,
    read_bytes,
    read_many,
)
from tests.stores import Store, running_store


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with running_store() as store:
        S3FileSystem.clear_instance_cache()
        yield store
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def store(server: Store) -> Iterator[Store]:
    place("s3://bucket").mkdir(exist_ok=True)
    yield server
    server.heal()


@pytest.fixture(params=["local", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "local":
        return tmp_path / "out"
    request.getfixturevalue("store")
    return place(f"s3://bucket/{request.node.name}")


def test_files_are_written_read_moved_and_deleted(folder: Path) -> None:
    assert not exists(folder)
    assert (files_in(folder), folders_in(folder)) == ({}, [])
    make_folder(folder)
    with NewFile(folder / ".new" / "a.bin") as file:
        file.write(b"one")
        file.write(memoryview(b" two"))
    assert (file.num_bytes, file.digest) == (7, digest_of(folder / ".new" / "a.bin"))
    move(folder / ".new" / "a.bin", folder / "a.bin")
    publish(folder / "b.json", b"{}")
    publish(folder / "b.json", b"[]")
    assert read_bytes(folder / "b.json") == b"[]"
    assert files_in(folder) == {"a.bin": 7, "b.json": 2}
    assert dict(read_many(folder, ["a.bin", "b.json"])) == {"a.bin": b"one two", "b.json": b"[]"}
    with open_input(folder / "a.bin") as opened:
        opened.seek(-3, os.SEEK_END)
        assert opened.read() == b"two"
    assert num_bytes(folder / "a.bin") == 7
    delete(folder / "a.bin")
    delete(folder / "a.bin")
    delete_folder(folder)
    delete_folder(folder)
    assert not exists(folder / "b.json")
    for read in (read_bytes, num_bytes, digest_of):
        with pytest.raises(FileNotFoundError):
            read(folder / "b.json")


def test_a_file_whose_writing_fails_is_not_there(folder: Path) -> None:
    make_folder(folder)

    def fail() -> None:
        with NewFile(folder / "a.bin") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert files_in(folder) == {}


def test_only_what_may_pass_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.001)
    calls = 0

    def fail(error: Exception, times: int) -> str:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return "done"

    assert persistently(fail, OSError(errno.EIO, "try again"), 3) == "done"
    assert calls == 4
    calls = 0
    for error in (FileNotFoundError("gone"), PermissionError("no"), ValueError("bug")):
        with pytest.raises(type(error)):
            persistently(fail, error, 99)
    assert calls == 3
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.01)
    with (
        pytest.raises(StorageError, match=r"x: cannot be used .*keeps failing: TimeoutError"),
        explained(Path("x")),
    ):
        persistently(fail, TimeoutError(), 99)


def test_a_store_that_answers_too_slowly_is_asked_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3FileSystem, "read_timeout", 0.3)
    S3FileSystem.clear_instance_cache()
    file = place("s3://bucket/slow/a.bin")
    publish(file, b"a")
    store.slow_seconds, before = 1.0, store.num_requests

    def heal() -> None:
        while store.num_requests < before + 3:
            time.sleep(0.02)
        store.heal()

    from threading import Thread

    healer = Thread(target=heal)
    healer.start()
    assert read_bytes(file) == b"a"
    healer.join()
    S3FileSystem.clear_instance_cache()


def test_a_path_inside_another() -> None:
    assert is_inside(place("s3://b/x/y"), place("s3://b/x"))
    assert not is_inside(place("s3://b/xy"), place("s3://b/x"))
    assert not is_inside(Path("x"), place("s3://b/x"))


def test_one_writer_at_a_time(folder: Path) -> None:
    make_folder(folder)
    assert has_writer(folder) is False
    lock = lock_folder(folder)
    assert has_writer(folder) is True
    with pytest.raises(FolderError, match="another run is writing to this folder"):
        lock_folder(folder)
    lock.check()
    lock.close()
    lock.close()
    assert has_writer(folder) is False
    lock_folder(folder).close()


def test_a_stale_lock_is_taken_over_and_its_owner_notices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RENEW_SECONDS", 0.05)
    folder = place("s3://bucket/stale")
    lock = lock_folder(folder)
    content = json.loads(read_bytes(folder / ".lock"))
    time.sleep(0.2)
    assert json.loads(read_bytes(folder / ".lock"))["renewed"] > content["renewed"]
    other = {"owner": "another", "renewed": time.time(), "host": "far", "pid": 1, "processes": "far"}

    def commit_for_long() -> None:
        for _ in range(1000):
            # The other run renews its lock, too: once, a renewal of ours might come after it.
            publish(folder / ".lock", json.dumps(other).encode())
            lock.check()
            time.sleep(0.02)

    with pytest.raises(StorageError, match="another run has taken over"):
        commit_for_long()
    lock.close()
    with pytest.raises(FolderError, match=r"process 1 on far, seen . s ago.*wait \d+ s"):
        lock_folder(folder)
    publish(folder / ".lock", json.dumps(other | {"renewed": time.time() - 100}).encode())
    assert has_writer(folder) is False
    lock_folder(folder).close()


def test_the_lock_of_a_process_that_was_killed_here_does_not_count(store: Store) -> None:
    code = (
        "import os; from pipeline.files.locks import lock_folder; "
        "from pipeline.files.storage import place; "
        "lock_folder(place('s3://bucket/killed')); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    folder = place("s3://bucket/killed")
    assert exists(folder / ".lock")
    assert has_writer(folder) is False
    lock_folder(folder).close()


def test_patience_is_bounded() -> None:
    assert storage.persistently is persistently
    assert retries.PATIENCE_SECONDS < 600


def test_a_file_that_goes_while_its_folder_is_listed_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "stays").write_bytes(b"123")
    # Listed, and gone when it is looked at, as the temporary file of a writer.
    (tmp_path / "goes").symlink_to(tmp_path / "nowhere")
    assert files_in(tmp_path) == {"stays": 3}
