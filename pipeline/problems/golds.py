"""Finds unusable gold answers before a run spends tokens on them.

A gold answer that is a whole worked solution, or a sentence, never equals the answer of a response:
the run would finish normally without a survivor.
"""

import re

from verifiers import Target

_ANSWER_KINDS = frozenset({"math", "exact", "number", "numeric", "choice", "multiple_choice"})
"""Kinds of targets whose value is a final answer."""
_MOST_WORDS = 12
"""Names, dates and short phrases can be answers; a longer text is an explanation."""
_MARK = "####"
_WORD = re.compile(r"[^\W\d_]{2,}")


def suspicion(target: Target) -> str | None:
    """The reason why the gold value does not look like a final answer; None if it does."""
    value = target.value
    if value is None or target.kind not in _ANSWER_KINDS:
        return None
    if _MARK in value:
        advice = f"problems.answer_after='{_MARK}' takes the text after the mark"
        return f"the gold answer contains {_MARK}; {advice}"
    # LaTeX commands are not words.
    num_words = len(_WORD.findall(re.sub(r"\\[A-Za-z]+", " ", value)))
    if num_words > _MOST_WORDS:
        advice = (
            "set problems.answer_field to its column, or problems.answer_after to the mark before it"
        )
        return f"the gold answer has {num_words} words; expected only a final answer: {advice}"
    return None


def gold_response(target: Target) -> str | None:
    """A response that states only the gold answer; None if it cannot be made.

    Programs, proofs and targets of third-party verifiers are not a single value.
    """
    if target.value is None or target.tests or target.kind not in _ANSWER_KINDS:
        return None
    return f"\\boxed{{{target.value}}}"
