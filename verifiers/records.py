"""What a verifier is given and what it says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from verifiers.mistakes import shown


class Outcome(StrEnum):
    """What a verdict says of a response. Only PASS and FAIL are trials of a Monte-Carlo count."""

    PASS = "pass"
    """The response is right."""
    FAIL = "fail"
    """The response is wrong."""
    ABSTAIN = "abstain"
    """The verifier cannot tell, for example because the response states no answer."""
    ERROR = "error"
    """The verifier broke or ran out of time: nothing is known of the response."""

    @property
    def is_trial(self) -> bool:
        """Whether this counts as evidence about the response."""
        return self in (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a response is judged against."""

    kind: str
    """Names the sort of check: `math` compares final answers."""
    value: str | None = None
    """The gold answer as written in the problem set; None where the problem has none."""
    tests: Mapping[str, object] = field(default_factory=dict)
    """What a check needs beside one value, as JSON: test cases, a checker, limits."""


def read_target(content: object) -> Target:
    """The target that a row writes as one object: `kind`, `value` if any, and the rest as tests.

    Raises ValueError, which says what is wrong.
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
    """A gold answer as text: a number as Python writes it. Raises ValueError for anything else.

    Truth values are refused, since problem sets mean "yes", "True" or "1" by them.
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
    """What a verifier says of one response."""

    outcome: Outcome
    reason: str
    """Why, in a short phrase for a reader of the dataset."""
    extracted: str | None = None
    """The answer that was read from the response; None when none was found."""
    no_answer: bool = False
    """Of an ABSTAIN: the response gives no answer, or none that could be right: two letters at once, an
    equal one that only repeats the question or is not in the form asked for. That is not right, as
    published accuracies count it; with any other abstention it is unknown whether it is right."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """What the outcome rests on, as JSON."""
    verifier: str
    version: str
    seconds: float = 0.0
    """Time spent on this check, in seconds; kept out of datasets, where it would be noise."""


class Verifier(Protocol):
    """Judges responses. An implementation never raises for a bad response: it returns a verdict.

    The class also has a pydantic model `Config` of its options, and is built with one. If it has an
    `async def start(self)`, that is awaited before the first response, while engines load; if it has
    an `async def close(self)`, that ends what it started, and calling it twice is fine.

    `target_kinds`, a tuple of texts, names the kinds of targets that it can judge; without it, or with
    None, it takes any. It is not asked about other kinds: alone that is an ERROR, as one of several in
    `all_of` and the like it abstains, and `by_kind` asks another one (`kinds.py`).

    Where a config names the class, or `Border` holds it, all three may also be plain functions.
    """

    name: str
    version: str
    """Changes whenever some response could get another outcome."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict on one response."""
        ...
