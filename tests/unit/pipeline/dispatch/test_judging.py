"""A verifier or an actor that fails makes ERROR verdicts, and only of what was lost."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

from pipeline.dispatch.judging import LocalJudge, PooledJudge, Response, judge_all
from tests.patience import until
from verifiers import Outcome, Target, Verdict
from verifiers.exact import ExactVerifier

TARGET = Target(kind="math", value="1")
EXACT = ExactVerifier(ExactVerifier.Config())


class Broken(ExactVerifier):
    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        raise RuntimeError("a bug in somebody's verifier")


async def test_a_verifier_that_raises_is_an_error_not_a_fail() -> None:
    verdict = await LocalJudge(Broken(Broken.Config())).verify("", "x", TARGET)
    assert verdict.outcome is Outcome.ERROR
    assert "somebody's verifier" in verdict.reason


async def test_responses_under_judgement_are_counted_whatever_becomes_of_them() -> None:
    goes_on = asyncio.Event()

    class Waiting(ExactVerifier):
        async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
            await goes_on.wait()
            return await super().verify(prompt, response, target)

    judge = LocalJudge(Waiting(Waiting.Config()))
    tasks = [asyncio.create_task(judge.verify("", "x", TARGET)) for _ in range(3)]
    await until(lambda: judge.num_open == 3)
    tasks[0].cancel()
    await until(lambda: judge.num_open == 2)
    goes_on.set()
    await asyncio.gather(*tasks[1:])
    assert judge.num_open == 0
    await judge.close()


async def test_a_verifier_is_started_once_before_its_first_batch() -> None:
    class Starting(ExactVerifier):
        starts = 0

        async def start(self) -> None:
            self.starts += 1

    verifier = Starting(Starting.Config())
    judge = LocalJudge(verifier)
    batch = [Response(prompt="", text=r"\boxed{1}", target=TARGET)]
    await asyncio.gather(*(judge.verify_batch(batch) for _ in range(5)))
    await judge.start()
    assert verifier.starts == 1


async def test_all_are_judged_in_order_with_a_bounded_number_at_a_time() -> None:
    open_now = most = closed = 0

    class Slow(ExactVerifier):
        async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await asyncio.sleep(0.001 * (len(response) % 3))
            open_now -= 1
            return await super().verify(prompt, response, target)

        async def close(self) -> None:
            nonlocal closed
            closed += 1

    taken = 0

    def responses() -> Iterator[tuple[int, Response]]:
        nonlocal taken
        for number in range(1300):
            taken += 1
            yield number, Response(prompt="", text=rf"\boxed{{{number}}}", target=TARGET)

    judged = judge_all(Slow(Slow.Config()), responses())
    number, verdict = await anext(judged)
    assert (number, verdict.extracted) == (0, "0")
    assert taken == 512
    found = [(number, verdict.extracted) async for number, verdict in judged]
    assert found == [(number, str(number)) for number in range(1, 1300)]
    assert most <= 512
    assert closed == 1


async def test_a_reader_that_leaves_closes_the_verifier() -> None:
    closed: list[bool] = []

    class Stuck(ExactVerifier):
        async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
            await asyncio.sleep(0 if response == "0" else 1000)
            return await super().verify(prompt, response, target)

        async def close(self) -> None:
            closed.append(True)

    asked = ((n, Response(prompt="", text=str(n), target=TARGET)) for n in range(600))
    async with aclosing(judge_all(Stuck(Stuck.Config()), asked)) as judged:
        await anext(judged)
    assert closed == [True]


async def test_a_pool_gives_every_response_its_own_verdict() -> None:
    judge = PooledJudge(EXACT, [LocalJudge(EXACT).verify_batch] * 3)
    responses = [rf"\boxed{{{number}}}" for number in range(500)]
    verdicts = await asyncio.gather(*(judge.verify("", r, TARGET) for r in responses))
    assert [verdict.extracted for verdict in verdicts] == [str(n) for n in range(500)]
    assert [n for n, v in enumerate(verdicts) if v.outcome is Outcome.PASS] == [1]
    await judge.close()
    await judge.close()


async def test_responses_that_wait_together_travel_together() -> None:
    sizes = []

    async def verify_batch(batch: list[Response]) -> list[Verdict]:
        sizes.append(len(batch))
        return await LocalJudge(EXACT).verify_batch(batch)

    judge = PooledJudge(EXACT, [verify_batch])
    await asyncio.gather(*(judge.verify("", "x", TARGET) for _ in range(640)))
    assert sum(sizes) == 640
    assert len(sizes) < 40
    await judge.close()


async def test_a_lost_batch_is_error_and_the_pool_goes_on() -> None:
    calls = 0

    async def verify_batch(batch: list[Response]) -> list[Verdict]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("the actor is gone")
        return await LocalJudge(EXACT).verify_batch(batch)

    judge = PooledJudge(EXACT, [verify_batch])
    assert (await judge.verify("", r"\boxed{1}", TARGET)).outcome is Outcome.ERROR
    assert (await judge.verify("", r"\boxed{1}", TARGET)).outcome is Outcome.PASS
    await judge.close()


async def test_an_actor_that_is_added_takes_over_what_waits() -> None:
    opened, taken = asyncio.Event(), list[int]()

    async def stuck(batch: list[Response]) -> list[Verdict]:
        await opened.wait()
        return await LocalJudge(EXACT).verify_batch(batch)

    async def another(batch: list[Response]) -> list[Verdict]:
        taken.append(len(batch))
        return await LocalJudge(EXACT).verify_batch(batch)

    judge = PooledJudge(EXACT, [stuck])
    asked = [asyncio.create_task(judge.verify("", "x", TARGET)) for _ in range(200)]
    await asyncio.sleep(0)
    assert judge.num_open == 200
    judge.add(another)
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    await until(lambda: sum(taken) == 72)  # all but the two batches in transit
    assert judge.num_open == 128
    opened.set()
    await asyncio.gather(*asked)
    assert judge.num_open == 0
    await judge.close()
