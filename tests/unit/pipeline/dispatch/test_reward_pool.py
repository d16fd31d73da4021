"""Reward models behind a pool: batched across callers, and unscored where a batch is lost."""

import asyncio
from collections.abc import Sequence

import pytest

from pipeline.dispatch.reward_pool import Failure, HostedModel, PooledModel
from pipeline.dispatch.scoring import ModelScorer, ScoringFailed
from reward_models import Score, Steps
from reward_models.errors import RewardModelDied


def steps(number: int) -> Steps:
    return Steps(prompt="ask", prompt_token_ids=(1,), texts=("a",), token_ids=((number,),))


def scores(batch: Sequence[Steps]) -> list[Score]:
    """Each the share that its only token is of a thousand."""
    return [
        Score(model="counting", revision="1", values=(one.token_ids[0][0] / 1000,)) for one in batch
    ]


class Counting:
    """A model that counts its lives, and dies when it is told to."""

    name, revision = "counting", "1"
    built = started = closed = 0

    def __init__(self, deaths: list[int], error: type[Exception] = RewardModelDied) -> None:
        type(self).built += 1
        self._deaths, self._error = deaths, error

    async def start(self) -> None:
        type(self).started += 1

    async def close(self) -> None:
        type(self).closed += 1

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        if self._deaths:
            self._deaths.pop()
            raise self._error("gone")
        return scores(batch)


@pytest.fixture(autouse=True)
def _anew() -> None:
    Counting.built = Counting.started = Counting.closed = 0


async def test_what_many_ask_travels_together_and_comes_back_to_each() -> None:
    sizes = []

    async def send(batch: list[Steps]) -> list[Score]:
        sizes.append(len(batch))
        await asyncio.sleep(0)
        return scores(batch)

    model = PooledModel("prm", [send, send])
    asked = [[steps(3 * number + i) for i in range(3)] for number in range(200)]
    answers = await asyncio.gather(*map(model.score, asked))
    for number, answer in enumerate(answers):
        assert [one.values for one in answer] == [((3 * number + i) / 1000,) for i in range(3)]
    assert sum(sizes) == 600
    assert len(sizes) < 20
    await model.close()
    await model.close()


async def test_a_model_is_built_and_started_once_whoever_comes_first() -> None:
    hosted = HostedModel(lambda: Counting([]))
    await asyncio.gather(*(hosted.score([steps(1)]) for _ in range(5)))
    await hosted.start()
    assert (Counting.built, Counting.started) == (1, 1)
    await hosted.close()
    await hosted.close()
    assert Counting.closed == 1


async def test_a_model_that_died_is_built_anew_and_scores() -> None:
    deaths = [1]
    hosted = HostedModel(lambda: Counting(deaths))
    assert await hosted.score([steps(500)]) == scores([steps(500)])
    assert (Counting.built, Counting.closed) == (2, 1)


async def test_batches_that_lose_one_model_together_share_the_next() -> None:
    """The one that notices late must not close what the other has built anew."""
    both_asked = asyncio.Barrier(2)

    class Dying(Counting):
        async def score(self, batch: Sequence[Steps]) -> list[Score]:
            if type(self).built == 1:
                await both_asked.wait()
                raise RewardModelDied("gone")
            await asyncio.sleep(0)
            if type(self).closed > 1:
                raise RewardModelDied("closed by the other batch")
            return scores(batch)

    hosted = HostedModel(lambda: Dying([]))
    found = await asyncio.gather(*(hosted.score([steps(number)]) for number in (1, 2)))
    assert found == [scores([steps(1)]), scores([steps(2)])]
    assert (Dying.built, Dying.closed) == (2, 1)


async def test_a_model_that_hangs_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dispatch.reward_pool._BATCH_SECONDS", 0.01)

    async def send(batch: list[Steps]) -> list[Score]:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")

    model = PooledModel("prm", [send])
    with pytest.raises(ScoringFailed, match="TimeoutError"):
        await model.score([steps(1)])
    with pytest.raises(ScoringFailed, match="disabled"):
        await model.score([steps(1)])
    await model.close()


async def test_a_model_that_dies_each_time_is_a_failure_not_an_exception() -> None:
    hosted = HostedModel(lambda: Counting([1] * 9))
    assert await hosted.score([steps(1)]) == Failure("RewardModelDied: gone")
    assert Counting.built == 2


async def test_a_model_that_raises_is_a_failure_and_is_not_built_anew() -> None:
    hosted = HostedModel(lambda: Counting([1], ValueError))
    assert await hosted.score([steps(1)]) == Failure("ValueError: gone")
    assert await hosted.score([steps(1)]) == scores([steps(1)])
    assert Counting.built == 1


async def test_a_failure_leaves_its_batch_unscored_and_is_told_once() -> None:
    answers: list[list[Score] | Failure] = [Failure("ValueError: no"), scores([steps(500)])]

    async def send(batch: list[Steps]) -> list[Score] | Failure:
        return answers.pop(0)

    scorer = ModelScorer([PooledModel("prm", [send])])
    lost = await scorer.score([steps(1)])
    assert lost.values == [[None]]
    assert lost.warnings == ("reward model prm: ValueError: no",)
    assert (await scorer.score([steps(500)])).values == [[0.5]]
    await scorer.close()


async def test_a_lost_actor_is_told_without_what_changes_from_run_to_run() -> None:
    async def send(batch: list[Steps]) -> list[Score]:
        raise ConnectionError("actor 0x7f3a at 10.0.0.7 is gone")

    scorer = ModelScorer([PooledModel("prm", [send])])
    assert (await scorer.score([steps(1)])).warnings == (
        "reward model prm: the batch was lost (ConnectionError)",
    )
    await scorer.close()


async def test_a_model_that_loses_everything_is_given_up_and_not_asked_again() -> None:
    calls = 0

    async def send(batch: list[Steps]) -> list[Score]:
        nonlocal calls
        calls += 1
        raise ConnectionError

    model = PooledModel("prm", [send])
    for _ in range(8):
        with pytest.raises(ScoringFailed, match="the batch was lost"):
            await model.score([steps(1)])
    for _ in range(3):
        with pytest.raises(ScoringFailed, match="disabled after 8 lost batches in a row"):
            await model.score([steps(1)])
    assert calls == 8
    await model.close()


async def test_one_that_loses_now_and_then_is_not_given_up() -> None:
    calls = 0

    async def send(batch: list[Steps]) -> list[Score]:
        nonlocal calls
        calls += 1
        if calls % 4:
            raise ConnectionError
        return scores(batch)

    model = PooledModel("prm", [send])
    assert await _one_by_one(model, 35) == [number % 4 == 0 for number in range(1, 36)]
    assert calls == 35
    await model.close()


async def test_an_answer_of_another_length_is_no_answer() -> None:
    async def send(batch: list[Steps]) -> list[Score]:
        return scores(batch)[:-1]

    model = PooledModel("prm", [send])
    with pytest.raises(ScoringFailed, match="lost"):
        await model.score([steps(1), steps(2)])
    await model.close()


async def _one_by_one(model: PooledModel, number: int) -> list[bool]:
    """Of each of some calls, one after the other, whether it was answered."""
    answered = []
    for _ in range(number):
        try:
            await model.score([steps(1)])
        except ScoringFailed:
            answered.append(False)
        else:
            answered.append(True)
    return answered
