r"""Prompt templates: fill in the problem's text and other columns of its row.

A placeholder is `{name}` with a valid Python variable name. `{problem}` is the problem's text; any
other name is the column of that name in the problem's `meta`.

LaTeX needs no escapes: braces after an ASCII letter or digit, `_`, `^`, a backslash, or a `}` that
ends no placeholder are not a placeholder, except `{problem}`. So `\boxed{answer}`, `\frac{a}{b}` and
`x_{i}` stay unchanged. As in Python's format, `{{name}}` gives `{name}`, and `{{{name}}}` gives the
value in braces. All other braces stay, including those of the filled-in values.
"""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.records import Problem

_PROBLEM = "problem"
_NAME = r"[^\W\d]\w*"
_BRACED = re.compile(
    rf"(?<!\{{)\{{\{{\{{(?P<within>{_NAME})\}}\}}\}}|\{{\{{(?P<escaped>{_NAME})\}}\}}"
    rf"|(?<!\{{)\{{(?P<name>{_NAME})\}}"
)
_NO_PLACE_BEHIND = re.compile(r"[A-Za-z0-9_^}\\]")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template."""

    text: str = "{problem}"

    @property
    def has_problem(self) -> bool:
        """Whether the template contains the problem's text."""
        return any(piece.name == _PROBLEM for piece in self._parsed.pieces)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the other placeholders, each once, in order."""
        return self._parsed.columns

    @property
    def left(self) -> tuple[str, ...]:
        """Names in single braces that are not placeholders because of the preceding character."""
        return self._parsed.left

    def fill(self, problem: Problem) -> str:
        """The prompt for this problem. Raises ValueError for a column that the problem lacks."""
        parsed = self._parsed
        filled = [piece.before + _value(problem, piece.name) for piece in parsed.pieces]
        return "".join([*filled, parsed.end])

    @property
    def _parsed(self) -> "_Parsed":
        return _parse(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A placeholder, and the text between it and the one before."""

    before: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    """A template's placeholders."""

    pieces: tuple[_Piece, ...]
    end: str
    """The text after the last placeholder."""
    columns: tuple[str, ...]
    left: tuple[str, ...]


@functools.lru_cache(maxsize=16)
def _parse(text: str) -> _Parsed:
    """The template's parts: every problem needs them, and parsing takes longer than filling in."""
    pieces, left = [], []
    before, end = "", 0
    for match, is_place in _braced(text):
        before += text[end : match.start()]
        end = match.end()
        if is_place:
            opening = "{" if match["within"] else ""
            pieces.append(_Piece(before=before + opening, name=match["within"] or match["name"]))
            before = "}" if match["within"] else ""
            continue
        before += f"{{{match['escaped']}}}" if match["escaped"] else match[0]
        if match["name"]:
            left.append(match["name"])
    names = (piece.name for piece in pieces if piece.name != _PROBLEM)
    return _Parsed(
        pieces=tuple(pieces),
        end=before + text[end:],
        columns=tuple(dict.fromkeys(names)),
        left=tuple(dict.fromkeys(left)),
    )


def _braced(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Every name in braces, and whether it is a placeholder."""
    end = 0
    """End of the last placeholder."""
    for match in _BRACED.finditer(text):
        before = text[max(0, match.start() - 1) : match.start()]
        is_place = bool(match["within"]) or (
            match["name"] is not None
            and (
                match["name"] == _PROBLEM or match.start() == end or not _NO_PLACE_BEHIND.match(before)
            )
        )
        yield match, is_place
        end = match.end() if is_place else end


def _value(problem: Problem, name: str) -> str:
    return problem.prompt if name == _PROBLEM else _written(problem, name)


def _written(problem: Problem, name: str) -> str:
    """Strings unchanged, any other value as JSON."""
    value = problem.meta.get(name)
    if value is None:
        raise ValueError(f"prompt.template: problem {problem.id} has no {name!r} to put into it")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
