"""Common parts of the proof checkers: targets, judgements, and the proof within a response.

The proof is the first of these that exists:

    1. the last fenced block, in the checker's language or without one, that states the theorem
    2. the last block in the language, otherwise the last without one that reads as a proof
    3. without any fence the response itself, if it reads as a proof
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from verifiers.mistakes import first_mistake, sentence
from verifiers.records import BadTarget, Outcome, Target

_NAME = r"[^\W\d][\w']*(?:\.[^\W\d][\w']*)*"


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormalLimits(_Checked):
    """Limits for a run of the checker; unset ones come from the verifier's config."""

    cpu_seconds: float | None = Field(default=None, gt=0)
    wall_seconds: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)


class FormalTarget(_Checked):
    """A theorem to prove."""

    kind: Literal["coq", "lean"]
    """The checker, and so the language."""
    name: str = Field(pattern=rf"^{_NAME}$")
    """The theorem's name, which the response must use."""
    statement: str = Field(min_length=1)
    """The proposition to prove, without `Theorem name :` and without a full stop."""
    preamble: str = ""
    """Imports, definitions and lemmas that the statement needs. It is trusted."""
    axioms: tuple[Annotated[str, Field(pattern=rf"^{_NAME}$")], ...] = ()
    """Names of axioms that the proof may assume; a name without its modules matches in any module."""
    limits: FormalLimits = FormalLimits()

    @field_validator("statement")
    @classmethod
    def _without_full_stop(cls, value: str) -> str:
        value = value.strip().removesuffix(".").rstrip()
        if not value:
            raise ValueError("expected a proposition, got nothing")
        return value

    @model_validator(mode="after")
    def _plain_name(self) -> Self:
        if self.kind == "coq" and "." in self.name:
            raise ValueError(f"expected a name without a module for coq, got {self.name!r}")
        return self


KINDS = ("coq", "lean")


def check_target(target: Target) -> FormalTarget:
    """The target's checked content. Raises BadTarget.

    Its `value` is the statement if `tests` has none.
    """
    content: dict[str, object] = {"kind": target.kind, **target.tests}
    if target.value is not None:
        content.setdefault("statement", target.value)
    try:
        return FormalTarget.model_validate(content)
    except ValidationError as e:
        first = first_mistake(e)
        where = ".".join(map(str, first["loc"]))
        raise BadTarget(f"target: {where + ': ' if where else ''}{sentence(first)}") from e


def mark_of(target: FormalTarget, text: str) -> str:
    """A hash of the target and a text, for names that the text cannot contain."""
    parts = (target.preamble, target.statement, target.name, text)
    encoded = b"\0".join(part.encode(errors="replace") for part in parts)
    return hashlib.sha256(encoded).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A checker's result for a proof."""

    outcome: Outcome
    reason: str
    assumptions: tuple[str, ...] | None = None
    """Assumptions of the theorem besides the logic; None if the check did not get that far."""


def failed(reason: str, assumptions: tuple[str, ...] | None = None) -> Judged:
    """The result for a wrong proof."""
    return Judged(outcome=Outcome.FAIL, reason=one_line(reason), assumptions=assumptions)


def one_line(text: str, most: int = 300) -> str:
    """The text on one line that a dataset can hold: no lone surrogates, and not longer than `most`."""
    text = " ".join(text.encode(errors="replace").decode().split())
    return text if len(text) <= most else text[: most - 3] + "..."


def not_allowed(assumed: Mapping[str, str], allowed: tuple[str, ...]) -> list[str]:
    """The assumptions that are not on the list, as written for readers."""
    return [shown for name, shown in assumed.items() if not any(_fits(name, a) for a in allowed)]


def _fits(name: str, allowed: str) -> bool:
    """Whether both names match when outer modules are left out, as checkers print them."""
    return f".{name}".endswith(f".{allowed}") or f".{allowed}".endswith(f".{name}")


# ------------------------------------------------------------------------- extraction from the response


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Syntax of proofs in a checker's language."""

    fences: frozenset[str]
    """Words after a fence that mean this language."""
    declaration: str
    """Pattern of the words before a theorem's name."""
    proof: re.Pattern[str]
    """Pattern that only a proof in this language matches."""


def extract_proof(response: str, name: str, language: Language) -> str | None:
    """The proof to judge; None if the response has none."""
    response = response.replace("\r\n", "\n")
    states = re.compile(rf"\b(?:{language.declaration})\s+{re.escape(name)}(?![\w'.])")
    blocks = [*fenced_blocks(response)]
    ours = [(fence, body) for fence, body in blocks if fence in language.fences or not fence]
    for _, body in reversed(ours):
        if states.search(body):
            return body
    for fence, body in reversed(ours):
        if fence and body.strip():
            return body
    for _, body in reversed(ours):
        if language.proof.search(body):
            return body
    # Prose may name the theorem too.
    is_proof = language.proof.search(response) or (states.search(response) and ":=" in response)
    return response if is_proof and not blocks else None


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language, in lower case, and body of each block; the end of the text closes the last one."""
    fence, language, body = "", "", list[str]()
    for line in text.split("\n"):
        mark = line.strip()
        if fence and mark.startswith(fence) and not mark.strip(fence[0]):
            yield language, "\n".join(body)
            fence, body = "", []
        elif fence:
            body.append(line)
        elif mark[:3] in ("```", "~~~"):
            said = mark.lstrip(mark[0])
            fence = mark[: len(mark) - len(said)]
            language = (said.strip(" {.}").lower().split() or [""])[0].rstrip("}")
    if fence:
        yield language, "\n".join(body)
