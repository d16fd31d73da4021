"""Questions of real problems, planted in changed forms: found, and what only looks like them is not."""

import json
import random

import pytest

from benchmarks.hygiene.leaks import Planter, template
from pipeline.hygiene.contamination import LeakFinder, Question
from pipeline.hygiene.rules import ContaminationRule
from tests.conftest import SHARED_DATA

FILE = SHARED_DATA / "gsm8k_train.jsonl"
pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="the problem sets are not beside the project"
)


def test_leaks_are_found_in_every_form_and_look_alikes_are_not() -> None:
    texts = [json.loads(line)["question"] for line in FILE.read_text("utf-8").splitlines()[:900]]
    draw = random.Random(0)
    tests, others = texts[:200], texts[200:]
    exam = [*tests, *(template(draw) for _ in range(40))]
    planter = Planter(others)
    planted = [
        (kind, number, change(tests[number], draw))
        for kind, change in planter.kinds.items()
        for number in draw.sample(range(len(tests)), 20)
    ]
    alike = [planter.same_opening(draw.choice(tests), draw) for _ in range(100)]
    alike += [text for text in (template(draw) for _ in range(100)) if text not in exam]
    finder = LeakFinder(
        (Question(test_set="exam", id=str(n), text=text, answer=None) for n, text in enumerate(exam)),
        ContaminationRule(),
    )
    for text in (*others, *alike, *(text for _, _, text in planted)):
        finder.count(text, None)

    def found(text: str) -> str | None:
        leak = finder.leak(text, None)
        return None if leak is None else leak.question.id

    missed = [(kind, text) for kind, number, text in planted if found(text) != str(number)]
    assert len(missed) <= 0.06 * len(planted), missed
    assert sum(found(text) is not None for text in alike) <= 0.03 * len(alike)
    # The problems have a few that differ from others in their numbers alone.
    assert sum(found(text) is not None for text in others) <= 0.01 * len(others)
