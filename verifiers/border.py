"""The border between berry and a verifier, which may be anybody's code.

`Border` makes of any verifier one that answers every question with a sound verdict: its `verify`,
`start` and `close` may be coroutines or plain functions, and `start` and `close` may be missing. What
goes wrong behind the border becomes an ERROR verdict with the reason: it says nothing about the
response. Only the caller's own cancellation passes through. A target of a kind that the verifier does
not take is an ERROR too, and the verifier is not asked.

A verifier that is not ours runs in a thread of its own (`own_thread.py`), so the event loop goes on
and plain functions need not be safe for threads. One that hangs is warned of, and given up after ten
minutes: then every verdict is an ERROR. What may take for ever belongs in processes (`processes.py`).
"""

import asyncio
import inspect
import json
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from verifiers.kinds import SEVERAL_KINDS, refusal
from verifiers.own_thread import LIMIT_SECONDS, SLOW_SECONDS, OwnThread, Stuck
from verifiers.records import Outcome, Target, Verdict, Verifier
from verifiers.shape import complaint

TRACEBACKS = "BERRY_TRACEBACKS"
"""Environment variable: where it is set, what a verifier raises is printed with its traceback. Set
where standard error is a log, and by users who look for a fault in theirs."""
_MOST_TRACEBACKS = 20
"""For each verifier: the same fault can come a million times."""
_LONGEST_REASON = 500
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotAVerifier(TypeError):
    """The object lacks what a verifier has; the message says what."""


class BadVerdict(TypeError):
    """A verifier returned something that is no verdict; the message says what is wrong with it."""


class Border:
    """A verifier, seen from this side; for one event loop at a time."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        in_thread: bool = True,
        slow_seconds: float = SLOW_SECONDS,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        """`in_thread=False` runs it in place. Raises NotAVerifier.

        `slow_seconds` without a verdict are worth a warning; a call that blocks the verifier's thread
        for `limit_seconds` ends it.
        """
        check_verifier(verifier)
        self._verifier = verifier
        # Ours compute in processes of their own and never block, and a thread costs more than they do.
        self._in_thread = in_thread and not _is_ours(verifier)
        self._seconds = (slow_seconds, limit_seconds)
        self._thread: OwnThread | None = None
        self._num_tracebacks = 0
        self.name = verifier.name
        self.version = verifier.version

    async def start(self) -> None:
        """Lets the verifier get ready, if it has anything to do. Raises what it raises."""
        if start := getattr(self._verifier, "start", None):
            await self._call(start, limited=False)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR for a response that is no text, or if the verifier breaks."""
        if not isinstance(response, str):
            return self.error(f"expected a response that is text, got {type(response).__name__}")
        if problem := refusal(self._verifier, target.kind):
            return self.error(f"{self.name} {problem}; {SEVERAL_KINDS}")
        try:
            return await self.ask(prompt, response, target)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self.error("the verifier cancelled itself")
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # noqa: BLE001 - a verifier may be anybody's code
            return self.broken(e)

    async def ask(self, prompt: str, response: str, target: Target) -> Verdict:
        """What the verifier returns. Raises what it raises, and BadVerdict."""
        return check_verdict(await self._call(self._verifier.verify, prompt, response, target))

    def broken(self, error: BaseException) -> Verdict:
        """An ERROR verdict that says what `ask` raised."""
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
        """Closes the verifier, if it has anything to close; calling it twice is fine."""
        thread = self._thread
        try:
            close = getattr(self._verifier, "close", None)
            # A thread that is stuck will never come to it.
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
        # Always the same thread: start, verify and close may share what is bound to one.
        self._thread = self._thread or OwnThread(self.name, *self._seconds)
        return await self._thread.call(function, *arguments, limited=limited)


def _is_ours(verifier: object) -> bool:
    return type(verifier).__module__.partition(".")[0] == __name__.partition(".")[0]


def check_verifier(verifier: object) -> None:
    """Raises NotAVerifier unless it has a name, a version and methods that can be called."""
    if problem := complaint(verifier):
        raise NotAVerifier(f"expected {type(verifier).__name__} to have {problem}")


def check_verdict(verdict: object) -> Verdict:
    """The verdict, fit to be written: text that UTF-8 cannot hold is replaced. Raises BadVerdict."""
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
            f"expected no_answer of an abstention alone, got it of {verdict.outcome.value}"
        )
    if not isinstance(verdict.seconds, int | float):
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
    """The evidence, if JSON can hold it."""
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
    """The text without halves of surrogate pairs, which no file of UTF-8 can hold."""
    return _HALF_CHARACTER.sub("\ufffd", text)


def _shown(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # noqa: BLE001 - the error's class is anybody's too
        return type(error).__name__
