"""A chain as spans of tokens: prompt, prefix, detour, opening, notice, tail.

Token ids are those that the model sampled, in the tree or at the splice. Only the opening of a notice
is text of the config, encoded. The loss mask leaves out the prompt and the detours: a chain teaches to
turn back, not to go wrong. It has the opening, unless `train_opening` is off, although nobody sampled
it: without it, a model would learn how to go on after a notice but never to begin one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.derive.backtracking.splices import Splice
from pipeline.tree import Node, Step
from verifiers import Verdict

Encode = Callable[[str], tuple[int, ...]]
"""Gives the token ids of a text."""


class Kind(StrEnum):
    """What a span of a chain is."""

    PROMPT = "prompt"
    PREFIX = "prefix"
    """The response's right beginning, from the tree."""
    DETOUR = "detour"
    """Wrong steps, from the tree."""
    OPENING = "opening"
    """Words of the config that begin a notice, or are all of it; not sampled."""
    NOTICE = "notice"
    """The first step that the model sampled after an opening."""
    TAIL = "tail"
    """The rest of the response, to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Tokens of one kind."""

    kind: Kind
    token_ids: tuple[int, ...]
    text: str

    @classmethod
    def of(cls, kind: Kind, steps: Iterable[Node | Step]) -> "Span":
        """The tokens of steps."""
        steps = list(steps)
        return cls(
            kind=kind,
            token_ids=tuple(token for step in steps for token in step.token_ids),
            text="".join(step.text for step in steps),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain with what is known about its end."""

    mode: str
    """`generated`, `spliced` or `control`."""
    splice: Splice
    spans: tuple[Span, ...]
    verdict: Verdict | None
    model_version: str | None
    """The model that sampled the tail."""
    seed: int
    """The seed of what was drawn and sampled for it."""
    attempt: int | None = None
    """Which of the sampled continuations it has, from 0; None if none was sampled."""
    tail_logprob: float | None = None
    """Mean log-probability of the tail's tokens; None if the engine cannot score."""
    spliced_tail_logprob: float | None = None
    """The same of the stored right branch after the detour and `notice`."""

    @property
    def tail(self) -> Span:
        """The last span."""
        return self.spans[-1]


def begin(splice: Splice) -> list[Span]:
    """Prompt and prefix."""
    return [Span.of(Kind.PROMPT, splice.prefix[:1]), Span.of(Kind.PREFIX, splice.prefix[1:])]


def spliced(splice: Splice, notice: str, encode: Encode) -> list[Span]:
    """Prefix, detours with the fixed notice after each, and the right branch as it is stored."""
    spans = begin(splice)
    for detour in splice.detours:
        spans.append(Span.of(Kind.DETOUR, detour.nodes))
        text = notice.rstrip() + _white_space_after(spans[-1].text)
        spans.append(Span(kind=Kind.OPENING, token_ids=encode(text), text=text))
    return [*spans, Span.of(Kind.TAIL, splice.right)]


def control(splice: Splice) -> list[Span]:
    """Prefix and right branch."""
    return [*begin(splice), Span.of(Kind.TAIL, splice.right)]


def ids_of(spans: Iterable[Span]) -> list[int]:
    """All token ids."""
    return [token for span in spans for token in span.token_ids]


def response_of(spans: Iterable[Span]) -> str:
    """The text without the prompt."""
    return "".join(span.text for span in spans if span.kind is not Kind.PROMPT)


def _white_space_after(text: str) -> str:
    """What ends a step, such as a line end: the notice is a step, too."""
    return text[len(text.rstrip()) :]
