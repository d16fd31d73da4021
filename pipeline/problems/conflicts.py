"""Problems that ask the same as an earlier one and have another gold answer: one of them is wrong."""

import hashlib

from pipeline.records import Problem
from pipeline.templates import Template

_NUM_EXAMPLES = 3
_PREVIEW = 60


class Conflicts:
    """Counts them among problems without duplicates; keeps a 64-bit hash of each prompt."""

    def __init__(self, template: Template) -> None:
        self.number = 0
        self.examples: list[str] = []
        """Where the first ones are, and what they ask."""
        self._template = template
        self._asked: set[int] = set()

    def add(self, problem: Problem) -> bool:
        """Looks at one more problem; whether it is one of them."""
        prompt = self._template.fill(problem)
        digest = hashlib.blake2b(prompt.encode(errors="surrogatepass"), digest_size=8).digest()
        key = int.from_bytes(digest)
        if key not in self._asked:
            self._asked.add(key)
            return False
        self.number += 1
        if len(self.examples) < _NUM_EXAMPLES:
            self.examples.append(f"{problem.where or problem.id} ({_preview(problem.prompt)})")
        return True


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else f"{line[: _PREVIEW - 3]}..."
