"""Times of day, such as `4:30 p.m.`, `9 AM`, `noon` and `16:30`."""

import re

from verifiers.math.comparing.comparison import Comparison, no, unknown, yes

_STYLE = re.compile(r"\\(?:text|mathrm|mbox|textbf|textrm)\s*\{([^{}\\]*)\}|\\[!,;: ]|[$~]")
_TIME = re.compile(r"(\d{1,2})\s*(?::\s*([0-5]\d))?\s*(?:([ap])\s*\.?\s*m\s*\.?)?\.?")
_NAMED = {"noon": 720, "12 noon": 720, "midnight": 0, "12 midnight": 0}
_HALF_DAY = 720
_LONGEST = 60


def compare_times(gold: str, answer: str) -> Comparison | None:
    """Compares two times of day; None if either is not one.

    `6:40` alone may be a ratio: it is a time only if the other has "a.m." or "p.m.".
    """
    if max(len(gold), len(answer)) > _LONGEST:
        return None
    ours, theirs = _minutes(gold), _minutes(answer)
    if ours is None or theirs is None:
        return None
    (first, sure), (second, other_sure) = ours, theirs
    if sure and other_sure:
        return yes("the same time of day") if first == second else no("another time of day")
    if sure or other_sure:
        if first % _HALF_DAY != second % _HALF_DAY:
            return no("another time of day")
        return unknown("one answer does not say whether it means a.m. or p.m.")
    return _compare_unmarked(first, second)


def _compare_unmarked(first: int, second: int) -> Comparison | None:
    """Compares two answers like `6:40` that differ: different times may still be equal ratios."""
    if first == second:
        return None
    (a, b), (c, d) = divmod(first, 60), divmod(second, 60)
    if not (b and d) or a * d != b * c:
        return no("another time, and another ratio")
    return unknown("equal as ratios, not as times")


def _minutes(text: str) -> tuple[int, bool] | None:
    """Minutes since midnight, and whether a.m. or p.m. is known; None for anything else."""
    text = " ".join(_STYLE.sub(r" \1 ", text).lower().split())
    if text in _NAMED:
        return _NAMED[text], True
    match = _TIME.fullmatch(text)
    if match is None or (match[2] is None and match[3] is None):
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3] is None:
        return 60 * hour + minute, hour >= 13 or hour == 0
    if not 1 <= hour <= 12:
        return None
    return 60 * (hour % 12) + minute + (_HALF_DAY if match[3] == "p" else 0), True
