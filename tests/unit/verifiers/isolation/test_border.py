"""For any behaviour of a verifier, the border returns a valid verdict."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.patience import LONG_SECONDS, until
from verifiers import Outcome, Target, Verdict
from verifiers.isolation.border import Border, NotAVerifier

TARGET = Target(kind="any")


def verdict(**changes: Any) -> Verdict:
    given = {"outcome": Outcome.PASS, "reason": "r", "verifier": "mine", "version": "1"}
    return Verdict(**{**given, **changes})


class Mine:
    """Calls a given function."""

    name, version = "mine", "1"

    def __init__(self, function: Callable[[str], Any]) -> None:
        self._function = function

    def verify(self, prompt: str, response: str, target: Target) -> Any:
        return self._function(response)


class MineAsync(Mine):
    async def verify(self, prompt: str, response: str, target: Target) -> Any:
        await asyncio.sleep(0)
        return self._function(response)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def raising(error: BaseException) -> Callable[[str], Any]:
    def function(_: str) -> Any:
        raise error

    return function


def deep() -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(sys.getrecursionlimit() * 50):
        nested = {"a": nested}
    return nested


async def ask(verifier: Any, response: Any = "x") -> Verdict:
    border = Border(verifier)
    try:
        return await border.verify("p", response, TARGET)
    finally:
        await border.close()
        await border.close()


@pytest.mark.parametrize("sort", [Mine, MineAsync])
async def test_a_verdict_passes(sort: type[Mine]) -> None:
    given = verdict(extracted="42", evidence={"seen": [1, None, {"a": 0.5}]})
    assert await ask(sort(lambda _: given)) == given


class Anonymous:
    """Returns only an outcome and a reason."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        await asyncio.sleep(0.05)
        return Verdict(outcome=Outcome.PASS, reason="r")


@pytest.mark.parametrize("sort", [Mine, MineAsync])
async def test_name_version_and_time_are_filled_in(sort: type[Mine]) -> None:
    found = await ask(sort(lambda _: Verdict(outcome=Outcome.FAIL, reason="r")))
    assert (found.verifier, found.version) == ("mine", "1")
    assert found.seconds is not None
    assert found.seconds > 0


async def test_a_verifier_without_a_name_has_that_of_its_class_and_version_0() -> None:
    found = await ask(Anonymous())
    assert (found.verifier, found.version) == ("Anonymous", "0")
    assert found.seconds is not None
    assert 0.05 <= found.seconds < LONG_SECONDS


async def test_what_a_verdict_states_itself_stays() -> None:
    given = verdict(verifier="another", version="9", seconds=3.0)
    found = await ask(Mine(lambda _: given))
    assert (found.verifier, found.version, found.seconds) == ("another", "9", 3.0)
    part = await ask(Mine(lambda _: verdict(verifier="another", version="", seconds=None)))
    assert (part.verifier, part.version) == ("another", "1")


async def test_each_response_has_the_time_of_its_own_call() -> None:
    def sleep(text: str) -> Verdict:
        time.sleep(float(text))
        return Verdict(outcome=Outcome.PASS, reason="r")

    border = Border(Mine(sleep))
    try:
        calls = (border.verify("p", text, TARGET) for text in ("0.3", "0", "0"))
        first, *rest = [one.seconds or 0.0 for one in await asyncio.gather(*calls)]
    finally:
        await border.close()
    assert first >= 0.3
    # They waited for the first, which does not count towards their time.
    assert max(rest) < 0.3


async def test_an_error_has_the_time_until_it_was_raised() -> None:
    found = await ask(Mine(raising(ValueError("a bug"))))
    assert found.seconds is not None
    assert (await ask(Mine(lambda _: None), response=3)).seconds is None


@pytest.mark.parametrize("sort", [Mine, MineAsync])
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (raising(ValueError("a bug")), "the verifier raised ValueError: a bug"),
        (raising(StopIteration()), "StopIteration"),
        (raising(SystemExit(3)), "the verifier raised SystemExit: 3"),
        (raising(asyncio.CancelledError()), "the verifier cancelled itself"),
        (raising(Unspeakable()), "the verifier raised Unspeakable"),
        (raising(ValueError("\ud800")), "the verifier raised ValueError: \ufffd"),
        (lambda _: None, "expected the verifier to return a Verdict, got NoneType"),
        (lambda _: True, "got bool"),
        (lambda _: Outcome.PASS, "got Outcome"),
        (lambda _: verdict(outcome="pass"), "outcome to be an Outcome, got 'pass'"),
        (lambda _: verdict(reason=None), "reason to be text, got NoneType"),
        (lambda _: verdict(extracted=42), "extracted to be text, got int"),
        (lambda _: verdict(version=1), "version to be text, got int"),
        (lambda _: verdict(seconds="3"), "seconds to be a number"),
        (lambda _: verdict(evidence=[1]), "evidence to be a dict, got list"),
        (lambda _: verdict(evidence={"a": {1}}), "evidence to be JSON: Object of type set"),
        (lambda _: verdict(evidence={"a": float("nan")}), "evidence to be JSON"),
        (lambda _: verdict(evidence={(1, 2): 3}), "evidence to be JSON"),
        (lambda _: verdict(evidence=deep()), "evidence to be JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_goes_wrong_is_an_error(
    sort: type[Mine], function: Callable[[str], Any], reason: str
) -> None:
    found = await ask(sort(function))
    assert found.outcome is Outcome.ERROR
    assert reason in found.reason
    assert (found.verifier, found.version) == ("mine", "1")


