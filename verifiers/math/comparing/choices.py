"""Choice letters: `(C)`, `C.` and `Option C` match a gold answer `C`."""

import re

from verifiers.math.comparing.comparison import Comparison, no, yes

_STYLE = r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s*+\{\s*+"
_ANSWER = re.compile(
    rf"(?:{_STYLE})?+(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s++)?+\(?\s*+([A-Ja-j])\s*+(?:\)|\.|:|\}}|$)(?!\s*[\^_*+=<>])"
)
_OTHER = re.compile(r"(?:\bor\b|\band\b|,|/)\s*+\(?[A-J]\b|\([A-J]\)")
_GOLD = re.compile(r"(?:\\text(?:bf)?\s*+\{\s*+)?+\(?\s*+([A-J])\s*+\)?\s*+\.?\s*+\}?")


def compare_choices(gold: str, answer: str) -> Comparison | None:
    """Compares two labels; None if either is not a label, or the answer names several."""
    gold, answer = gold.strip().strip("$"), answer.strip().strip("$")
    expected, given = _GOLD.fullmatch(gold), _ANSWER.match(answer)
    if expected is None or given is None or _OTHER.search(answer, given.end(1)):
        return None
    return yes("the same choice") if expected[1] == given[1].upper() else no("another choice")
