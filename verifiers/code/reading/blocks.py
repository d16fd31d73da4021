"""Fenced code blocks in a response.

Fences follow CommonMark, with these additions:

- a fence inside a triple-quoted string of Python code belongs to the code
- an opening fence with a language may follow words on its line; a closing fence may follow code
- lines `[BEGIN]`, `[PYTHON]`, `<code>`, `<python>` and `<answer>`, and their closing tags, count as
  fences if a response has no others
"""

import itertools
import re
from dataclasses import dataclass

from verifiers.code.reading.python_text import compiles, ends_in_string, without_margin

_OPENING = re.compile(
    r"(?P<margin>[ \t]*)(?:(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^`\n]*"
    r"|[^`\n]*[^`\w\n](?P<later>`{3,})(?P<named>\w[\w+#.-]*)[ \t]*)"
)
_SPECIAL = (
    r"(?:<\|(?:im_end|endoftext|end_of_text|eot_id|end|eos|end_of_turn|return)\|>"
    r"|</s>|<eos>|<end_of_turn>|<｜end▁of▁sentence｜>|\[EOS\])"  # noqa: RUF001 - spelled so
)
_FENCE_THEN_END = re.compile(rf"^([ \t]*(?:`{{3,}}|~{{3,}}))[ \t]*{_SPECIAL}.*", re.M | re.S)
_AT_END = re.compile(rf"{_SPECIAL}\Z")
_LONGEST_SPECIAL = 40
_TAG_OPENS = re.compile(
    r"^[ \t]*(?:\[(?:BEGIN|PYTHON)\]|<(?:code|python|answer)>)[ \t]*\n?", re.M | re.I
)
_TAG_CLOSES = re.compile(r"(?:\[(?:DONE|/PYTHON)\]|</(?:code|python|answer)>)[ \t]*$", re.M | re.I)
_LONE_CLOSE = re.compile(rf"^[ \t]*{_TAG_CLOSES.pattern}", re.M | re.I)
_MOST_TRIES = 20
"""Closing fences that are tried if one may be inside a string."""


@dataclass(frozen=True, slots=True)
class Block:
    """Code between two fences."""

    language: str
    """In lower case; empty if the fence names none."""
    body: str
    """Includes the line end after its last line."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text split at the line of a fence."""

    before: str
    fence: str
    after: str

    @property
    def is_bare(self) -> bool:
        """Whether the fence names no language, as a closing one does."""
        return not self.fence.strip(" \t`~")


def has_fences(text: str) -> bool:
    return "```" in text or "~~~" in text


def without_special_tokens(text: str) -> str:
    """The text without a model's end tokens; inside a program's strings they stay."""
    text = _FENCE_THEN_END.sub(r"\1", text)
    while (end := text.rstrip(" \t\n")) and (last := _AT_END.search(end[-_LONGEST_SPECIAL:])):
        text = end[: len(end) - len(last[0])]
    return text


def tags_as_fences(text: str) -> str:
    """Replaces tags around code by fences, or removes them if there are fences too."""
    fenced = has_fences(text)
    closes = _TAG_CLOSES if _TAG_OPENS.search(text) else _LONE_CLOSE
    text = _TAG_OPENS.sub("" if fenced else "```python\n", text)
    return closes.sub("" if fenced else "\n```", text)


def find_blocks(text: str) -> list[Block]:
    """All blocks in order; an unclosed one extends to the end."""
    lines = text.split("\n")
    found: list[Block] = []
    number = 0
    while number < len(lines):
        opening = _opens(lines[number])
        number += 1
        if opening is not None:
            language = (opening["language"] or opening["named"] or "").lower()
            margin = opening["margin"] if opening["fence"] else ""
            fence = opening["fence"] or opening["later"]
            body, number = _body(lines, number, fence, margin, language)
            found.append(Block(language, body))
    return found


def cut_at_first_fence(text: str) -> Cut | None:
    """The text split at the first fence outside any string; None without one."""
    lines = text.split("\n")
    fences = (number for number, line in enumerate(lines) if _opens(line) is not None)
    for number in itertools.islice(fences, _MOST_TRIES):
        before = "\n".join([*lines[:number], ""])
        if not ends_in_string(before):
            return Cut(before, lines[number], after="\n".join(lines[number + 1 :]))
    return None


def _opens(line: str) -> re.Match[str] | None:
    return _OPENING.fullmatch(line) if "```" in line or "~~~" in line else None


def _body(lines: list[str], start: int, fence: str, margin: str, language: str) -> tuple[str, int]:
    """The lines up to the closing fence, and the index of the line after it."""
    earliest: tuple[str, int] | None = None
    tries = 0
    for number in range(start, len(lines)):
        before = _before_fence(lines[number], fence)
        if before is None:
            continue
        inside = [*lines[start:number], *([before] if before else [])]
        body = "\n".join([*(without_margin(one, margin) for one in inside), ""])
        if earliest is None:
            earliest = body, number + 1
            if not ("py" in language or not language) or not ends_in_string(body):
                break
        elif not ends_in_string(body) and (compiles(body) or compiles("if 1:\n" + body)):
            return body, number + 1
        tries += 1
        if tries == _MOST_TRIES:
            break
    if earliest is not None:
        return earliest
    rest = (without_margin(one, margin) for one in lines[start:])
    return "\n".join(rest), len(lines)


def _before_fence(line: str, fence: str) -> str | None:
    """The text before a closing fence at the line's end; None if there is no such fence."""
    line = line.rstrip(" \t")
    before = line.rstrip(fence[0])
    if len(line) - len(before) < len(fence):
        return None
    before = before.rstrip(" \t")
    return None if fence[0] in before else before
