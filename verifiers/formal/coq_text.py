"""Reads the text of a Coq proof without running it: comments, strings and sentences.

It finds commands that no proof needs, and a repeated preamble. Notations can make Coq's own reader see
different words, so no PASS may depend on this reader; `coq.py` guarantees that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.formal.targets import one_line


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    text: str
    """Without comments, on one line."""


_FULL_STOP = re.compile(r"\.(?=\s|\Z)")
_OPENS, _MARK = re.compile(r'\(\*|"'), re.compile(r'\(\*|\*\)|"')


def _sentences(text: str) -> Iterator[_Sentence]:
    """Coq's sentences, which end with a full stop before white space, outside comments and strings."""
    bare, readable = blanked(text), blanked(text, strings=False)
    start = 0
    for stop in [*(match.end() for match in _FULL_STOP.finditer(bare)), len(text)]:
        if words := readable[start:stop].split():
            yield _Sentence(start, stop, " ".join(words))
        start = stop


def blanked(text: str, *, strings: bool = True) -> str:
    """The text with comments, which nest and contain strings, and strings' contents blanked."""
    pieces: list[str] = []
    done = 0
    for start, end in _hidden(text):
        if text[start] == "(":
            pieces += [text[done:start], _blanks(text[start:end])]
        elif strings:
            inside = text[start + 1 : end].removesuffix('"')
            pieces += [text[done : start + 1], _blanks(inside), text[start + 1 + len(inside) : end]]
        else:
            continue
        done = end
    return "".join(pieces) + text[done:]


def _hidden(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of the outermost comments and strings; the end of the text closes an open one."""
    at = 0
    while mark := _OPENS.search(text, at):
        ends = _end_of_comment if mark[0] == "(*" else _end_of_string
        at = ends(text, mark.end())
        yield mark.start(), at


def _end_of_comment(text: str, at: int) -> int:
    depth = 1
    while depth and (mark := _MARK.search(text, at)):
        at = _end_of_string(text, mark.end()) if mark[0] == '"' else mark.end()
        depth += {"(*": 1, "*)": -1, '"': 0}[mark[0]]
    return len(text) if depth else at


def _end_of_string(text: str, at: int) -> int:
    # A quote within a string is doubled, which counts as two strings here.
    end = text.find('"', at)
    return len(text) if end < 0 else end + 1


def _blanks(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


_BEFORE_COMMAND = re.compile(
    r"(?:[-+*{}\s]|\d+\s*:|\[[^]]*\]\s*:|(?:all|par|!)\s*:|#\[[^]]*\]|"
    r"(?:Time|Fail|Succeed|Timeout\s+\d+|Instructions|Local|Global|Export|Polymorphic|Monomorphic"
    r"|Program|Cumulative|NonCumulative|Private)\b)*+"
)
_REFUSED = (
    (r"Admitted\b|Admit\s+Obligations\b", "leaves something unproved"),
    (r"(?:Unset\s+(?:Guard|Positivity|Universe)\s+Checking)\b", "switches off a check of the kernel"),
    (
        r"Redirect\b|(?:Recursive\s+|Separate\s+)?Extraction\b|Print\s+(?:Sorted\s+)?Universes\b[\s\S]*\"",
        "writes files",
    ),
    (r"Declare\s+ML\s+Module\b|Load\b", "loads code"),
    (
        r"Cd\b|(?:Add|Remove)\s+(?:Rec\s+)?(?:LoadPath|ML\s+Path)\b",
        "changes the folders that are searched for files",
    ),
    (r"(?:Drop|Quit|Reset|Back|BackTo)\b", "leaves or undoes the file"),
)


def refused_command(proof: str) -> str | None:
    """Reason why a proof is refused without being run; None if nothing is refused."""
    text = blanked(proof)
    if re.search(r"\bbypass_check\b", text):
        return "`bypass_check` switches off a check of the kernel, which is not allowed"
    for sentence in _FULL_STOP.split(text):
        before = _BEFORE_COMMAND.match(sentence)
        command = sentence[before.end() if before else 0 :]
        for pattern, what in _REFUSED:
            if match := re.match(pattern, command):
                return f"`{one_line(match[0], 80)}` {what}, which is not allowed"
    return None


_STARTS_SETUP = re.compile(
    r"(?:Local\s+|Global\s+|#\[[^]]*\]\s*)*"
    r"(?:From|Require|Import|Export|Open|Close|Set|Unset|Generalizable|Bind|Delimit|Declare\s+Scope)\b"
)


def without_preamble(proof: str, preamble: str) -> str:
    """The proof without definitions of the preamble that it repeats at its beginning.

    Coq would refuse a second definition. Imports and options may be repeated, in any order. Line
    numbers stay the same.
    """
    ours = [s for s in _sentences(preamble) if not _STARTS_SETUP.match(s.text)]
    theirs = [s for s in _sentences(proof) if not _STARTS_SETUP.match(s.text)][: len(ours)]
    if not ours or [s.text for s in ours] != [s.text for s in theirs]:
        return proof
    for sentence in reversed(theirs):
        gone = "\n" * proof[sentence.start : sentence.end].count("\n")
        proof = proof[: sentence.start] + gone + proof[sentence.end :]
    return proof
