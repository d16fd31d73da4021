"""A verifier in a process of its own, asked one question at a time, each with a time limit.

The contract suite (`testing.py`) asks this way: a verifier that hangs, exits or exhausts memory loses
its process instead of the test session, and whatever crosses the process boundary is pickled. A lost
process is replaced at the next question.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from verifiers.isolation.border import Border
from verifiers.records import Target, Verdict

_START_SECONDS = 120.0
_CLOSE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Question for the verifier. Sending None instead closes the verifier."""

    prompt: str
    response: Any
    """A text, or anything a caller could pass by mistake."""
    target: Target
    at_border: bool = False
    """Whether to ask through the border as the pipeline does, so that nothing is raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Result of a question."""

    verdict: Verdict | None = None
    problem: str = ""
    """Reason for a missing verdict; empty if there is one."""
    seconds: float = 0.0


class Examiner:
    """Asks a verifier that it builds from `cls` and `options`."""

    def __init__(self, cls: type[Any], options: dict[str, Any]) -> None:
        self._cls = cls
        self._options = options
        self._process: Any = None
        self._connection: Connection[Any, Any] | None = None
        self.name = ""
        self.version = ""

    def start(self) -> str:
        """Builds and starts the verifier; returns the fault, or "" if there is none."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self._cls, self._options)
        self._process = context.Process(target=_serve, args=arguments)
        try:
            self._process.start()
        except Exception as e:  # noqa: BLE001 - pickling a third-party class raises anything
            self._process = None
            return f"cannot be sent to another process: {type(e).__name__}: {e}"
        finally:
            theirs.close()
        answer = self._receive(_START_SECONDS)
        if isinstance(answer, Answer):
            return answer.problem
        self.name, self.version = answer
        return ""

    def ask(self, question: Question, seconds: float) -> Answer:
        """The verifier's answer, or the problem if there is none in time."""
        if self._process is None and (problem := self.start()):
            return Answer(problem=problem)
        assert self._connection is not None
        began = time.monotonic()
        try:
            self._connection.send(question)
        except OSError as e:
            return Answer(problem=f"its process is gone: {e}")
        answer: Answer = self._receive(seconds)
        return Answer(verdict=answer.verdict, problem=answer.problem, seconds=time.monotonic() - began)

    def close(self) -> str:
        """Closes the verifier twice and ends its process; returns the fault, or "" if there is none."""
        if self._process is None or self._connection is None:
            return ""
        with contextlib.suppress(OSError):
            self._connection.send(None)
        answer: Answer = self._receive(_CLOSE_SECONDS)
        self._kill()
        return answer.problem

    def _receive(self, seconds: float) -> Any:
        assert self._connection is not None
        try:
            if self._connection.poll(seconds):
                return self._connection.recv()
            problem = f"took longer than {seconds:g} seconds"
        except EOFError:
            problem = "ended its process"
        except Exception as e:  # noqa: BLE001 - unpickling a third-party verdict raises anything
            problem = f"its verdict cannot be read in another process: {type(e).__name__}: {e}"
        self._kill()
        return Answer(problem=problem)

    def _kill(self) -> None:
        """Ends the process and its children."""
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        process.close()
        if self._connection is not None:
            self._connection.close()


def _serve(connection: "Connection[Any, Any]", cls: type[Any], options: dict[str, Any]) -> None:
    """Runs in the process."""
    os.setpgid(0, 0)
    asyncio.run(_answer_all(connection, cls, options))


async def _answer_all(
    connection: "Connection[Any, Any]", cls: type[Any], options: dict[str, Any]
) -> None:
    try:
        border = Border(cls(cls.Config.model_validate(options)))
        await border.start()
    except Exception as e:  # noqa: BLE001 - third-party verifiers raise anything
        connection.send(Answer(problem=f"cannot be built and started: {type(e).__name__}: {e}"))
        return
    connection.send((border.name, border.version))
    while (question := await asyncio.to_thread(connection.recv)) is not None:
        answer = await _answer(border, question)
        try:
            connection.send(answer)
        except Exception as e:  # noqa: BLE001 - pickling a third-party verdict raises anything
            connection.send(Answer(problem=f"its verdict cannot be sent: {type(e).__name__}: {e}"))
    connection.send(Answer(problem=await _close_twice(border)))


async def _answer(border: Border, question: Question) -> Answer:
    ask = border.verify if question.at_border else border.ask
    try:
        return Answer(verdict=await ask(question.prompt, question.response, question.target))
    except (Exception, SystemExit) as e:  # noqa: BLE001 - third-party verifiers raise anything
        return Answer(problem=f"raised {type(e).__name__}: {str(e)[:300]}")


async def _close_twice(border: Border) -> str:
    try:
        await border.close()
        await border.close()
    except Exception as e:  # noqa: BLE001 - third-party verifiers raise anything
        return f"close() raised {type(e).__name__}: {e}"
    return ""
