"""Rules about a response's text: loops, scripts of other languages, length, and an end.

They look at the form alone, and every one is off by default.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.prune.near_duplicates import EAST_ASIAN
from pipeline.prune.rules import drop
from pipeline.records import Decision, Stage, Trajectory

_WORD = re.compile(rf"[{EAST_ASIAN}]|[^\W{EAST_ASIAN}]+|[^\w\s]")
_WRITTEN = re.compile(rf"[{EAST_ASIAN}]|[^\W\d_{EAST_ASIAN}]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_RULE = re.compile(r"(?:^[ \t]*(?:[-*_][ \t]*){3,}$\s*)+\Z|[*_\s]+\Z", re.MULTILINE)
"""Markdown's marks and rules at the end."""
_LONGEST_LOOP = 200
"""Words of the longest passage whose repetition is noticed."""
_REPEATS = 3
"""A passage is a loop if it stands so often in a row."""
_EVERYWHERE = frozenset({"LATIN", "GREEK", "MICRO", "DOUBLE-STRUCK", "SCRIPT", "ANGSTROM", "KELVIN"})
"""Scripts of formulas and units, in texts of every language."""
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"})
"""Scripts that one language mixes."""
_OPEN_END = re.compile(r"(?:[,:;=(\[{&\\]|(?<=\s)[-+/<])$")
_PAIRS = [
    (re.compile(opening), re.compile(closing))
    for opening, closing in (
        # After a line break of LaTeX, `\\[4pt]`, a bracket opens nothing.
        (r"(?<!\\)\\\[", r"(?<!\\)\\\]"),
        (r"(?<!\\)\\\(", r"(?<!\\)\\\)"),
        ("<think>", "</think>"),
        (r"\\begin\{", r"\\end\{"),
    )
]
_FENCE, _FORMULA = re.compile(r"^[ \t]*```", re.MULTILINE), re.compile(r"(?<!\\)\$\$(?!\d)")


class QualityConfig(BaseModel):
    """Rules about a response's text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_words: int | None = Field(default=None, ge=1)
    """Drop responses with fewer words: answers with hardly any reasoning."""
    max_looped: float | None = Field(default=None, ge=0, le=1)
    """Drop a response if a greater fraction of its words is in loops: passages of up to 200 words that
    stand three times or more in a row."""
    max_foreign: float | None = Field(default=None, ge=0, le=1)
    """Drop a response if a greater fraction of its letters is in a script that the prompt does not use.
    Latin and Greek letters are in formulas of every language and never count."""
    finished: bool = False
    """Drop a response that ends in the middle of something: after a comma, a colon or an operator, or
    with an open code block, formula or thought."""


def too_short(candidates: Sequence[Trajectory], *, least: int) -> Iterator[Decision]:
    """Drops responses of fewer than `least` words."""
    for trajectory in candidates:
        if (number := len(_WRITTEN.findall(trajectory.response))) < least:
            yield drop(trajectory, Stage.NO_REASONING, f"{number} words, under {least}")


def loops(candidates: Sequence[Trajectory], *, most: float) -> Iterator[Decision]:
    """Drops responses of which more than the fraction `most` is in loops."""
    for trajectory in candidates:
        if (fraction := looped(trajectory.response)) > most:
            yield drop(trajectory, Stage.LOOPS, f"{fraction:.0%} of its words are in loops")


def looped(text: str) -> float:
    """The fraction of a text's words, 0 to 1, that are in passages repeated in a row."""
    words = _WORD.findall(text)
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(word, len(numbers)) for word in words])
    is_looped = np.zeros(len(codes), dtype=bool)
    for period in range(1, min(_LONGEST_LOOP, len(codes) // _REPEATS) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        starts, ends = np.flatnonzero(np.diff(same)).reshape(-1, 2).T
        for start, end in zip(starts, ends, strict=True):
            # A short passage has to stand more often: `- - -` or `= = =` is a line, not a loop.
            if end - start >= max((_REPEATS - 1) * period, 8):
                is_looped[start : end + period] = True
    return float(is_looped.mean()) if len(codes) else 0.0


def foreign(candidates: Sequence[Trajectory], *, most: float, prompt: str) -> Iterator[Decision]:
    """Drops responses of which more than the fraction `most` of letters is in another script."""
    known = _scripts(prompt) | _EVERYWHERE
    if known & _EAST_ASIAN:
        known |= _EAST_ASIAN
    for trajectory in candidates:
        letters = "".join(_LETTERS.findall(trajectory.response))
        others = [letter for letter in letters if not letter.isascii() and _script(letter) not in known]
        if others and len(others) / len(letters) > most:
            fraction = len(others) / len(letters)
            reason = f"{fraction:.1%} of its letters are of another script, such as {others[0]}"
            yield drop(trajectory, Stage.MIXED_LANGUAGES, reason)


def _scripts(text: str) -> frozenset[str]:
    return frozenset(_script(letter) for letter in set("".join(_LETTERS.findall(text))))


@lru_cache(maxsize=8192)
def _script(letter: str) -> str:
    """The first word of the character's name, which is its script: `LATIN SMALL LETTER A`."""
    return unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "UNKNOWN").split()[0]


def unended(candidates: Sequence[Trajectory]) -> Iterator[Decision]:
    """Drops responses that end in the middle of something."""
    for trajectory in candidates:
        if reason := _open_end(trajectory.response):
            yield drop(trajectory, Stage.NO_END, reason)


def _open_end(text: str) -> str | None:
    """What is open at the end of the text; None if nothing is."""
    if len(_FENCE.findall(text)) % 2:
        return "ends inside a code block"
    prose = "".join(_FENCE.split(text)[::2])
    end = _RULE.sub("", text)
    if not end.endswith(("\\]", "\\)", "```")) and (found := _OPEN_END.search(end)) is not None:
        return f"ends with {found[0]}"
    for opening, closing in _PAIRS:
        if _last(opening, prose) > _last(closing, prose):
            return f"ends inside {_shown(opening, prose)}"
    if len(_FORMULA.findall(prose)) % 2:
        return "ends inside $$"
    return None


def _last(pattern: re.Pattern[str], text: str) -> int:
    """Where the last match begins; -1 without one."""
    return max((match.start() for match in pattern.finditer(text)), default=-1)


def _shown(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None, "expected a match, see above"
    return found[0]
