"""Problems that the model writes: rewrites of a verified solution, and compositions of two problems.

A rewrite must keep the answer: the model sees the solution, and whoever answers the rewrite does not
(SvS, Liang et al., 2025, arXiv:2508.14029). So a rewrite that lost what is needed to answer it gets
other answers, and is dropped by the check.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from pipeline.derive.varying.candidates import Candidate
from pipeline.derive.varying.originals import Original
from pipeline.derive.varying.settings import VarySettings
from pipeline.hashing import derive_seed
from pipeline.problems.variants.calculations import read_number
from pipeline.problems.variants.mentions import find_mentions

_REWRITE = """\
Here is a worked solution to a problem:

{solution}

Write a new problem in other words, with another story, that this solution answers. Its answer must \
be {answer}. Give every number that is needed to solve it. Write only the problem, not its solution \
and not its answer."""
_WRITTEN = """\
Problem 1: {first}

Problem 2: {second}

Write one new problem for which both of these have to be solved, one after the other, with the answer \
of the first used in the second. Give every number that is needed. Write only the problem, not its \
solution and not its answer."""
_PREFIX = re.compile(
    r"^[\s*#]*(?:the )?(?:new |rewritten )?(?:problem|question)[\s*]*[:.\-][\s*]*", re.IGNORECASE
)
_TELLS = re.compile(
    r"####|\\boxed|(?:the|final) answer (?:is|:)|\bsolution\s*:|\banswer\s*:", re.IGNORECASE
)
_SHORTEST, _LONGEST = 20, 4000
"""Characters of a problem."""


class NotAProblem(ValueError):
    """A reply is no problem; the message is the reason."""


def instructions(originals: Sequence[Original], settings: VarySettings) -> Iterator[Mapping[str, Any]]:
    """Rows for the run that proposes: `id`, which `candidate_of` reads, and `prompt`."""
    for place, one in enumerate(originals):
        if "rewrite" in settings.kinds:
            text = _REWRITE.format(solution=one.solutions[0], answer=one.answer)
            yield {"id": f"rewrite {one.id}", "prompt": text}
        if "written" in settings.kinds and len(originals) > 1:
            random = Random(derive_seed(settings.seed, "written", one.id))
            step = random.randrange(1, len(originals))
            other = originals[(place + step) % len(originals)]
            text = _WRITTEN.format(first=other.prompt, second=one.prompt)
            yield {"id": f"written {other.id} {one.id}", "prompt": text}


def candidate_of(row_id: str, reply: str, originals: Mapping[str, Original]) -> Candidate:
    """The candidate of a reply to an instruction. Raises NotAProblem."""
    kind, *ids = row_id.split()
    used = [originals[one] for one in ids]
    prompt = read_reply(reply)
    if kind == "rewrite":
        if read_number(used[0].answer) in _numbers(prompt) - _numbers(used[0].prompt):
            raise NotAProblem("tells_answer")
        return Candidate.of("rewrite", prompt, used[0].answer, used)
    return Candidate.of("written", prompt, None, used)


def _numbers(text: str) -> set[Fraction | None]:
    return {one.value for one in find_mentions(text)}


def read_reply(reply: str) -> str:
    """The problem in a reply. Raises NotAProblem, with `empty`, `too_long` or `tells_answer`."""
    text = _PREFIX.sub("", reply.strip()).strip().strip('"').strip()
    if len(text) < _SHORTEST:
        raise NotAProblem("empty")
    if len(text) > _LONGEST:
        raise NotAProblem("too_long")
    if _TELLS.search(text):
        raise NotAProblem("tells_answer")
    return text
