"""A verifier that hangs is reported and abandoned; the caller and the program continue."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.patience import LONG_SECONDS
from tests.unit.verifiers.isolation.test_border import TARGET, Mine, verdict
from verifiers import Outcome, Target
from verifiers.isolation.border import Border
from verifiers.isolation.own_thread import _Inside

SLOW, LIMIT = 0.1, 2.0


class Hangs(Mine):
    """Blocks its thread for the response "hang" until it is released."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def verify(self, prompt: str, response: str, target: Target) -> Any:
        if response == "hang":
            self.let_go.wait(LONG_SECONDS)
        return verdict()


class HangsAsync(Hangs):
    async def verify(self, prompt: str, response: str, target: Target) -> Any:
        return super().verify(prompt, response, target)


class Always(logging.Filter):
    """Calls a function at every message, and lets it pass."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__()
        self._function = function

    def filter(self, record: logging.LogRecord) -> bool:
        self._function()
        return True


@pytest.mark.parametrize("sort", [Hangs, HangsAsync])
async def test_a_verifier_that_hangs_causes_warnings_and_is_abandoned(
    sort: type[Hangs], caplog: pytest.LogCaptureFixture
) -> None:
    verifier = sort()
    border = Border(verifier, slow_seconds=SLOW, limit_seconds=LIMIT)
    assert (await border.verify("", "a", TARGET)).outcome is Outcome.PASS
    with caplog.at_level(logging.WARNING):
        found = await asyncio.gather(*(border.verify("", r, TARGET) for r in ("hang", "b", "c")))
    later = await border.verify("", "d", TARGET)
    for one in (*found, later):
        assert one.outcome is Outcome.ERROR
        assert "did not return for 2 seconds" in one.reason
        assert "`processes`" in one.reason
    assert "the verifier 'mine' has given no verdict for" in caplog.messages[0]
    assert "set `processes`" in caplog.messages[0]
    # Each after twice the time of the previous one, from 0.1 seconds on, and one at the end.
    assert 2 <= len(caplog.messages) <= 7
    await border.close()
    await border.close()
    verifier.let_go.set()


async def test_a_verifier_that_returns_causes_warnings_and_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier = Hangs()
    border = Border(verifier, slow_seconds=SLOW, limit_seconds=LONG_SECONDS)
    asked = asyncio.create_task(border.verify("", "hang", TARGET))
    log = logging.getLogger("verifiers.isolation.own_thread")
    let_go = Always(verifier.let_go.set)
    log.addFilter(let_go)
    try:
        assert (await asked).outcome is Outcome.PASS
    finally:
        log.removeFilter(let_go)
    assert caplog.messages
    assert (await border.verify("", "a", TARGET)).outcome is Outcome.PASS
    await border.close()


async def test_a_verifier_that_awaits_for_long_is_never_abandoned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Waits(Mine):
        async def verify(self, prompt: str, response: str, target: Target) -> Any:
            await asyncio.sleep(2.5)
            return verdict()

    # Long enough that a busy machine does not look like a thread that is blocked.
    border = Border(Waits(lambda _: None), slow_seconds=1, limit_seconds=1.5)
    assert (await border.verify("", "x", TARGET)).outcome is Outcome.PASS
    assert "1 responses are waiting" in caplog.messages[0]
    assert "processes" not in caplog.messages[0]
    await border.close()


async def test_many_short_calls_are_no_long_one(caplog: pytest.LogCaptureFixture) -> None:
    def short(_: str) -> Any:
        time.sleep(0.04)
        return verdict()

    border = Border(Mine(short), slow_seconds=2, limit_seconds=3)
    found = await asyncio.gather(*(border.verify("", "x", TARGET) for _ in range(90)))
    assert {one.outcome for one in found} == {Outcome.PASS}
    assert caplog.messages == []
    await border.close()


async def test_a_verdict_is_out_before_the_next_response_is_judged() -> None:
    judged: list[int] = []
    out = [threading.Event() for _ in range(20)]

    def judge(text: str) -> Any:
        judged.append(number := int(text))
        assert number == 0 or out[number - 1].wait(LONG_SECONDS)
        return verdict()

    async def ask(number: int) -> None:
        assert (await border.verify("", str(number), TARGET)).outcome is Outcome.PASS
        out[number].set()

    border = Border(Mine(judge))
    await asyncio.gather(*map(ask, range(20)))
    assert judged == list(range(20))
    await border.close()


@pytest.mark.parametrize("rounds", range(8))
@pytest.mark.parametrize("calls_before", [0, 1, 2])
def test_a_verdict_is_sent_before_a_call_that_arrives_at_any_moment(
    calls_before: int, rounds: int
) -> None:
    """The second call arrives `rounds` rounds of the loop after the first one."""
    inside = _Inside()
    happened: list[str] = []

    def begin(name: str) -> None:
        task = inside.loop.create_task(inside.outcome(happened.append, (f"{name} judged",)))
        task.add_done_callback(lambda _: happened.append(f"{name} sent"))

    def begin_after(left: int) -> None:
        if left:
            inside.loop.call_soon(begin_after, left - 1)
        else:
            begin("last")

    # A call that is under way before, or callbacks on either side, change the order within a round.
    names = [str(number) for number in range(calls_before + 1)]
    for name in names:
        inside.loop.call_soon(begin, name)
    inside.loop.call_soon(begin_after, rounds)
    inside.loop.call_later(0.01, inside.loop.stop)
    inside.serve()
    assert happened == [f"{name} {what}" for name in (*names, "last") for what in ("judged", "sent")]


async def test_a_task_that_exits_ends_neither_the_thread_nor_the_program() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    class Leaves(Mine):
        async def verify(self, prompt: str, response: str, target: Target) -> Any:
            task = asyncio.create_task(leave())
            await asyncio.wait([task])
            return verdict(reason=repr(task.exception()))

    border = Border(Leaves(lambda _: None))
    assert (await border.verify("", "x", TARGET)).reason == "SystemExit(3)"
    assert (await border.verify("", "x", TARGET)).outcome is Outcome.PASS
    await border.close()


async def test_starting_may_take_as_long_as_it_takes(caplog: pytest.LogCaptureFixture) -> None:
    class Loads(Mine):
        def start(self) -> None:
            time.sleep(1.5)

    border = Border(Loads(lambda _: verdict()), slow_seconds=0.1, limit_seconds=1)
    await border.start()
    assert caplog.messages
    assert "abandoned" not in caplog.messages[0]
    assert (await border.verify("", "x", TARGET)).outcome is Outcome.PASS
    await border.close()


async def test_the_thread_ends_with_the_border() -> None:
    before = set(threading.enumerate())
    border = Border(Mine(lambda _: verdict()))
    await border.verify("", "x", TARGET)
    [thread] = set(threading.enumerate()) - before
    assert thread.daemon
    await border.close()
    await asyncio.to_thread(thread.join)


SCRIPT = """
import asyncio, re, time
from verifiers import Target
from verifiers.isolation.border import Border
from verifiers.isolation.own_thread import _Inside

class Hangs:
    name, version = "hangs", "1"
    {kind} verify(self, prompt, response, target):
        {body}

async def main():
    border = Border(Hangs(), slow_seconds=0.1, limit_seconds=0.5)
    print((await border.verify("", "x", Target(kind="any"))).reason)
    await border.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("body", ["time.sleep(10**6)", "while True: pass"])
def test_the_program_ends_though_a_call_still_hangs(kind: str, body: str) -> None:
    script = SCRIPT.format(kind=kind, body=body)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "did not return" in done.stdout
    assert "the verifier 'hangs' has given no verdict for" in done.stderr


def test_code_that_stops_the_whole_process_is_pointed_at() -> None:
    # A search in C that takes forever and holds the GIL.
    script = SCRIPT.format(kind="def", body='re.match("(a+)+$", "a" * 60 + "b")')
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        seen = next((line for line in lines if "in verify" in line), "")
        process.kill()
    assert seen
