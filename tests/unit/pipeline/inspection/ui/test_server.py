"""The viewer's calls: what they answer, whom they refuse, and that nothing else can be read."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Judgements
from pipeline.inspection.selections import read_selection
from pipeline.inspection.ui.guard import Guard
from pipeline.inspection.ui.runs import Runs
from pipeline.inspection.ui.server import Viewer
from tests.viewer_runs import HOSTILE, LARGE, small_trace, viewer_run

OWN = {"X-Berry": "1"}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("viewer")
    return [
        viewer_run(folder / "first"),
        viewer_run(folder / "second", [*map(small_trace, range(6, 18))]),
    ]


async def client_of(paths: list[Path], guard: Guard) -> TestClient[Any, Any]:
    runs = Runs.open(paths)
    client = TestClient(TestServer(Viewer(runs, guard).app()), cookie_jar=CookieJar(unsafe=True))
    await client.start_server()
    for run in runs.by_name.values():
        await run.read()
    return client


@pytest_asyncio.fixture
async def client(paths: list[Path]) -> AsyncIterator[TestClient[Any, Any]]:
    found = await client_of(paths, Guard(host="127.0.0.1"))
    yield found
    await found.close()


async def got(client: TestClient[Any, Any], path: str, status: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def raw(client: TestClient[Any, Any], path: str) -> bytes:
    """The head of the answer to a path that is sent as it is."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head


async def test_runs_and_their_figures(client: TestClient[Any, Any]) -> None:
    runs = (await got(client, "/api/runs"))["runs"]
    assert [(one["name"], one["state"], one["problems"]) for one in runs] == [
        ("first", "complete", 14),
        ("second", "complete", 12),
    ]
    facts = await got(client, "/api/runs/first")
    assert facts["is_read"]
    assert sum(one["problems"] for one in facts["domains"]) == 14
    assert {one["text"] for one in facts["reasons"]} >= {"equal numbers", "another number", HOSTILE}


async def test_problems_are_found_sorted_and_paged(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/runs/first/problems?domain=geometry&sort=rate&descending=1&limit=2")
    assert (found["matched"], found["of"], found["complete"], len(found["rows"])) == (6, 14, True, 2)
    assert found["rows"][0]["rate"] == max(one["rate"] for one in found["rows"])
    rest = await got(client, "/api/runs/first/problems?domain=geometry&offset=4&limit=50")
    assert len(rest["rows"]) == 2
    by_reason = await got(client, "/api/runs/first/problems?reason=no%20answer")
    assert (by_reason["matched"], by_reason["responses"]) == (12, 12)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/runs/third", 404, "expected one of first, second"),
        ("/api/runs/first/problems?rate=1", 400, "rate: expected one of"),
        ("/api/runs/first/problems?sort=colour", 400, "sort: expected one of"),
        ("/api/runs/first/problems?offset=-1", 400, "offset and limit"),
        ("/api/runs/first/problems?limit=100000", 400, "offset and limit"),
        ("/api/runs/first/problems?limit=x", 400, "limit"),
        ("/api/runs/first/problems/nowhere", 404, "got nowhere"),
        ("/api/runs/first/problems/set%2F1/nodes/99/tokens", 404, "node: expected"),
        ("/api/compare?a=first&b=third", 404, "expected one of"),
        ("/api/nothing", 404, "Not Found"),
    ],
)
async def test_mistakes_are_one_line(
    client: TestClient[Any, Any], path: str, status: int, text: str
) -> None:
    assert text in (await got(client, path, status))["error"]


