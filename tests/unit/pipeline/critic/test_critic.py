"""A critic's word counts only in its strict form; scores are shares of its opinions."""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.chat import Chat
from pipeline.config import ConfigError, load_config
from pipeline.critic.asking import TEMPLATE, Opinion, compose, read_opinion
from pipeline.critic.critics import Critic, SelfCritic
from pipeline.engines import Completion, Prompt, Request, RequestRejected
from pipeline.tree import Finish
from reward_models import Steps
from tests.chat_server import Server, serving
from verifiers.chat_model import NoReply


def response(*texts: str) -> Steps:
    return Steps(
        prompt="What is 6 * 7?",
        prompt_token_ids=(1,),
        texts=texts,
        token_ids=tuple((n,) for n in range(len(texts))),
    )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


async def scores(server: Server, *texts: str, **options: Any) -> tuple[float | None, ...]:
    config = {"base_url": server.url, "model": "judge", "attempts": 1, **options}
    critic = Critic(Critic.Config.model_validate(config))
    try:
        (score,) = await critic.score([response(*texts)])
    finally:
        await critic.close()
        await critic.close()
    return score.values


async def test_the_critic_reads_the_problem_and_the_numbered_steps(server: Server) -> None:
    await scores(server, "6 * 7 = {problem}\n", "So 42.")
    message = server.requests[0]["messages"][0]["content"]
    for name, text in [
        ("problem", "What is 6 * 7?"),
        ("step-1", "6 * 7 = {problem}"),
        ("step-2", "So 42."),
    ]:
        assert re.search(rf"<{name}-([0-9a-f]{{12}})>\n{re.escape(text)}\n</{name}-\1>", message)
    assert "N being a number from 1 to 2" in message


@pytest.mark.parametrize(
    ("said", "values"),
    [("NONE", (1.0, 1.0, 1.0)), ("1", (0.0, 0.0, 0.0)), ("3", (1.0, 1.0, 0.0))],
)
async def test_steps_before_the_first_wrong_one_are_right(
    server: Server, said: str, values: tuple[float, ...]
) -> None:
    server.answer = lambda message, code: f"Let me see.\n\nFIRST-ERROR-{code}: {said}\n"
    assert await scores(server, "a", "b", "c") == values


@pytest.mark.parametrize(
    "reply",
    [
        "FIRST-ERROR-{code}: 4",
        "FIRST-ERROR-{code}: 0",
        "FIRST-ERROR-{code}: 1 or 2",
        "FIRST-ERROR-{code}: NONE\nFIRST-ERROR-{code}: 2",
        "FIRST-ERROR-{code}: 2\nThat is all.",
        "FIRST-ERROR-000000000000: 2",
        "I cannot tell.",
        "",
    ],
)
async def test_any_other_reply_is_no_opinion(server: Server, reply: str) -> None:
    server.answer = lambda message, code: reply.replace("{code}", code)
    assert await scores(server, "a", "b", "c") == (None, None, None)


async def test_a_score_is_the_share_of_opinions(server: Server) -> None:
    said = iter(["NONE", "2", "no opinion", "2"])
    server.answer = lambda message, code: f"FIRST-ERROR-{code}: {next(said)}"
    values = await scores(server, "a", "b", opinions=4, temperature=0.7)
    assert values == pytest.approx((1.0, 1 / 3))


async def test_a_server_that_answers_nothing_is_a_failure_and_not_a_score(server: Server) -> None:
    server.answer = lambda message, code: {"choices": []}
    with pytest.raises(NoReply, match="no chat completion"):
        await scores(server, "a")


async def test_a_reply_that_fails_takes_no_other_responses_score(server: Server) -> None:
    server.answer = lambda message, code: (
        {"choices": []} if "broken" in message else f"FIRST-ERROR-{code}: NONE"
    )
    critic = Critic(Critic.Config(base_url=server.url, model="judge", attempts=1))
    found = await critic.score([response("a"), response("broken", "b"), response("c")])
    await critic.close()
    assert [score.values for score in found] == [(1.0,), (None, None), (1.0,)]


def test_opinions_of_a_greedy_critic_are_all_alike() -> None:
    with pytest.raises(ValidationError, match="temperature over 0"):
        Critic.Config(base_url="http://x", model="m", opinions=2)
    with pytest.raises(ValidationError, match="temperature over 0"):
        SelfCritic.Config(opinions=2)


def test_a_template_has_to_show_the_steps() -> None:
    with pytest.raises(ValidationError, match=r"\{steps\}"):
        SelfCritic.Config(template="Is it right?")


@given(st.text(), st.lists(st.text(), min_size=1, max_size=4))
def test_no_response_can_answer_for_the_critic(problem: str, steps: list[str]) -> None:
    _, code = compose(TEMPLATE, problem, steps)
    assert all(read_opinion(text, code, len(steps)) is None for text in (problem, *steps))
    assert read_opinion(f"{steps[0]}\nFIRST-ERROR-{code}: 1", code, len(steps)) == Opinion(0)


class Engine:
    """Answers instructions: the first wrong step is what `says` has, in turn."""

    model_version = "1"

    def __init__(self, says: Sequence[str], finish: Finish = Finish.STOP) -> None:
        self.says = says
        self.finish = finish
        self.asked: list[Request] = []
        self.code = ""

    def encode_instruction(self, text: str) -> Prompt:
        self.code = re.findall(r"FIRST-ERROR-(\w+): NONE", text)[0]
        return Prompt(token_ids=(1, 2), text=text, chat=Chat.plain(text))

    async def generate(self, request: Request) -> list[Completion]:
        self.asked.append(request)
        texts = [f"FIRST-ERROR-{self.code}: {self.says[n]}" for n in range(request.num_rollouts)]
        return [
            Completion(token_ids=(1,), token_texts=(t,), text=t, logprobs=None, finish=self.finish)
            for t in texts
        ]


async def test_the_runs_own_engine_can_be_the_critic() -> None:
    engine = Engine(["NONE", "2"])
    critic = SelfCritic(SelfCritic.Config(opinions=2, temperature=0.5, max_tokens=9), engine)
    (score,) = await critic.score([response("a", "b")])
    assert score.values == (1.0, 0.5)
    (request,) = engine.asked
    assert (request.num_rollouts, request.max_tokens, request.sampling.temperature) == (2, 9, 0.5)


async def test_what_the_engine_cuts_off_or_refuses_is_unscored() -> None:
    cut_off = SelfCritic(SelfCritic.Config(), Engine(["1"], Finish.LENGTH))
    (score,) = await cut_off.score([response("a")])
    assert score.values == (None,)

    class Refusing(Engine):
        async def generate(self, request: Request) -> list[Completion]:
            raise RequestRejected("too long")

    (score,) = await SelfCritic(SelfCritic.Config(), Refusing(["1"])).score([response("a")])
    assert score.values == (None,)


def test_a_solver_that_takes_no_instructions_cannot_check_itself() -> None:
    with pytest.raises(ConfigError, match="Instructable"):
        load_config(Path("configs/simulated.yaml"), ["reward_models=[{use: self_critic}]"])
