"""`berry serve verify`: a real server, and real clients at the same time."""

import asyncio
import contextlib
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pipeline.responses.server import ServeOptions, VerifyService
from tests.conftest import ROOT
from tests.pages import blocks
from tests.patience import until, wait_until
from verifiers import Outcome, Target, Verdict
from verifiers.by_kind import ByKind
from verifiers.exact import ExactVerifier

BERRY = str(Path(sys.executable).parent / "berry")


@contextlib.contextmanager
def served(*arguments: str, **environment: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of a service, and its process."""
    command = [BERRY, "serve", "verify", "--port", "0", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert " on http://" in said, said
            yield said.split(" on ")[1].strip(), process
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def math() -> Iterator[str]:
    with served("--use", "math") as (address, _):
        yield address


def rows(count: int, wrong: int = 0) -> dict[str, Any]:
    return {
        "rows": [
            {"id": f"r{n}", "response": rf"\boxed{{{n + (n < wrong)}}}", "gold": str(n)}
            for n in range(count)
        ]
    }


async def post(session: aiohttp.ClientSession, address: str, content: Any, **more: Any) -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with session.post(f"{address}/verify", data=io.BytesIO(data), **more) as answer:
        return answer.status, await answer.json()


async def test_verdicts_and_rewards_come_in_order(math: str) -> None:
    asked = {
        "rows": [
            {"id": "a", "response": r"\boxed{\frac12}", "target": {"kind": "math", "value": "0.5"}},
            {"response": r"\boxed{2}", "gold": 3, "prompt": None},
            {"response": "I do not know.", "gold": "3"},
            {"response": "x", "target": {"kind": "calls"}},
        ]
    }
    async with aiohttp.ClientSession() as session:
        status, content = await post(session, math, asked)
        async with session.get(f"{math}/health") as health:
            assert (health.status, (await health.json())["verifier"]) == (200, "math")
    assert status == 200
    found = [(v["id"], v["outcome"], v["reward"]) for v in content["verdicts"]]
    assert found == [
        ("a", "pass", 1.0), (1, "fail", 0.0), (2, "abstain", None), (3, "error", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"[]", 400, 'expected {"rows": [...]}, got []'),
        ({"rows": [{"response": "", "gold": ""}, {"gold": "1"}]}, 400, "row 1: response: expected"),
        ({"rows": [{"response": "1", "gold": True}]}, 400, "row 0: gold: expected a text or a number"),
        ({"rows": [{"response": "1", "target": 5}]}, 400, "row 0: target: "),
        (rows(1025), 400, "at most 1024 rows"),
        (b'{"rows": [], "rows": []}', 400, "the key 'rows' twice"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"rows": ["\xff"]}', 400, "not UTF-8"),
        (b'{"rows": [{"id": NaN, "response": "1", "gold": "1"}]}', 400, "id: expected no NaN"),
        (b'{"rows": [{"id": [1e999], "response": "1", "gold": "1"}]}', 400, "id: expected no NaN"),
        (b'{"rows": [{"response": "1", "gold": NaN}]}', 400, "gold: expected a text or a number"),
        (b'{"rows": [{"response": "1", "gold": 1e999}]}', 400, "row 0: gold: 1e999 is too large"),
        (b" " * 64_000_001, 413, "at most 64000000 bytes"),
    ],
)  # fmt: skip
async def test_a_bad_request_is_told_what_is_wrong(
    math: str, body: Any, status: int, said: str
) -> None:
    async with aiohttp.ClientSession() as session:
        got, content = await post(session, math, body)
    assert got == status
    assert said in content["error"]


async def test_many_clients_at_once_get_their_own_verdicts(math: str) -> None:
    async def client(session: aiohttp.ClientSession, wrong: int) -> bool:
        status, content = await post(session, math, rows(100, wrong))
        outcomes = [verdict["outcome"] for verdict in content["verdicts"]]
        ids = [verdict["id"] for verdict in content["verdicts"]]
        return (
            status == 200
            and outcomes == ["fail"] * wrong + ["pass"] * (100 - wrong)
            and ids == [f"r{n}" for n in range(100)]
        )

    async with aiohttp.ClientSession() as session:
        assert all(await asyncio.gather(*(client(session, wrong) for wrong in range(60))))
        async with session.get(f"{math}/metrics") as metrics:
            lines = (await metrics.text()).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["berry_rows_waiting"]) == 0
    assert float(values['berry_verdicts_total{outcome="pass"}']) >= 60 * 100 - sum(range(60))


async def test_more_than_may_wait_is_refused_at_once_and_a_client_that_hangs_up_ends_its_rows() -> None:
    target = {"kind": "stdin_stdout", "cases": [{"input": "", "output": "1"}]}
    slow = {"response": "```python\nimport time\ntime.sleep(600)\n```", "target": target}
    quick = {"response": "```python\nprint(1)\n```", "target": target}
    options = ("--max-waiting", "3", "wall_seconds=600")
    with served("--use", "code", *options) as (address, _):
        async with aiohttp.ClientSession() as session:
            waiting = asyncio.create_task(post(session, address, {"rows": [slow, slow]}))
            await until_waiting(session, address, 2)
            status, content = await post(session, address, {"rows": [quick, quick]})
            assert (status, content["error"][:11]) == (503, "2 rows are ")
            waiting.cancel()
            await until_waiting(session, address, 0)
            status, content = await post(session, address, {"rows": [quick, quick]})
            assert [v["outcome"] for v in content["verdicts"]] == ["pass", "pass"]


async def until_waiting(session: aiohttp.ClientSession, address: str, rows: int) -> None:
    waiting = -1
    while waiting != rows:
        async with session.get(f"{address}/health") as health:
            waiting = (await health.json())["rows_waiting"]


async def test_sigterm_lets_a_request_under_way_finish(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    go_on = tmp_path / "go_on"
    options = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "GO_ON": str(go_on)}
    row = {"response": "", "target": {"kind": "any"}}
    with served("--use", "waits:Waits", **options) as (address, process):
        async with aiohttp.ClientSession() as session:
            asked = asyncio.create_task(post(session, address, {"rows": [row]}))
            await until_waiting(session, address, 1)
            process.send_signal(signal.SIGTERM)
            # It takes no further clients once it has begun to end.
            await until(lambda: not is_listening(address) or None)
            go_on.touch()
            status, content = await asked
        # Before `served` sends its own SIGTERM, which would end a process that is about to exit.
        assert process.wait() == 0
    assert (status, content["verdicts"][0]["outcome"]) == (200, "pass")


WAITS = """
import asyncio, os
from pydantic import BaseModel
from verifiers import Outcome, Verdict
class Waits:
    class Config(BaseModel): pass
    name, version = "waits", "1"
    def __init__(self, config): pass
    async def verify(self, prompt, response, target):
        while not os.path.exists(os.environ["GO_ON"]):
            await asyncio.sleep(0.02)
        return Verdict(outcome=Outcome.PASS, reason="", verifier="waits", version="1", seconds=0.0)
"""


def is_listening(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


async def test_a_token_is_asked_for_where_one_is_set() -> None:
    with served("--use", "exact", BERRY_TOKEN="secret") as (address, _):
        async with aiohttp.ClientSession() as session:
            assert (await post(session, address, {"rows": []}))[0] == 401
            for token, status in (("Bearer wrong", 401), ("Bearer secret", 200)):
                got = await post(session, address, {"rows": []}, headers={"Authorization": token})
                assert got[0] == status


def test_a_place_that_is_taken_is_one_line(math: str) -> None:
    port = math.rsplit(":", 1)[1]
    command = [BERRY, "serve", "verify", "--use", "math", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot listen on this address" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_pages_reward_functions(math: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERRY_SERVICE", math)
    files = {block.note: block.text for block in blocks("serving.md") if block.note}
    assert sorted(files) == ["trl_reward.py", "verl_reward.py"]
    modules = {}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), tmp_path / name)
        assert spec is not None
        assert spec.loader is not None
        modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    completions = [r"\boxed{4}", [{"role": "assistant", "content": r"\boxed{5}"}], "no idea"]
    reward = modules["trl_reward.py"].berry_reward
    given = reward(prompts=["2+2?"] * 3, completions=completions, answer=["4"] * 3, other=[1, 2, 3])
    assert given == [1.0, 0.0, None]
    score = modules["verl_reward.py"].compute_score
    assert score("set", r"\boxed{4}", "4") == {"score": 1.0, "outcome": "pass"}
    assert score("set", "no idea", "4", {"index": 1}) == {"score": 0.0, "outcome": "abstain"}


def test_a_server_that_is_killed_leaves_no_worker_behind() -> None:
    import psutil

    with served("--use", "code", "cpu_seconds=5") as (_, process):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        process.wait()
        wait_until(lambda: not any(child.is_running() for child in children) or None)


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        """
from pydantic import BaseModel
class Broken:
    name, version = "broken", "1"
    class Config(BaseModel): pass
    def __init__(self, config): pass
    def start(self): raise RuntimeError("no model\\nhere")
    def verify(self, prompt, response, target): pass
"""
    )
    command = [BERRY, "serve", "verify", "--port", "0", "--use"]
    cases = {
        ("broken:Broken",): (3, "berry: the verifier cannot start: RuntimeError: no model here\n"),
        ("math", "check_processes=x"): (
            2,
            "berry: math: check_processes: expected a whole number, got 'x'\n",
        ),
        ("math", "--port", "65536"): (2, "expected a whole number from 0 to 65535, got '65536'\n"),
    }
    for arguments, (status, said) in cases.items():
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert (done.returncode, done.stderr[-len(said) :]) == (status, said)
        assert done.stderr.count("\n") == 1


@contextlib.asynccontextmanager
async def in_process(verifier: Any, **options: Any) -> AsyncIterator[str]:
    service = VerifyService(verifier, ServeOptions(**options))
    runner = web.AppRunner(service.app(), handler_cancellation=True, auto_decompress=False)
    await service.judge.start()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await service.judge.close()


class Echo:
    """Says in the evidence what it was given; waits until it is let go."""

    name, version = "echo", "1"

    def __init__(self) -> None:
        self.is_free = True

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        # In the verifier's own thread: an Event of the test's loop would not wake it.
        await until(lambda: self.is_free)
        evidence: dict[str, object] = {"kind": target.kind, "value": target.value}
        if response == "nan":
            evidence["nan"] = float("nan")
        return Verdict(
            outcome=Outcome.PASS, reason=response, evidence=evidence, verifier="echo", version="1"
        )


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


async def test_ids_of_any_type_come_back_and_the_answer_is_strict_json() -> None:
    ids: list[Any] = ["a", 1, 1.5, None, True, [1, {"b": None}], {}, "\ud800", 10**400]
    given = [
        {"id": one, "response": "\ud800" if n else "nan", "gold": "1"} for n, one in enumerate(ids)
    ]
    async with in_process(Echo()) as address, aiohttp.ClientSession() as session:
        body = json.dumps({"rows": given}).encode()
        async with session.post(f"{address}/verify", data=body) as answer:
            verdicts = strict((await answer.read()).decode("ascii"))["verdicts"]
    assert [verdict["id"] for verdict in verdicts] == ids
    assert [verdict["outcome"] for verdict in verdicts] == ["error"] + ["pass"] * (len(ids) - 1)
    assert verdicts[1]["reason"] == "\ufffd"


async def test_a_gold_number_is_kept_as_it_is_written() -> None:
    body = b"""{"rows": [{"response": "", "gold": 5.10}, {"response": "", "gold": 7},
        {"response": "", "target": {"kind": "t", "value": 0.1234567890123456789}}]}"""
    async with in_process(Echo()) as address, aiohttp.ClientSession() as session:
        _, content = await post(session, address, body)
    evidence = [verdict["evidence"] for verdict in content["verdicts"]]
    assert [one["value"] for one in evidence] == ["5.10", "7", "0.1234567890123456789"]


async def test_a_gold_answer_alone_is_mathematics_where_the_verifier_takes_that() -> None:
    row = {"response": "The answer is 0.5.", "gold": "1/2"}
    verifier = ByKind(ByKind.Config())
    async with in_process(verifier) as address, aiohttp.ClientSession() as session:
        _, content = await post(session, address, {"rows": [row]})
    assert content["verdicts"][0]["outcome"] == "pass"


async def test_more_rows_than_may_ever_wait_are_not_told_to_try_again() -> None:
    verifier = ExactVerifier(ExactVerifier.Config())
    async with in_process(verifier, max_waiting=3) as address, aiohttp.ClientSession() as session:
        status, content = await post(session, address, rows(4))
    assert (status, content["error"]) == (400, "expected at most 3 rows in a request, got 4")


async def test_the_bytes_of_all_requests_together_are_bounded() -> None:
    verifier = Echo()
    large = {"rows": [{"response": "x" * 60_000, "gold": "1"}]}
    bounded = in_process(verifier, max_waiting_bytes=100_000)
    async with bounded as address, aiohttp.ClientSession() as session:
        verifier.is_free = False
        first = asyncio.create_task(post(session, address, large))
        await until_waiting(session, address, 1)
        status, content = await post(session, address, large)
        assert (status, content["error"]) == (503, "requests of 100000 bytes are waiting: try again")
        small = asyncio.create_task(post(session, address, rows(1)))
        await until_waiting(session, address, 2)
        verifier.is_free = True
        assert [(await task)[0] for task in (first, small)] == [200, 200]
        assert (await post(session, address, large))[0] == 200


async def test_a_body_that_stops_arriving_is_given_up_and_one_in_a_coding_refused() -> None:
    head = b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    async with in_process(Echo(), silence_seconds=0.2) as address:
        port = int(address.rsplit(":", 1)[1])
        for rest, status in ((b"\r\n{", b"408"), (b"Content-Encoding: gzip\r\n\r\n{", b"415")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + rest)
            assert (await reader.readline()).split()[1] == status
            writer.close()


async def test_garbage_and_lost_connections_leave_the_service_as_it_was() -> None:
    head = b"POST /verify HTTP/1.1\r\nHost: x\r\n"
    garbage = [b"garbage\r\n\r\n", head + b"Content-Length: -5\r\n\r\n", head, head[:20]]
    garbage.append(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n")
    garbage.append(head + b"Content-Length: 100\r\n\r\n{")
    with served("--use", "exact") as (address, _):
        port = int(address.rsplit(":", 1)[1])
        for content in garbage:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(content)
            await writer.drain()
            writer.close()
        async with aiohttp.ClientSession() as session:
            assert (await post(session, address, rows(3)))[0] == 200
            await until_waiting(session, address, 0)
