"""A good verifier and some that are bad, each in one way of its own.

They import little: the suite starts processes for each.
"""

import itertools
import os
import random
from typing import Any

from pydantic import BaseModel

from verifiers import Outcome, Target, Verdict

RIGHT, WRONG = "it is 42", "it is 43"
TARGET = Target(kind="number", value="42")


class Good:
    """Wants the target's value as the last word; a plain function, without start and close."""

    class Config(BaseModel, extra="forbid"):
        pass

    name, version = "good", "1"

    def __init__(self, config: Config) -> None:
        self.config = config

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        words = response.split()
        if target.value is None or not words or not words[-1].isdigit() or len(words[-1]) > 9:
            return self._say(Outcome.ABSTAIN, "no number or no target")
        found = Outcome.PASS if words[-1] == target.value else Outcome.FAIL
        return self._say(found, "the last word", words[-1])

    def _say(self, outcome: Outcome, reason: str, extracted: str | None = None) -> Verdict:
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=extracted,
        )


class Raises(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if "\x00" in response:
            raise ValueError("a zero byte")
        return super().verify(prompt, response, target)


class PassesAll(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return self._say(Outcome.PASS, "why not")


class Generous(Good):
    """Takes text without an answer as right."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return verdict if verdict.extracted else self._say(Outcome.PASS, "no objection")


class Strict(Good):
    """Fails what is right."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return self._say(Outcome.FAIL, "no")


class ErrorForWrong(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(Outcome.ERROR, "bad") if verdict.outcome is Outcome.FAIL else verdict


class NeedsNoTarget(Good):
    """Guesses where there is no target."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return super().verify(prompt, response, Target(kind="number", value="42"))


class Chancy(Good):
    """Has a reason of its own for every verdict."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"luck {random.random()}", verdict.extracted)


class ByProcess(Good):
    """Says the same again, but another process says something else."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"process {os.getpid()}", verdict.extracted)


class Counting(Good):
    """Has another verdict with every call."""

    def __init__(self, config: Good.Config) -> None:
        super().__init__(config)
        self._calls = itertools.count()

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"call {next(self._calls)}", verdict.extracted)


class Hangs(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        while "\x00" in response:
            pass
        return super().verify(prompt, response, target)


class Blocks(Good):
    """As a coroutine that never yields."""

    async def verify(  # type: ignore[override]  # sync or async is the verifier's choice
        self, prompt: str, response: str, target: Target
    ) -> Verdict:
        while "\x00" in response:
            pass
        return super().verify(prompt, response, target)


class Exits(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if "\x00" in response:
            os._exit(3)
        return super().verify(prompt, response, target)


class NoReason(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, " ", verdict.extracted)


class OtherVersion(Good):
    def _say(self, outcome: Outcome, reason: str, extracted: str | None = None) -> Verdict:
        return Verdict(outcome=outcome, reason=reason, verifier=self.name, version="2")


class NoVerdict(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Any:
        return super().verify(prompt, response, target).outcome is Outcome.PASS


class BadEvidence(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return Verdict(
            outcome=verdict.outcome,
            reason="x",
            evidence={"seen": {1, 2}},
            verifier=self.name,
            version=self.version,
        )


class ClosesOnce(Good):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class CannotStart(Good):
    def start(self) -> None:
        raise RuntimeError("no such file")


def _local() -> type[Good]:
    class Local(Good):
        """Cannot be imported by its name."""

    return Local


Unpicklable = _local()
