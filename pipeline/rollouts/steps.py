"""Splits a completion into steps without changing its token ids.

A step ends with the token in which a delimiter ends, so boundaries are always between tokens.
Guarantees: the steps' ids joined are the sampled ids, their texts joined are the completion's text,
and no step is blank unless the whole completion is.
"""

import re
from bisect import bisect_left
from itertools import accumulate
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.engines import Completion
from pipeline.tree import Step

_PATTERNS = {"blank_line": r"\n[^\S\n]*\n\s*", "newline": r"\n\s*"}
_PAUSES = {"blank_line": ("\n\n",), "newline": ("\n",)}
"""Step rule -> strings at which an engine can stop."""


class StepConfig(BaseModel):
    """How responses are split into steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Literal["blank_line", "newline", "regex", "tokens"] = "newline"
    """Rule for the end of a step."""
    pattern: str | None = None
    """With `at: regex`: a regular expression; a step ends at the end of each match."""
    tokens: int | None = Field(default=None, ge=1)
    """With `at: tokens`: number of tokens in a step; only a rollout's last step may have fewer."""
    max_steps: int = Field(default=64, ge=1)
    """Maximum number of steps in a rollout; the last step takes the rest."""

    @model_validator(mode="after")
    def _check_pattern(self) -> "StepConfig":
        if (self.at == "regex") != (self.pattern is not None):
            raise ValueError("`pattern` is required with `at: regex` and not allowed otherwise")
        if (self.at == "tokens") != (self.tokens is not None):
            raise ValueError("`tokens` is required with `at: tokens` and not allowed otherwise")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as e:
                raise ValueError(f"`pattern` is not a regular expression: {e}") from e
        return self


class StepSplitter:
    """Splits completions by one rule."""

    def __init__(self, config: StepConfig, *, keeps_logprobs: bool = False) -> None:
        """With `keeps_logprobs`, steps have the log-probability of each token."""
        self._keeps_logprobs = keeps_logprobs
        self._delimiter = re.compile(config.pattern or _PATTERNS.get(config.at, ""))
        self._tokens = config.tokens
        self._max_steps = config.max_steps
        self.pauses = _PAUSES.get(config.at, ())
        """Strings at which an engine can pause after a step; empty if the rule has none."""

    def split(self, completion: Completion, max_steps: int | None = None) -> tuple[Step, ...]:
        """The completion's steps, at most `max_steps`; none for a completion without tokens."""
        ids, logprobs = completion.token_ids, completion.logprobs
        most = self._max_steps if max_steps is None else min(max_steps, self._max_steps)
        text = "".join(completion.token_texts)
        ends = list(accumulate(map(len, completion.token_texts)))
        steps, begin, begin_char = [], 0, 0
        for end in [*self._cuts(text, ends)[: most - 1], len(ids)]:
            if begin == end:
                continue
            end_char = ends[end - 1]
            steps.append(
                Step(
                    token_ids=ids[begin:end],
                    # A stop string has ids but is not part of the response's text.
                    text=completion.text[begin_char:end_char],
                    logprob=None if logprobs is None else sum(logprobs[begin:end]),
                    max_surprisal=None if logprobs is None else -min(logprobs[begin:end]),
                    logprobs=logprobs[begin:end] if logprobs and self._keeps_logprobs else None,
                )
            )
            begin, begin_char = end, end_char
        return tuple(steps)

    def _cuts(self, text: str, ends: list[int]) -> list[int]:
        """Numbers of tokens after which a step ends, increasing, without the last step's end."""
        if self._tokens is not None:
            return list(range(self._tokens, len(ends), self._tokens))
        cuts, last_char = [], 0
        for match in self._delimiter.finditer(text):
            cut = bisect_left(ends, match.end()) + 1
            if match.end() == 0 or cut > len(ends):
                continue
            end_char = ends[cut - 1]
            # Blank text joins a neighbour: it is not a reasoning step.
            if text[last_char:end_char].strip() and text[end_char:].strip():
                cuts.append(cut)
                last_char = end_char
        return cuts
