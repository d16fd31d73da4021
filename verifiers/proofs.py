"""What the proof checkers share: targets, what they say, and which proof a response gives.

Which proof is taken:

    1. the last fenced block, in the checker's language or without one, that states the theorem
    2. else the last block in the language, else the last without one that reads as a proof
    3. without any fence the response itself, if it reads as a proof
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from verifiers.mistakes import first_mistake, sentence
from verifiers.records import Outcome, Target

_NAME = r"[^\W\d][\w']*(?:\.[^\W\d][\w']*)*"


class BadTarget(ValueError):
    """The target is broken: it cannot be read, or its own text does not compile."""


class NothingKnown(Exception):
    """The checker broke or reached a limit: no verdict on the proof."""


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormalLimits(_Checked):
    """What a run of the checker may use; what is not given comes from the verifier's config."""

    cpu_seconds: float | None = Field(default=None, gt=0)
    wall_seconds: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)


class FormalTarget(_Checked):
    """A theorem to be proved."""

    kind: Literal["coq", "lean"]
    """The checker, and so the language."""
    name: str = Field(pattern=rf"^{_NAME}$")
    """The theorem's name, which the response has to use."""
    statement: str = Field(min_length=1)
    """What is to be proved, without `Theorem name :` and without a full stop."""
    preamble: str = ""
    """Imports, definitions and lemmas that the statement needs. It is trusted."""
    axioms: tuple[Annotated[str, Field(pattern=rf"^{_NAME}$")], ...] = ()
    """What the proof may assume, by name; a name without its modules fits in each of them."""
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

    Its `value` is the statement where `tests` has none.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a checker says of a proof."""

    outcome: Outcome
    reason: str
    assumptions: tuple[str, ...] | None = None
    """What the theorem rests on beside the logic; None where it did not come to that."""


def failed(reason: str, assumptions: tuple[str, ...] | None = None) -> Judged:
    """The proof is wrong."""
    return Judged(outcome=Outcome.FAIL, reason=one_line(reason), assumptions=assumptions)


def one_line(text: str, most: int = 300) -> str:
    """The text in one line that a dataset can hold: no half characters, nothing endless."""
    text = " ".join(text.encode(errors="replace").decode().split())
    return text if len(text) <= most else text[: most - 3] + "..."


def not_allowed(assumed: Mapping[str, str], allowed: tuple[str, ...]) -> list[str]:
    """Those of the assumed names, as written for readers, that are not on the list."""
    return [shown for name, shown in assumed.items() if not any(_fits(name, a) for a in allowed)]


def _fits(name: str, allowed: str) -> bool:
    """Whether one is the other with some outer modules left out, as checkers print names."""
    return f".{name}".endswith(f".{allowed}") or f".{allowed}".endswith(f".{name}")


# ------------------------------------------------------------------------------------- the response


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How proofs of a checker look."""

    fences: frozenset[str]
    """Words behind a fence that mean this language."""
    declaration: str
    """Pattern of the words before a theorem's name."""
    proof: re.Pattern[str]
    """What only a proof in this language has."""


def extract_proof(response: str, name: str, language: Language) -> str | None:
    """The proof to judge; None if the response gives none."""
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
    # Prose may name the theorem, too.
    is_proof = language.proof.search(response) or (states.search(response) and ":=" in response)
    return response if is_proof and not blocks else None


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language, in small letters, and body of each block; the text's end closes the last one."""
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
