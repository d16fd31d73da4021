r"""Labels of choices: `(C)`, `C.`, `Option C`, and with their text `\textbf{(C)}\ 18`."""

import re

from verifiers.formulas.comparison import Comparison, no, yes

_STYLE = r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s*+\{\s*+"
_ANSWER = re.compile(
    rf"(?:{_STYLE})?+(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s++)?+\(?\s*+([A-Ja-j])\s*+(?:\)|\.|:|\}}|$)"
)
_OTHER = re.compile(r"(?:\bor\b|\band\b|,|/)\s*+\(?[A-J]\b|\([A-J]\)")
_GOLD = re.compile(r"(?:\\text(?:bf)?\s*+\{\s*+)?+\(?\s*+([A-J])\s*+\)?\s*+\.?\s*+\}?")
_WITH_TEXT = re.compile(
    rf"(?:{_STYLE}\(\s*+([A-J])\s*+\)\s*+\}}|{_STYLE}\(\s*+([A-J])\s*+\)(?=[^}}])|\(\s*+([A-J])\s*+\)(?=\s))"
    r"(?:\s|\\[ ,;!]|~)*+(?=\S)"
)
_ALONE = re.compile(rf"(?:{_STYLE})?\(?\s*([A-J])\s*\)?\s*\.?\s*\}}?")


def compare_choices(gold: str, answer: str) -> Comparison | None:
    """Two labels; None where one of the two is none, or the answer names several."""
    gold, answer = gold.strip().strip("$"), answer.strip().strip("$")
    expected, given = _GOLD.fullmatch(gold), _ANSWER.match(answer)
    if expected is None or given is None or _OTHER.search(answer, given.end(1)):
        return None
    return _same(expected[1], given[1].upper())


def without_labels(gold: str, answer: str) -> tuple[str, str] | Comparison:
    """Both without the label before the text of a choice; or the verdict, if the label tells all.

    Only a gold answer with both makes a letter in the answer a label.
    """
    label, text = _parted(gold)
    if label is None:
        return gold, answer
    other, other_text = _parted(answer)
    if other is not None:
        return (text, other_text) if other == label else no("another choice")
    alone = _ALONE.fullmatch(answer.strip().strip("$").strip())
    return _same(label, alone[1]) if alone else (text, answer)


def _parted(text: str) -> tuple[str | None, str]:
    """The label and the text of a choice; no label where it has not both."""
    match = _WITH_TEXT.match(text.strip().strip("$").strip())
    if match is None:
        return None, text
    style = r"\text{" if match[2] else ""
    return next(filter(None, match.groups())), style + match.string[match.end() :]


def _same(expected: str, given: str) -> Comparison:
    return yes("the same choice") if expected == given else no("another choice")