async def test_a_problem_with_its_tree(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/runs/first/problems/set%2F3")
    nodes = {one["id"]: one for one in found["nodes"]}
    assert (found["right"], found["known"]) == (2, 5)
    spine = found["spine"]
    assert spine[0] == 0
    assert [nodes[one]["parent"] for one in spine[1:]] == spine[:-1]
    kept = {one["leaf"] for one in found["responses"] if one["kept"]}
    assert spine[-1] in kept
    first = nodes[1]
    assert (first["passes"], first["trials"]) == (2, 3)
    assert 0 < first["low"] < 2 / 3 < first["high"] < 1
    # Rollouts that a search starts at a step say more about it than those that pass through.
    assert (first["started_passes"], first["started_trials"]) == (1, 2)
    assert 0 < first["started_low"] < 1 / 2 < first["started_high"] < first["high"]
    abstained = next(one for one in found["responses"] if one["outcome"] == "abstain")
    assert (abstained["right"], abstained["decided_by"]) == (False, "abstained")
    assert found["previous"] is not None
    by_id = await got(client, f"/api/runs/first/problems/{found['problem_id'][:6]}")
    assert by_id["problem_id"] == found["problem_id"]
    row = await got(client, f"/api/runs/first/problems/{found['problem_id']}/row")
    assert row["trajectories"][0]["evidence"]


async def test_tokens_spell_the_step(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/runs/first/problems/set%2F3/nodes/1/tokens")
    assert "".join(one["text"] for one in found["tokens"]) == "First, look at $x^2$.\n"
    assert found["tokens"][0]["logprob"] == pytest.approx(-0.5)
    root = await got(client, "/api/runs/first/problems/set%2F3/nodes/0/tokens")
    assert root["tokens"] is None
    assert "dataset.token_logprobs" in root["reason"]


async def test_hostile_text_is_text(client: TestClient[Any, Any]) -> None:
    async with client.get("/api/runs/first/problems?q=onerror") as response:
        assert response.content_type == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        row = (await response.json())["rows"][0]
    assert row["problem"] == HOSTILE[:300]
    found = await got(client, f"/api/runs/first/problems/{row['problem_id']}")
    assert found["responses"][0]["evidence"] == {HOSTILE: HOSTILE}


async def test_compare(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/compare?a=first&b=second&only=both")
    assert (found["both"], found["only_a"], found["only_b"], found["matched"]) == (6, 8, 6, 6)
    assert {one["difference"] for one in found["rows"]} == {0.0}


async def test_a_person_judges(client: TestClient[Any, Any], paths: list[Path]) -> None:
    found = await got(client, "/api/runs/first/problems/set%2F5")
    passed = next(one for one in found["responses"] if one["outcome"] == "pass")
    given = {
        "problem_id": "set/5",
        "leaf": passed["leaf"],
        "outcome": "wrong",
        "note": "x",
        "by": "ann",
    }
    async with client.post("/api/runs/first/judgements", json=given, headers=OWN) as response:
        assert response.status == 201
        stored = await response.json()
    assert stored["verifier_outcome"] == "pass"
    assert stored["problem_id"] == found["problem_id"]
    assert Judgements(paths[0]).all()[-1].model_dump() == stored
    again = await got(client, "/api/runs/first/problems/set%2F5")
    assert again["judgements"][-1] == stored
    people = (await got(client, "/api/runs/first"))["people"]
    assert people["false_passes"] >= 1
    differing = await got(client, "/api/runs/first/problems?judged=differs")
    assert found["problem_id"] in [one["problem_id"] for one in differing["rows"]]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"leaf": 1}, "leaf: expected a node that ends a response"),
        ({"node": 4000}, "node: expected a step of response"),
        ({"outcome": "maybe"}, "outcome"),
        ({"problem_id": "nowhere"}, "nowhere"),
        ({"extra": 1}, "extra"),
        ({"note": "x" * 5000}, "note"),
    ],
)
async def test_bad_judgements_are_refused(
    client: TestClient[Any, Any], paths: list[Path], change: dict[str, Any], text: str
) -> None:
    before = len(Judgements(paths[0]).all())
    found = await got(client, "/api/runs/first/problems/set%2F1")
    leaf = found["responses"][0]["leaf"]
    given = {"problem_id": "set/1", "leaf": leaf, "outcome": "right", **change}
    async with client.post("/api/runs/first/judgements", json=given, headers=OWN) as response:
        assert response.status in (400, 404)
        assert text in (await response.json())["error"]
    assert len(Judgements(paths[0]).all()) == before


async def test_a_selection_is_saved(client: TestClient[Any, Any], paths: list[Path]) -> None:
    given = {"name": "geo", "query": {"domain": "geometry"}}
    async with client.post("/api/runs/first/selections", json=given, headers=OWN) as response:
        assert response.status == 201
    assert len(read_selection(paths[0], "geo").problem_ids) == 6
    facts = await got(client, "/api/runs/first")
    (saved,) = facts["selections"]
    assert (saved["name"], saved["problems"], saved["query"]) == ("geo", 6, {"domain": "geometry"})
    assert "--selection geo" in saved["command"]
    for name in ("../x", "", "a/b", ".hidden", "x" * 65):
        bad = {**given, "name": name}
        async with client.post("/api/runs/first/selections", json=bad, headers=OWN) as response:
            assert response.status == 400
    assert not (paths[0] / "x.json").exists()


