r"""Prompt templates: where the problem's text and other columns of its row go.

A placeholder is `{name}`, where the name is one that Python allows for a variable. `{problem}` stands
for the problem's text, any other for the column of that name, as the problem's `meta` has it.

So that LaTeX can be written as it is, braces behind an ASCII letter or digit, `_`, `^`, a backslash or
a `}` that ends no placeholder are none either, unless they are `{problem}`: `\boxed{answer}`,
`\frac{a}{b}` and `x_{i}` stay. As in Python's format, `{{name}}` gives `{name}`, and `{{{name}}}` gives
the value between braces. All other braces stay, and so does every brace of what is filled in.
"""

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
        """Whether the problem's text is in it."""
        return any(name == _PROBLEM for name in self._placed())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the other placeholders, each once, in order."""
        return tuple(dict.fromkeys(name for name in self._placed() if name != _PROBLEM))

    @property
    def left(self) -> tuple[str, ...]:
        """Names in single braces that are no placeholders, for what stands before them."""
        matches = ((match["name"], is_place) for match, is_place in self._braced())
        return tuple(dict.fromkeys(name for name, is_place in matches if name and not is_place))

    def fill(self, problem: Problem) -> str:
        """The text for this problem. Raises ValueError for a column that it does not have."""
        filled, end = [], 0
        for match, is_place in self._braced():
            filled.append(self.text[end : match.start()])
            end = match.end()
            if not is_place:
                filled.append(f"{{{match['escaped']}}}" if match["escaped"] else match[0])
            elif match["within"]:
                filled.append(f"{{{_value(problem, match['within'])}}}")
            else:
                filled.append(_value(problem, match["name"]))
        return "".join([*filled, self.text[end:]])

    def _placed(self) -> Iterator[str]:
        """Names of the placeholders, in order."""
        return (match["within"] or match["name"] for match, is_place in self._braced() if is_place)

    def _braced(self) -> Iterator[tuple[re.Match[str], bool]]:
        """Every name in braces, and whether it is a placeholder."""
        end = 0
        """Of the last placeholder."""
        for match in _BRACED.finditer(self.text):
            before = self.text[max(0, match.start() - 1) : match.start()]
            is_place = bool(match["within"]) or (
                match["name"] is not None
                and (
                    match["name"] == _PROBLEM
                    or match.start() == end
                    or not _NO_PLACE_BEHIND.match(before)
                )
            )
            yield match, is_place
            end = match.end() if is_place else end


def _value(problem: Problem, name: str) -> str:
    return problem.prompt if name == _PROBLEM else _written(problem, name)


def _written(problem: Problem, name: str) -> str:
    """A text as it stands, any other value as JSON."""
    value = problem.meta.get(name)
    if value is None:
        raise ValueError(f"prompt.template: problem {problem.id} has no {name!r} to put into it")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
