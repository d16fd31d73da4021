"""The border between berry and a verifier, which may be a user's code.

`Border` wraps any verifier so that it answers every question with a valid verdict. The verifier's
`verify`, `start` and `close` may be coroutines or plain functions, and `start` and `close` may be
missing. A verdict needs an outcome and a reason; the border adds the verifier's name, its version and
the seconds of the call unless the verifier sets them. A failure behind the border becomes an ERROR
verdict with the reason, because it says nothing about the response. Only the caller's own cancellation
passes through. A target of a kind that the verifier does not take is also an ERROR, and the verifier is
not called.

A third-party verifier runs in a thread of its own (`own_thread.py`), so the event loop stays responsive
and plain functions need not be thread-safe. A verifier that hangs causes a warning and is abandoned
after ten minutes; every later verdict is an ERROR. Work without a time bound belongs in processes
(`processes.py`).
"""

import asyncio
import inspect
import json
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from verifiers.attributes import method
from verifiers.isolation.own_thread import LIMIT_SECONDS, SLOW_SECONDS, OwnThread, Stuck
from verifiers.isolation.shape import complaint
from verifiers.isolation.target_kinds import SEVERAL_KINDS
from verifiers.records import Outcome, Target, Verdict, Verifier, stamp
from verifiers.traits import Traits, read_traits

TRACEBACKS = "BERRY_TRACEBACKS"
"""Environment variable: if set, errors that a verifier raises are printed with their traceback. It is
set where standard error is a log, and by users who debug their own verifier."""
_MOST_TRACEBACKS = 20
"""Per verifier, because the same error can occur a million times."""
_LONGEST_REASON = 500
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotAVerifier(TypeError):
    """The object lacks something that a verifier has; the message says what."""


class BadVerdict(TypeError):
    """A verifier returned something other than a verdict, or an invalid one; the message says why."""


