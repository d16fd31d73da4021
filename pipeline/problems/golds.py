"""Gold answers that are not what they should be, found before tokens are spent on them.

A gold answer that is a whole worked solution, or a sentence, is compared with every response and never
equal to one: the run would end well, with nothing in it.
"""

import re

from verifiers import Target

_ANSWER_KINDS = frozenset({"math", "exact", "number", "numeric", "choice", "multiple_choice"})
"""Kinds of targets whose value is a final answer."""
_MOST_WORDS = 12
"""Names, dates and short phrases are answers too; a longer text is an explanation."""
_MARK = "####"
_WORD = re.compile(r"[^\W\d_]{2,}")


def suspicion(target: Target) -> str | None:
    """Why the gold value is hardly a final answer; None if nothing speaks against it."""
    value = target.value
    if value is None or target.kind not in _ANSWER_KINDS:
        return None
    if _MARK in value:
        advice = f"problems.answer_after='{_MARK}' takes what follows the mark"
        return f"the gold answer has {_MARK} in it; {advice}"
    # Commands of LaTeX are no words.
    num_words = len(_WORD.findall(re.sub(r"\\[A-Za-z]+", " ", value)))
    if num_words > _MOST_WORDS:
        advice = (
            "name its column by problems.answer_field, or the mark before it by problems.answer_after"
        )
        return (
            f"the gold answer has {num_words} words; expected a final answer, no explanation: {advice}"
        )
    return None


def gold_response(target: Target) -> str | None:
    """A response that states just the gold answer; None where that cannot be made up.

    Programs, proofs and targets of a verifier of one's own are more than one value.
    """
    if target.value is None or target.tests or target.kind not in _ANSWER_KINDS:
        return None
    return f"\\boxed{{{target.value}}}"
