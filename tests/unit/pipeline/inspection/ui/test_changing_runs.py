"""The viewer while its runs change under it, and requests that no page of its own would send."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.part import PART_BYTES
from pipeline.derive.compact import compact
from pipeline.inspection.ui import runs as runs_module
from pipeline.inspection.ui.guard import Guard
from pipeline.inspection.ui.index import PartIndex
from pipeline.inspection.ui.runs import OpenRun, Runs
from pipeline.inspection.ui.server import Viewer
from tests.viewer_runs import small_trace, viewer_run

OWN = {"X-Berry": "1", "Content-Type": "application/json"}
Client = TestClient[Any, Any]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs_module, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(runs_module, "_COMPLETE_SECONDS", 0.0)
    return viewer_run(tmp_path / "a run; it's 100%", [*map(small_trace, range(12))])


@pytest_asyncio.fixture
async def opened(path: Path) -> AsyncIterator[tuple[OpenRun, Client]]:
    runs = Runs.open([path])
    (run,) = runs.by_name.values()
    client: Client = TestClient(TestServer(Viewer(runs, Guard(host="127.0.0.1")).app()))
    await client.start_server()
    await run.read()
    yield run, client
    await client.close()


async def got(client: Client, rest: str = "", status: int = 200) -> Any:
    address = f"/api/runs/a%20run%3B%20it's%20100%25{rest}"
    async with client.get(address) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def posted(client: Client, rest: str, body: str | bytes) -> tuple[int, str]:
    address = f"/api/runs/a%20run%3B%20it's%20100%25{rest}"
    async with client.post(address, data=body, headers=OWN) as response:
        return response.status, (await response.json())["error"]


async def test_problems_are_found_after_parts_were_merged(opened: tuple[OpenRun, Client]) -> None:
    run, client = opened
    before = await got(client, "/problems/set%2F11")
    # As during the merge: the pages know the old parts, and the folder is not looked at again.
    run._read_at = float("inf")
    folder = RunFolder.reopen(run.path)
    await compact(folder, PART_BYTES)
    folder.close()
    assert await got(client, "/problems/set%2F11") == before
    run._read_at = 0.0
    await got(client)
    await run.read()
    assert (await got(client, "/problems?sort=order"))["of"] == 12
    assert list(run.reader.folder.parts) == [0]


async def test_problems_stay_on_the_page_while_a_merged_part_is_read(
    opened: tuple[OpenRun, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, client = opened
    read, seen = PartIndex.read, list[tuple[int, bool]]()

    def look(reader: Any, number: int) -> PartIndex:
        seen.append((run.table.num_problems, run.index.is_complete))
        return read(reader, number)

    monkeypatch.setattr(PartIndex, "read", look)
    folder = RunFolder.reopen(run.path)
    await compact(folder, PART_BYTES)
    folder.close()
    await got(client)
    await run.read()
    assert seen == [(12, False)]
    assert (run.table.num_problems, run.index.is_complete, run.index.num_read) == (12, True, 1)


async def test_a_folder_that_is_gone_is_said_so_and_not_made_again(
    opened: tuple[OpenRun, Client],
) -> None:
    run, client = opened
    shutil.move(run.path, run.path.with_name("elsewhere"))
    assert "expected a run folder" in (await got(client, "/problems/set%2F1", 400))["error"]
    found = await got(client)
    assert (found["state"], "expected a run folder" in found["error"]) == ("unreadable", True)
    judged = {"problem_id": "set/1", "leaf": 3, "outcome": "right"}
    assert (await posted(client, "/judgements", json.dumps(judged)))[0] == 400
    status, error = await posted(client, "/selections", json.dumps({"name": "one"}))
    assert (status, "expected a run folder" in error) == (400, True)
    assert not run.path.exists()
    shutil.move(run.path.with_name("elsewhere"), run.path)
    await got(client)
    await run.read()
    assert (await got(client))["state"] == "complete"


async def test_a_repaired_part_of_a_complete_run_is_read(opened: tuple[OpenRun, Client]) -> None:
    run, _ = opened
    file = run.reader.folder.part_path("trees", 2)
    good = file.read_bytes()
    file.write_bytes(good[:100])
    shown = Runs.open([run.path]).by_name[run.name]
    shown.refresh()
    await shown.read()
    assert (shown.table.num_problems, shown.state()) == (10, "complete")
    assert "part-0000002" in (shown.error or "")
    file.write_bytes(good)
    shown.refresh()
    await shown.read()
    assert (shown.table.num_problems, shown.error) == (12, None)


async def test_a_fault_while_reading_is_shown(
    opened: tuple[OpenRun, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = opened

    def fail(*_: object) -> None:
        raise LookupError("an unforeseen column")

    monkeypatch.setattr(PartIndex, "read", fail)
    shown = Runs.open([run.path]).by_name[run.name]
    shown.refresh()
    await shown.read()
    assert shown.error == "internal error: LookupError: an unforeseen column"
    assert shown.state() == "unreadable"


async def test_closing_does_not_wait_for_all_parts(
    opened: tuple[OpenRun, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = opened
    begun, go_on = threading.Event(), threading.Event()
    read, numbers = PartIndex.read, list[int]()

    def slow(reader: Any, number: int) -> PartIndex:
        numbers.append(number)
        begun.set()
        go_on.wait(10)
        return read(reader, number)

    monkeypatch.setattr(PartIndex, "read", slow)
    shown = Runs.open([run.path]).by_name[run.name]
    shown.refresh()
    assert await asyncio.to_thread(begun.wait, 10)
    await shown.close()
    go_on.set()
    # The lock is free when the thread has ended.
    assert await asyncio.to_thread(shown.index._reading.acquire, timeout=10)
    assert numbers == [0]


async def test_files_of_earlier_versions_show_the_problem(opened: tuple[OpenRun, Client]) -> None:
    run, _ = opened
    for number in run.reader.parts:
        file = run.reader.folder.part_path("trees", number)
        table = pq.read_table(file)
        old = table.drop_columns(["problem", "prompt"]).append_column("prompt", table["problem"])
        pq.write_table(old, file)
    shown = Runs.open([run.path]).by_name[run.name]
    shown.refresh()
    await shown.read()
    assert shown.table.texts["problem"][3].as_py() == "Compute $3 + 1$."


async def test_every_folder_has_a_name_in_addresses(
    opened: tuple[OpenRun, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = opened[0].path
    odd = path.with_name("{a}%2fb#?")
    shutil.copytree(path, odd)
    monkeypatch.chdir(path / "data")
    runs = Runs.open([Path(".."), path, path / "data" / "..", odd])
    assert list(runs.by_name) == [path.name, odd.name]
    client: Client = TestClient(TestServer(Viewer(runs, Guard(host="127.0.0.1")).app()))
    await client.start_server()
    for name in runs.by_name:
        quoted = quote(name, safe="")
        for address in (
            f"/runs/{quoted}",
            f"/api/runs/{quoted}",
            f"/api/runs/{quoted}/problems/set%2F1",
        ):
            async with client.get(URL(address, encoded=True)) as response:
                assert response.status == 200, address
    await client.close()


async def test_commands_to_copy_are_quoted(opened: tuple[OpenRun, Client]) -> None:
    run, client = opened
    async with client.post(
        "/api/runs/a%20run%3B%20it's%20100%25/selections", json={"name": "one"}, headers=OWN
    ) as response:
        assert response.status == 201
    (saved,) = (await got(client))["selections"]
    assert f"'{run.path.parent}/a run; it'\"'\"'s 100%'" in saved["command"]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("[" * 500_000, 400, "expected a JSON object"),
        ('{"a":' * 50_000, 400, "expected a JSON object"),
        (b"\xff\xfe", 400, "expected a JSON object"),
        ('{"problem_id": "\\ud800", "leaf": 1, "outcome": "right"}', 404, "expected the source_id"),
        ('{"problem_id": "", "leaf": 3, "outcome": "right"}', 404, "the beginning of one"),
    ],
)
async def test_bad_bodies_are_one_line(
    opened: tuple[OpenRun, Client], body: str | bytes, status: int, text: str
) -> None:
    found, error = await posted(opened[1], "/judgements", body)
    assert (found, text in error, "internal" in error) == (status, True, False)


async def test_a_beginning_of_an_id_is_not_judged(opened: tuple[OpenRun, Client]) -> None:
    run, client = opened
    found = (await got(client, "/problems/set%2F1"))["problem_id"]
    leaf = (await got(client, "/problems/set%2F1"))["responses"][0]["leaf"]
    given = {"problem_id": found[:5], "leaf": leaf, "outcome": "right"}
    assert await posted(client, "/judgements", json.dumps(given)) == (
        400,
        f"problem_id: expected a whole id, got '{found[:5]}'",
    )
    assert run.judgements.all() == []


async def test_a_name_that_no_file_can_have_is_not_found(opened: tuple[OpenRun, Client]) -> None:
    async with opened[1].get(f"/assets/{'a' * 5000}") as response:
        assert response.status == 404


async def test_a_token_that_is_no_text_is_refused(path: Path) -> None:
    guard = Guard(host="0.0.0.0", token="secret")
    client: Client = TestClient(TestServer(Viewer(Runs.open([path]), guard).app()))
    await client.start_server()
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /api/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()
    await client.close()
