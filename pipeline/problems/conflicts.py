"""Finds problems with the same text but different gold answers, one of which must be wrong."""

from collections.abc import Sequence

from pipeline.hashing import digest_text
from pipeline.problems.id_set import IdSet, Keys
from pipeline.records import Problem
from pipeline.templates import Template

_NUM_EXAMPLES = 3
_PREVIEW = 60


class Conflicts:
    """Counts such problems among those without duplicates; stores a 64-bit hash of each prompt."""

    def __init__(self, template: Template) -> None:
        self.number = 0
        self.examples: list[str] = []
        """Place and text of the first conflicts."""
        self._template = template
        self._asked = IdSet()

    def key(self, problem: Problem) -> int:
        """The hash of the problem's prompt."""
        return int(digest_text(self._template.fill(problem)), 16)

    def add(self, problem: Problem, key: int | None = None) -> bool:
        """Adds a problem, whose `key` may be known; returns whether it conflicts with another."""
        if self._asked.add(self.key(problem) if key is None else key):
            return False
        self.number += 1
        if len(self.examples) < _NUM_EXAMPLES:
            self.examples.append(f"{problem.where or problem.id} ({_preview(problem.prompt)})")
        return True

    def restore(self, number: int, examples: Sequence[str], keys: Keys) -> None:
        """Continues from an earlier state."""
        self.number, self.examples = number, list(examples)
        self._asked.update(keys)


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else f"{line[: _PREVIEW - 3]}..."
