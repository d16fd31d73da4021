"""Whatever a reward model does, a step that it does not score stays unscored, and says so."""

import math
from collections.abc import Sequence

import pytest

from pipeline.dispatch.scoring import ModelScorer
from reward_models import Score, Steps


class Told:
    """A reward model that answers what it is told to, or raises it."""

    name = "told"
    revision = "1"

    def __init__(self, answer: Sequence[Sequence[float | None]] | Exception) -> None:
        self.answer = answer
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def close(self) -> None:
        self.calls.append("close")

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [Score(model="told", revision="1", values=tuple(values)) for values in self.answer]


def steps(*texts: str) -> Steps:
    ids = tuple(tuple(map(ord, text)) for text in texts)
    return Steps(prompt="ask", prompt_token_ids=(1,), texts=texts, token_ids=ids)


BATCH = [steps("a", "b"), steps("c")]


async def test_scores_come_back_in_order() -> None:
    scored = await ModelScorer([Told([[0.5, 0.25], [1.0]])]).score(BATCH)
    assert scored.values == [[0.5, 0.25], [1.0]]
    assert (scored.warnings, scored.scored_by) == ((), ("told 1",))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -0.1, 1.5])
async def test_what_is_no_score_is_none_and_a_warning(value: float | None) -> None:
    scored = await ModelScorer([Told([[0.5, value], [0.0]])]).score(BATCH)
    assert scored.values == [[0.5, None], [0.0]]
    assert scored.warnings == ("reward model told: steps without a score",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (RuntimeError("out of\nmemory"), "RuntimeError: out of memory"),
        ([[0.5, 0.5]], "expected 2 scores, got 1"),
        ([[0.5], [0.5]], "expected scores of 2 steps, got 1"),
        ([["high", 0.5], [0.5]], "TypeError"),
    ],
)
async def test_a_model_that_fails_leaves_all_unscored(answer: Exception, reason: str) -> None:
    scored = await ModelScorer([Told(answer)]).score(BATCH)
    assert scored.values == [[None, None], [None]]
    (warning,) = scored.warnings
    assert reason in warning
    assert "\n" not in warning


async def test_of_several_models_the_mean_of_those_that_know() -> None:
    models = [Told([[0.5, None], [None]]), Told([[1.0, 0.25], [None]]), Told(RuntimeError("no"))]
    scored = await ModelScorer(models).score(BATCH)
    assert scored.values == [[0.75, 0.25], [None]]
    assert len(scored.warnings) == 3


async def test_a_score_is_what_32_bits_hold() -> None:
    scored = await ModelScorer([Told([[0.1, 0.2], [0.3]])]).score(BATCH)
    assert scored.values[0][0] != 0.1
    assert scored.values[0][0] == pytest.approx(0.1)
    again = await ModelScorer([Told(scored.values)]).score(BATCH)
    assert again.values == scored.values


async def test_models_are_started_and_closed_if_they_have_it() -> None:
    class Bare:
        name, revision = "bare", "1"
        score = Told.score
        answer = ((0.5, 0.5), (0.5,))

    told = Told([[0.5, 0.5], [0.5]])
    scorer = ModelScorer([told, Bare()])
    await scorer.start()
    assert (await scorer.score(BATCH)).values == [[0.5, 0.5], [0.5]]
    await scorer.close()
    assert told.calls == ["start", "close"]