@pytest.mark.parametrize("response", [None, b"42", 42, ["42"]])
async def test_what_is_no_text_is_not_asked_about(response: object) -> None:
    asked: list[object] = []
    found = await ask(Mine(lambda text: asked.append(text)), response)
    assert found.outcome is Outcome.ERROR
    assert "expected a response that is text" in found.reason
    assert asked == []


async def test_half_characters_are_replaced_so_that_the_verdict_can_be_written() -> None:
    given = verdict(reason="\ud800", extracted="a\udfff", evidence={"\ud800": ["\udc00"], "b": "c"})
    found = await ask(Mine(lambda _: given))
    assert found.outcome is Outcome.PASS
    assert (found.reason, found.extracted) == ("\ufffd", "a\ufffd")
    assert found.evidence == {"\ufffd": ["\ufffd"], "b": "c"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (verdict(no_answer=True), "expected no_answer only with the outcome abstain, got it with pass"),
        (verdict(no_answer="yes"), "expected the verdict's no_answer to be a bool, got 'yes'"),
    ],
)
async def test_only_an_abstention_says_that_there_is_no_answer(given: Verdict, reason: str) -> None:
    found = await ask(Mine(lambda _: given))
    assert (found.outcome, found.reason) == (Outcome.ERROR, reason)


async def test_a_plain_function_neither_stops_the_loop_nor_meets_itself() -> None:
    threads: list[int] = []
    inside = 0
    loop_turned = threading.Event()

    def slow(_: str) -> Verdict:
        nonlocal inside
        inside += 1
        assert inside == 1, "two calls at the same time"
        assert loop_turned.wait(LONG_SECONDS), "the loop stands still"
        threads.append(threading.get_ident())
        inside -= 1
        return verdict()

    border = Border(Mine(slow))
    asked = [asyncio.create_task(border.verify("", "x", TARGET)) for _ in range(4)]
    await until(lambda: inside)
    loop_turned.set()
    await asyncio.gather(*asked)
    assert {task.result().outcome for task in asked} == {Outcome.PASS}
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads
    await border.close()


async def test_the_callers_cancellation_passes_through() -> None:
    begun = threading.Event()

    class Waits(MineAsync):
        async def verify(self, prompt: str, response: str, target: Target) -> Any:
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(Border(Waits(lambda _: None)).verify("", "x", TARGET))
    await until(begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_start_and_close_may_be_plain_and_share_the_thread_of_verify() -> None:
    calls: list[tuple[str, int]] = []

    class Whole(Mine):
        def start(self) -> None:
            calls.append(("start", threading.get_ident()))

        def verify(self, prompt: str, response: str, target: Target) -> Any:
            calls.append(("verify", threading.get_ident()))
            return verdict()

        def close(self) -> None:
            calls.append(("close", threading.get_ident()))

    border = Border(Whole(lambda _: None))
    await border.start()
    await border.verify("", "x", TARGET)
    await border.close()
    assert [name for name, _ in calls] == ["start", "verify", "close"]
    assert len({thread for _, thread in calls}) == 1


async def test_the_caller_gets_what_start_raises() -> None:
    class Broken(Mine):
        async def start(self) -> None:
            raise OSError("no model")

    with pytest.raises(OSError, match="no model"):
        await Border(Broken(lambda _: None)).start()


@pytest.mark.parametrize(
    ("attribute", "value"), [("name", None), ("name", ""), ("version", 1), ("verify", None)]
)
def test_an_object_that_is_no_verifier_is_refused(attribute: str, value: object) -> None:
    mine = Mine(lambda _: verdict())
    setattr(mine, attribute, value)
    with pytest.raises(NotAVerifier, match=f"expected Mine to have .*`{attribute}"):
        Border(mine)


async def test_what_a_verifier_raises_is_printed_where_there_is_a_log_a_few_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(response: str) -> Verdict:
        raise KeyError("gone")

    border = Border(Mine(broken))
    await border.verify("", "x", TARGET)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("BERRY_TRACEBACKS", "1")
    for _ in range(50):
        assert "KeyError: 'gone'" in (await border.verify("", "x", TARGET)).reason
    await border.close()
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == printed.count("KeyError: 'gone'") == 20
    assert 'raise KeyError("gone")' in printed
