r"""Labels of choices before an answer: `\textbf{(C)}\ 18`, `(C) 18`, `C. 18`."""

import re
from typing import NamedTuple

_INSIDE = r"\(\s*([A-J])\s*\)\s*[.:]?|([A-J])\s*[.):]"
_STYLED = rf"\\(?:text(?:bf|rm|it)?|mathrm|mathbf|mathsf|rm|bf)\s*\{{\s*(?:{_INSIDE})\s*\}}"
_LABEL = re.compile(
    rf"\$?\s*(?:{_STYLED}|\(([A-J])\)|([A-J])(?:\)|[.:](?=[\s\\~])))"
    r"(?:[\s~$]|\\[,;:! ]|\\q?quad)*(?P<rest>\S.*)",
    re.DOTALL,
)
_STARTS_A_VALUE = re.compile(
    r"-?[\d.$\u20ac]|-?\\(?:[dt]?frac|sqrt|text|mathrm|\$|pi)|[A-Za-z\u00c0-\uffff]{2,}"
)
_ANOTHER_LABEL = re.compile(
    rf"(?<![A-Za-z\\])(?:\(?[A-J]\)?\s*[.:)](?=[\s\\,;$]|$)|(?:or|and|,)\s*\(?[A-J](?![A-Za-z]))|{_STYLED}"
)
_LETTER = re.compile(
    r"[$\s]*(?:\\(?:text(?:bf)?|mathrm|mathbf)\s*\{)?\s*[(\[]?\s*([A-J])\s*[)\]]?[.:]?\s*\}?[$.\s]*"
)


class Labelled(NamedTuple):
    """An answer and the choice's letter before it; either may be missing."""

    letter: str | None
    text: str


def read_label(answer: str) -> Labelled:
    """Separates the label from an answer that begins with exactly one; a lone letter has no text."""
    if letter := _LETTER.fullmatch(answer):
        return Labelled(letter[1], "")
    match = _LABEL.fullmatch(answer)
    if not match or not _STARTS_A_VALUE.match(match["rest"]) or _ANOTHER_LABEL.search(match["rest"]):
        return Labelled(None, answer)
    text = match["rest"].strip()
    # A dollar sign that opened before the label closes after the text.
    text = text.removesuffix("$").rstrip() if text.count("$") % 2 else text
    return Labelled(next(filter(None, match.groups())), text)