async def test_no_selection_of_a_part_of_the_run(tmp_path: Path) -> None:
    run = viewer_run(tmp_path / "run", [*map(small_trace, range(8))])
    path = RunReader.open(run).folder.part_path("trees", 1)
    path.write_bytes(path.read_bytes()[:-30])
    client = await client_of([run], Guard(host="127.0.0.1"))
    try:
        given = {"name": "half", "query": {}}
        async with client.post("/api/runs/run/selections", json=given, headers=OWN) as response:
            assert response.status == 400
            error = (await response.json())["error"]
        assert "every part" in error
        assert "part-0000001" in error
        assert not (run / "selections").exists()
    finally:
        await client.close()


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/%2e%2e/server.py",
        "/assets/..%2fserver.py",
        "/assets//etc/passwd",
        "/api/runs/..%2f..%2fetc/problems",
        "/api/runs/first/problems/..%2f..%2frun.json/row",
    ],
)
async def test_no_other_file_can_be_read(client: TestClient[Any, Any], path: str) -> None:
    assert (await raw(client, path)).split()[1] in (b"403", b"404")


async def test_report_of_the_run_and_no_other_file(
    client: TestClient[Any, Any], paths: list[Path], tmp_path: Path
) -> None:
    report = paths[1] / "report.html"
    assert "berry report" in (await got(client, "/runs/second/report", 404))["error"]
    facts = await got(client, "/api/runs/second")
    assert not facts["has_report"]
    assert facts["concerns"]["level"] == "warning"
    assert any("berry clean" in one["command"] for one in facts["concerns"]["findings"])
    report.write_text("<p>the report")
    async with client.get("/runs/second/report") as response:
        assert await response.text() == "<p>the report"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "script" not in policy
    report.unlink()
    (tmp_path / "secret").write_text("secret")
    report.symlink_to(tmp_path / "secret")
    await got(client, "/runs/second/report", 404)
    report.unlink()


async def test_only_this_machine_is_answered(client: TestClient[Any, Any]) -> None:
    # A page of another site, whose name was made to point here.
    async with client.get("/api/runs", headers={"Host": "evil.example:80"}) as response:
        assert response.status == 403
    for name in ("localhost", "127.0.0.1:1", "[::1]:80"):
        async with client.get("/api/runs", headers={"Host": name}) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Berry": "0"},
        {"X-Berry": "1", "Origin": "http://evil.example"},
        {"X-Berry": "1", "Origin": "null"},
        {"X-Berry": "1", "Content-Type": "text/plain"},
    ],
)
async def test_other_pages_change_nothing(
    client: TestClient[Any, Any], paths: list[Path], headers: dict[str, str]
) -> None:
    given = json.dumps({"name": "stolen", "query": {}})
    kinds = {"Content-Type": "application/json", **headers}
    async with client.post("/api/runs/second/selections", data=given, headers=kinds) as response:
        assert response.status in (403, 415)
    assert not (paths[1] / "selections").exists()


async def test_pages_run_their_own_scripts_alone(client: TestClient[Any, Any]) -> None:
    for path in ("/", "/runs/first", "/runs/first/problems/set%2F1", "/compare", "/api/nothing"):
        async with client.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy


async def test_elsewhere_a_token_is_asked_for(paths: list[Path]) -> None:
    client = await client_of(paths[:1], Guard(host="0.0.0.0", token="secret"))
    try:
        for path in ("/", "/api/runs", "/assets/style.css", "/?token=wrong"):
            async with client.get(path) as response:
                assert response.status == 403
        headers = {"Authorization": "Bearer secret"}
        async with client.get("/api/runs", headers=headers) as response:
            assert response.status == 200
        path = "/runs/first?token=secret&q=5"
        async with client.get(path, allow_redirects=False) as response:
            assert response.status == 303
            assert response.headers["Location"] == "/runs/first?q=5"
            cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        for target in ("//evil.example/?token=secret", "/\\evil.example/?token=secret"):
            head = await raw(client, target)
            (where,) = [line for line in head.split(b"\r\n") if line.startswith(b"Location: ")] or [b""]
            assert not where.removeprefix(b"Location: ").startswith((b"//", b"/\\", b"http"))
        assert (await got(client, "/api/runs"))["runs"]
    finally:
        await client.close()


async def test_one_run_is_shown_at_once(paths: list[Path]) -> None:
    client = await client_of(paths[:1], Guard(host="127.0.0.1"))
    try:
        async with client.get("/", allow_redirects=False) as response:
            assert response.headers["Location"] == "/runs/first"
    finally:
        await client.close()


async def test_a_large_tree_is_one_answer(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/runs/first/problems?q=large")
    tree = await got(client, f"/api/runs/first/problems/{found['rows'][0]['problem_id']}")
    assert tree["problem"] == LARGE
    assert len(tree["nodes"]) == 2001