class Border:
    """A verifier wrapped for its callers; used by one event loop at a time."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        in_thread: bool = True,
        slow_seconds: float = SLOW_SECONDS,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        """`in_thread=False` runs the verifier in the caller's thread. Raises NotAVerifier.

        A call without a verdict after `slow_seconds` causes a warning; a call that blocks the
        verifier's thread for `limit_seconds` ends its use.
        """
        self.traits = check_verifier(verifier)
        self.name = self.traits.name
        self.version = self.traits.version
        self._verifier = verifier
        # Built-in verifiers compute in processes and never block; a thread would only add overhead.
        self._in_thread = in_thread and not _is_ours(verifier)
        self._seconds = (slow_seconds, limit_seconds)
        self._thread: OwnThread | None = None
        self._num_tracebacks = 0

    async def start(self) -> None:
        """Starts the verifier if it has a `start`. Raises whatever that raises."""
        if start := method(self._verifier, "start"):
            await self._call(start, limited=False)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR if the response is not text or the verifier fails."""
        if not isinstance(response, str):
            return self.error(f"expected a response that is text, got {type(response).__name__}")
        if problem := self.traits.refusal(target.kind):
            return self.error(f"{self.name} {problem}; {SEVERAL_KINDS}")
        start = time.monotonic()
        try:
            return await self.ask(prompt, response, target)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            failed = self.error("the verifier cancelled itself")
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # noqa: BLE001 - third-party verifiers raise anything
            failed = self.broken(e)
        return replace(failed, seconds=time.monotonic() - start)

    async def ask(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's own verdict, stamped. Raises whatever the verifier raises, and BadVerdict."""
        timed = _Timed(self._verifier.verify)
        verdict = check_verdict(await self._call(timed, prompt, response, target))
        return stamp(verdict, name=self.name, version=self.version, seconds=timed.seconds)

    def broken(self, error: BaseException) -> Verdict:
        """An ERROR verdict for an exception from `ask`."""
        ours = isinstance(error, BadVerdict | Stuck)
        if not ours and os.environ.get(TRACEBACKS) and self._num_tracebacks < _MOST_TRACEBACKS:
            self._num_tracebacks += 1
            traceback.print_exception(error)
        return self.error(str(error) if ours else f"the verifier raised {_shown(error)}")

    def error(self, reason: str) -> Verdict:
        """An ERROR verdict in the verifier's name."""
        return Verdict(
            outcome=Outcome.ERROR,
            reason=_writable(reason)[:_LONGEST_REASON],
            verifier=self.name,
            version=self.version,
        )

    async def close(self) -> None:
        """Closes the verifier if it has a `close`. Calling it twice is safe."""
        thread = self._thread
        try:
            close = method(self._verifier, "close")
            # A stuck thread would never get to it.
            if close and not (thread and thread.is_stuck):
                await self._call(close)
        finally:
            thread, self._thread = self._thread, None
            if thread is not None:
                thread.stop()

    async def _call(
        self, function: Callable[..., Any], *arguments: object, limited: bool = True
    ) -> Any:
        if not self._in_thread:
            result = function(*arguments)
            return await result if inspect.isawaitable(result) else result
        # Always the same thread: start, verify and close may share thread-bound objects.
        self._thread = self._thread or OwnThread(self.name, *self._seconds)
        return await self._thread.call(function, *arguments, limited=limited)


class _Timed:
    """Times a function's call where it runs, so that waiting for the thread does not count."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.seconds = 0.0

    async def __call__(self, *arguments: object) -> Any:
        start = time.monotonic()
        result = self._function(*arguments)
        if inspect.isawaitable(result):
            result = await result
        self.seconds = time.monotonic() - start
        return result


def _is_ours(verifier: object) -> bool:
    return type(verifier).__module__.partition(".")[0] == __name__.partition(".")[0]


def check_verifier(verifier: object) -> Traits:
    """Reads the verifier's traits. Raises NotAVerifier for an object that cannot be called as one."""
    if problem := complaint(verifier):
        raise NotAVerifier(f"expected {type(verifier).__name__} to have {problem}")
    return read_traits(verifier)


def check_verdict(verdict: object) -> Verdict:
    """The verdict in writable form: text that UTF-8 cannot encode is replaced. Raises BadVerdict."""
    if not isinstance(verdict, Verdict):
        raise BadVerdict(f"expected the verifier to return a Verdict, got {type(verdict).__name__}")
    if not isinstance(verdict.outcome, Outcome):
        raise BadVerdict(f"expected the verdict's outcome to be an Outcome, got {verdict.outcome!r}")
    texts = {"reason": verdict.reason, "verifier": verdict.verifier, "version": verdict.version}
    if verdict.extracted is not None:
        texts["extracted"] = verdict.extracted
    for field, text in texts.items():
        if not isinstance(text, str):
            raise BadVerdict(f"expected the verdict's {field} to be text, got {type(text).__name__}")
    if not isinstance(verdict.no_answer, bool):
        raise BadVerdict(f"expected the verdict's no_answer to be a bool, got {verdict.no_answer!r}")
    if verdict.no_answer and verdict.outcome is not Outcome.ABSTAIN:
        raise BadVerdict(
            f"expected no_answer only with the outcome abstain, got it with {verdict.outcome.value}"
        )
    if not isinstance(verdict.seconds, int | float | None):
        raise BadVerdict(f"expected the verdict's seconds to be a number, got {verdict.seconds!r}")
    evidence = _check_evidence(verdict.evidence)
    extracted = verdict.extracted
    if evidence is verdict.evidence and not _HALF_CHARACTER.search(f"{verdict.reason}{extracted}"):
        return verdict
    return replace(
        verdict,
        reason=_writable(verdict.reason),
        extracted=extracted if extracted is None else _writable(extracted),
        evidence=evidence,
    )


def _check_evidence(evidence: Mapping[str, object]) -> Mapping[str, object]:
    """The evidence, as JSON holds it. Raises BadVerdict if JSON cannot."""
    if not isinstance(evidence, Mapping):
        raise BadVerdict(f"expected the verdict's evidence to be a dict, got {type(evidence).__name__}")
    if not evidence:
        return evidence
    try:
        text = json.dumps(dict(evidence), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as e:
        raise BadVerdict(f"expected the verdict's evidence to be JSON: {e}") from e
    written = _writable(text)
    if text == written and type(evidence) is dict:
        return evidence
    read: dict[str, object] = json.loads(written)
    return read


def _writable(text: str) -> str:
    """The text without lone surrogates, which UTF-8 cannot encode."""
    return _HALF_CHARACTER.sub("\ufffd", text)


def _shown(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # noqa: BLE001 - the error's class is third-party code too
        return type(error).__name__
