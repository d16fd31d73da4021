"""Any verifier in processes: over a limit it is an ERROR, and the next response is judged."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, ValidationError

from tests.patience import LONG_SECONDS, until, wait_until
from verifiers import Outcome, Target, Verdict
from verifiers.isolation.processes import ProcessSettings, ProcessVerifier
from verifiers.isolation.workers import CheckFailed

TARGET = Target(kind="any")


class Obedient:
    """Obeys the response."""

    class Config(BaseModel, extra="forbid"):
        word: str = "ok"

    name = "obedient"

    def __init__(self, config: Config, extra: str = "") -> None:
        self.version = f"1{extra}"
        self._word = config.word
        self._started = 0
        self._calls = 0

    async def start(self) -> None:
        if self._word == "no start":
            raise RuntimeError("will not")
        self._started += 1

    def verify(self, prompt: str, response: str, target: Target) -> Any:
        self._calls += 1
        match response:
            case "hang":
                while True:
                    pass
            case "exit":
                os._exit(1)
            case "leave":
                raise SystemExit
            case "eat":
                return bytearray(2**32)
            case "raise":
                raise RuntimeError("no luck")
            case "nonsense":
                return 42
            case _ if response.startswith("sleep "):
                Path(response.removeprefix("sleep ")).touch()
                time.sleep(0.5)
            case _ if response.startswith("meet "):
                meet(Path(response.removeprefix("meet ")))
        assert multiprocessing.parent_process() is not None
        evidence = {"pid": os.getpid(), "calls": self._calls, "started": self._started}
        return Verdict(
            outcome=Outcome.PASS,
            reason=self._word,
            evidence=evidence,
        )


class ObedientAsync(Obedient):
    async def verify(self, prompt: str, response: str, target: Target) -> Any:
        await asyncio.sleep(0)
        return super().verify(prompt, response, target)


def meet(folder: Path) -> None:
    """Ends once two processes have come here."""
    (folder / str(os.getpid())).touch()
    wait_until(lambda: len(list(folder.iterdir())) == 2)


def build(sort: type[Obedient], word: str = "ok", **settings: Any) -> ProcessVerifier:
    given = {"processes": 2, "process_seconds": LONG_SECONDS, "process_memory_mb": 512, **settings}
    return ProcessVerifier(sort, sort.Config(word=word), ProcessSettings(**given), "+")


@pytest_asyncio.fixture(params=[Obedient, ObedientAsync])
async def verifier(request: pytest.FixtureRequest) -> AsyncIterator[ProcessVerifier]:
    built = build(request.param)
    await built.start()
    yield built
    await built.close()
    await built.close()


async def ask(verifier: ProcessVerifier, response: str) -> Verdict:
    return await verifier.verify("p", response, TARGET)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("hang", "took longer than 1.5 seconds"),
        ("exit", "died"),
        ("leave", "the verifier raised SystemExit"),
        ("eat", "512 MB"),
        ("raise", "the verifier raised RuntimeError: no luck"),
        ("nonsense", "expected the verifier to return a Verdict, got int"),
    ],
)
@pytest.mark.parametrize("sort", [Obedient, ObedientAsync])
async def test_a_guilty_response_is_an_error_and_alone(
    sort: type[Obedient], response: str, reason: str
) -> None:
    verifier = build(sort, process_seconds=1.5 if response == "hang" else LONG_SECONDS)
    found = await asyncio.gather(*(ask(verifier, r) for r in ("a", response, "b", "c", "d")))
    await verifier.close()
    assert [v.outcome is Outcome.PASS for v in found] == [True, False, True, True, True]
    assert found[1].outcome is Outcome.ERROR
    assert reason in found[1].reason
    assert {(v.verifier, v.version) for v in found} == {("obedient", "1+")}


async def test_each_process_builds_and_starts_it_once(
    verifier: ProcessVerifier, tmp_path: Path
) -> None:
    found = await asyncio.gather(*(ask(verifier, f"meet {tmp_path}") for _ in range(6)))
    calls: dict[object, list[object]] = {}
    for one in found:
        calls.setdefault(one.evidence["pid"], []).append(one.evidence["calls"])
    assert len(calls) == 2
    assert os.getpid() not in calls
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in calls.values())
    assert {one.evidence["started"] for one in found} == {1}
    assert {one.reason for one in found} == {"ok"}


async def test_responses_are_judged_at_the_same_time(verifier: ProcessVerifier, tmp_path: Path) -> None:
    found = await asyncio.gather(*(ask(verifier, f"meet {tmp_path}") for _ in range(2)))
    assert {one.outcome for one in found} == {Outcome.PASS}


async def test_the_limit_is_of_one_response_however_many_wait(tmp_path: Path) -> None:
    verifier = build(Obedient, processes=1, process_seconds=3.0)
    found = await asyncio.gather(*(ask(verifier, f"sleep {tmp_path / 'begun'}") for _ in range(8)))
    await verifier.close()
    assert {v.outcome for v in found} == {Outcome.PASS}


async def test_a_verifier_that_cannot_start_says_so() -> None:
    verifier = build(Obedient, word="no start")
    with pytest.raises(CheckFailed, match="will not"):
        await verifier.start()
    await verifier.close()


async def test_a_cancelled_question_does_not_lose_its_process(tmp_path: Path) -> None:
    verifier = build(Obedient, processes=1)
    task = asyncio.create_task(ask(verifier, f"sleep {tmp_path / 'begun'}"))
    await until((tmp_path / "begun").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ask(verifier, "a")).outcome is Outcome.PASS
    await verifier.close()


async def test_closing_ends_the_processes() -> None:
    verifier = build(Obedient)
    pid = (await ask(verifier, "a")).evidence["pid"]
    assert isinstance(pid, int)
    os.kill(pid, 0)
    await verifier.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("key", ["process_seconds", "process_memory_mb"])
def test_limits_without_processes_are_a_mistake(key: str) -> None:
    with pytest.raises(ValidationError, match=f"`{key}` only works with `processes`"):
        ProcessSettings.model_validate({key: 100})
    assert ProcessSettings.model_validate({key: 100, "processes": 0}).processes == 0
