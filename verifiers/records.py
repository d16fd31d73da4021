"""Records that verifiers take and return: targets, verdicts, outcomes."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Protocol

from verifiers.mistakes import shown


class Outcome(StrEnum):
    """Outcome of a verdict. Only PASS and FAIL count as Monte-Carlo trials."""

    PASS = "pass"
    """The response is right."""
    FAIL = "fail"
    """The response is wrong."""
    ABSTAIN = "abstain"
    """The verifier cannot tell, for example because the response states no answer."""
    ERROR = "error"
    """The verifier failed or ran out of time: the response's correctness is unknown."""

    @property
    def is_trial(self) -> bool:
        """Whether this counts as evidence about the response."""
        return self in (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Reference that a response is judged against."""

    kind: str
    """Sort of check, such as `math`, which compares final answers."""
    value: str | None = None
    """The gold answer as written in the problem set; None if the problem has none."""
    tests: Mapping[str, object] = field(default_factory=dict)
    """Anything else that a check needs, as JSON: test cases, a checker, limits."""


def read_target(content: object) -> Target:
    """The target from a row's object: `kind`, optionally `value`, and the rest as tests.

    Raises ValueError, whose message says what is wrong.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("kind"), str):
        raise ValueError(f"expected an object with a `kind`, got {str(content)[:100]!r}")
    tests = {str(key): value for key, value in content.items() if key not in ("kind", "value")}
    value = content.get("value")
    if value is not None:
        try:
            value = gold_text(value)
        except ValueError as e:
            raise ValueError(f"value: {e}") from e
    return Target(kind=content["kind"], value=value, tests=tests)


def gold_text(value: object) -> str:
    """A gold answer as text; a number becomes Python's notation. Raises ValueError for anything else.

    Booleans are refused, because problem sets use them for "yes", "True" or "1".
    """
    if isinstance(value, str):
        return value
    truth = isinstance(value, bool)
    if (isinstance(value, int) and not truth) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    hint = "; write it in quotes, or what it stands for" if truth else ""
    raise ValueError(f"expected a text or a number, got {shown(value)}{hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verifier's verdict on one response."""

    outcome: Outcome
    reason: str
    """Short explanation for a reader of the dataset."""
    extracted: str | None = None
    """The answer read from the response; None if none was found."""
    no_answer: bool = False
    """For an ABSTAIN: the response gives no answer, or none that could be right, such as two letters,
    an equal expression that only repeats the question, or a form other than the one asked for.
    Published accuracies count this as wrong; for any other abstention the correctness is unknown."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """Basis of the outcome, as JSON."""
    verifier: str = ""
    """Name of the verifier, which may leave this field and the next two unset: its caller fills them in
    (`stamp`)."""
    version: str = ""
    seconds: float | None = field(default=None, compare=False)
    """Duration of this check; excluded from datasets and comparisons, where it would be noise. None if
    the verifier was not asked."""


def stamp(verdict: Verdict, *, name: str, version: str, seconds: float | None) -> Verdict:
    """The verdict with the verifier's name, version and duration filled in where they are unset."""
    if verdict.verifier and verdict.version and verdict.seconds is not None:
        return verdict
    return replace(
        verdict,
        verifier=verdict.verifier or name,
        version=verdict.version or version,
        seconds=seconds if verdict.seconds is None else verdict.seconds,
    )


class BadTarget(ValueError):
    """The target cannot be used for judging; the one-line message says what is wrong with it."""


class NothingKnown(Exception):
    """A tool of the verifier failed or hit a limit, so there is no verdict on the response."""


class Verifier(Protocol):
    """Judges responses. An implementation never raises for a bad response: it returns a verdict.

    The class also has a pydantic model `Config` of its options and takes an instance of it. An optional
    `async def start(self)` is awaited before the first response, while engines load. An optional
    `async def close(self)` ends what the verifier started; calling it twice must be safe.

    `target_kinds`, a tuple of texts, names the kinds of targets that it can judge; missing or None
    means any. For other kinds it is not called: used alone that is an ERROR, as a part of `all_of` and
    the like it abstains, and `by_kind` chooses another verifier.

    If a config names the class, or a `Border` holds it, all three methods may also be plain functions,
    and `name` and `version` may be missing (`traits.py`).
    """

    name: str
    version: str
    """Changes whenever any response could get another outcome."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict on one response."""
        ...


class VerifierBase(ABC):
    """Base class for verifiers: provides the defaults and stamps the verdicts.

    A subclass implements `judge`. `verify` then returns a complete verdict to any caller, even without
    a `Border`.
    """

    name: str
    version: str
    target_kinds: tuple[str, ...] | None = None
    """Kinds of targets that it can judge; None for any."""
    uses_sandbox: ClassVar[bool] = False
    """Whether the constructor takes the run's sandbox settings after its own options."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict of `judge`, stamped with the verifier's name, version and duration."""
        start = time.monotonic()
        verdict = await self.judge(prompt, response, target)
        seconds = time.monotonic() - start
        return stamp(verdict, name=self.name, version=self.version, seconds=seconds)

    @abstractmethod
    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; name, version and duration may be unset."""

    async def start(self) -> None:  # noqa: B027 - most have nothing to start
        """Prepares for the first response; does nothing by default."""

    async def close(self) -> None:  # noqa: B027 - most have nothing to end
        """Ends what `start` began. Does nothing by default. Calling it twice is safe."""
