r"""Prompt templates: where the problem's text and other columns of its row go.

A placeholder is `{name}`, where the name is one that Python allows for a variable. `{problem}` stands
for the problem's text, any other for the column of that name, as the problem's `meta` has it.

So that LaTeX can be written as it is, braces behind an ASCII letter or digit, `_`, `^`, `}` or a
backslash are no placeholder, unless they are `{problem}`: `\boxed{answer}`, `\frac{a}{b}` and `x_{i}`
stay. `{{name}}` gives `{name}`. All other braces stay, and so does every brace of what is filled in.
"""

import json
import re
from dataclasses import dataclass

from pipeline.records import Problem

_PROBLEM = "problem"
_PLACE = re.compile(
    r"\{\{(?P<escaped>[^\W\d]\w*)\}\}"
    r"|(?<!\{)\{problem\}"
    r"|(?<![A-Za-z0-9_^}\\{])\{(?P<column>[^\W\d]\w*)\}"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template."""

    text: str = "{problem}"

    @property
    def has_problem(self) -> bool:
        """Whether the problem's text is in it."""
        return any(match[0] == f"{{{_PROBLEM}}}" for match in _PLACE.finditer(self.text))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the other placeholders, each once, in order."""
        names = (match["column"] for match in _PLACE.finditer(self.text))
        return tuple(dict.fromkeys(name for name in names if name and name != _PROBLEM))

    def fill(self, problem: Problem) -> str:
        """The text for this problem. Raises ValueError for a column that it does not have."""

        def value(match: re.Match[str]) -> str:
            if match["escaped"]:
                return f"{{{match['escaped']}}}"
            name = match["column"] or _PROBLEM
            return problem.prompt if name == _PROBLEM else _written(problem, name)

        return _PLACE.sub(value, self.text)


def _written(problem: Problem, name: str) -> str:
    """A text as it stands, any other value as JSON."""
    value = problem.meta.get(name)
    if value is None:
        raise ValueError(f"prompt.template: problem {problem.id} has no {name!r} to put into it")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
