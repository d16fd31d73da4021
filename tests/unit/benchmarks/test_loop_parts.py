"""The parts of the loop's benchmarks whose faults no figure would show."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from benchmarks.arithmetic.chains import Split, make_chains
from benchmarks.loop.language_model import write_word_problems
from benchmarks.loop.liar import LyingMath
from benchmarks.loop.setting import count_survivors
from verifiers import Outcome, Target

TARGET = Target(kind="math", value="4")


def _outcomes(flipped: float, liar: int, number: int = 400) -> list[Outcome]:
    """Verdicts on right responses, all different."""
    verifier = LyingMath(LyingMath.Config(flipped=flipped, liar=liar))

    async def judge() -> list[Outcome]:
        try:
            asked = (f"{number}: #### 4" for number in range(number))
            return [(await verifier.verify("2 + 2 = ?", one, TARGET)).outcome for one in asked]
        finally:
            await verifier.close()

    return asyncio.run(judge())


@pytest.mark.parametrize("flipped", [0.0, 0.2, 1.0])
def test_a_liar_flips_as_many_verdicts_as_asked(flipped: float) -> None:
    share = _outcomes(flipped, liar=0).count(Outcome.FAIL) / 400
    assert share == pytest.approx(flipped, abs=0.05)


def test_a_liar_repeats_its_lies_and_another_lies_elsewhere() -> None:
    first, again, other = (_outcomes(0.2, liar) for liar in (0, 0, 1))
    assert first == again
    both = sum(a is b is Outcome.FAIL for a, b in zip(first, other, strict=True))
    assert both / 400 == pytest.approx(0.04, abs=0.03)


def test_word_problems_are_all_different_and_their_answers_right(tmp_path: Path) -> None:
    path = write_word_problems(tmp_path / "problems.jsonl", 300, seed=0)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({row["prompt"] for row in rows}) == 300
    for row in rows:
        a, b = map(int, re.findall(r"\d+", row["prompt"]))
        taken = any(word in row["prompt"] for word in ("gives", "sells", "needs"))
        assert int(row["answer"]) == (a - b if taken else a + b) > 0


def test_survivors_are_counted_by_the_truth() -> None:
    one, two, three = make_chains(3, "counted", Split.TRAIN)
    lines = two.solution.splitlines()
    undone = "\n".join(["1+1=3", *lines[1:]])
    rows = [
        {"problem": one.prompt, "response": one.solution},
        {"problem": two.prompt, "response": undone},
        {"problem": three.prompt, "response": "#### 100"},
    ]
    found = count_survivors(rows)
    assert (found.num_kept, found.num_flawed, found.num_wrong_answers, found.num_problems) == (
        3,
        2,
        1,
        3,
    )
