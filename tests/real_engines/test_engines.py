"""What every engine guarantees, run on the simulated one, on vLLM, and on a vLLM server."""

import asyncio
import errno
from typing import Any

import psutil
import pytest

from pipeline.engines import (
    Completion,
    Engine,
    EngineStartError,
    PromptFormat,
    Request,
    RequestRejected,
    Sampling,
)
from pipeline.engines.chat_format import token_texts
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.vllm import VllmEngine, _was_killed
from pipeline.engines.vllm_server import VllmServerEngine
from pipeline.errors import RunFailure
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import Finish
from tests.conftest import make_problem

pytestmark = pytest.mark.asyncio(loop_scope="session")
REAL = pytest.param("real_engine", marks=pytest.mark.engine)
SERVER = pytest.param("server_engine", marks=pytest.mark.engine)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """Ready to sample. Not async itself: it has to ask for an async fixture."""
    if request.param == "simulated":
        return SimulatedEngine(SimulatedEngine.Config(), PromptFormat())
    real: Engine = request.getfixturevalue(request.param)
    return real


async def sample(
    engine: Engine, ids: Any = None, num_rollouts: int = 2, **sampling: Any
) -> list[Completion]:
    chosen = Sampling(**{"max_tokens": 48, **sampling})
    request = Request(
        token_ids=engine.encode(make_problem()).token_ids if ids is None else ids,
        num_rollouts=num_rollouts,
        max_tokens=chosen.max_tokens,
        sampling=chosen,
        seed=7,
    )
    return await engine.generate(request)


@pytest.mark.parametrize("engine", ["simulated", REAL, SERVER], indirect=True)
class TestEveryEngine:
    async def test_a_completion_is_whole(self, engine: Engine) -> None:
        completions = await sample(engine, num_rollouts=8)
        assert len(completions) == 8
        for completion in completions:
            assert completion.token_ids
            assert len(completion.token_texts) == len(completion.token_ids)
            assert "".join(completion.token_texts) == completion.text
            if completion.logprobs is not None:
                assert len(completion.logprobs) == len(completion.token_ids)
                assert all(logprob <= 0 for logprob in completion.logprobs)

    async def test_a_cut_off_response_says_so(self, engine: Engine) -> None:
        for completion in await sample(engine, max_tokens=3):
            assert completion.finish is Finish.LENGTH
            assert len(completion.token_ids) == 3

    async def test_a_stop_string_ends_the_text_before_it_and_the_ids_after_it(
        self, engine: Engine
    ) -> None:
        stops = ("e", "a")
        stopped = 0
        for completion in await sample(engine, num_rollouts=8, stop=stops, max_tokens=400):
            assert completion.finish is Finish.STOP
            assert not any(stop in completion.text for stop in stops)
            sampled = "".join(completion.token_texts)
            assert sampled.startswith(completion.text)
            stopped += any(stop in sampled for stop in stops)
            steps = StepSplitter(StepConfig()).split(completion)
            assert "".join(step.text for step in steps) == completion.text
            assert tuple(i for step in steps for i in step.token_ids) == completion.token_ids
        assert stopped

    async def test_a_sampled_prefix_can_be_continued(self, engine: Engine) -> None:
        prompt = engine.encode(make_problem()).token_ids
        (first,) = await sample(engine, num_rollouts=1)
        steps = StepSplitter(StepConfig()).split(first)
        more = await sample(engine, ids=[*prompt, *steps[0].token_ids])
        assert all(completion.token_ids for completion in more)

    async def test_overlapping_calls_keep_to_themselves(self, engine: Engine) -> None:
        sizes = [1, 3, 2, 4]
        results = await asyncio.gather(*(sample(engine, num_rollouts=n, max_tokens=8) for n in sizes))
        assert [len(result) for result in results] == sizes

    async def test_the_same_problem_is_encoded_the_same_way(self, engine: Engine) -> None:
        one, other = engine.encode(make_problem("Sum?")), engine.encode(make_problem("Sum?"))
        assert one == other
        assert "Sum?" in one.text
        assert engine.model_version

    async def test_the_turns_that_were_sent_are_told(self, engine: Engine) -> None:
        chat = engine.encode(make_problem("Sum?")).chat
        assert [message.role for message in chat.messages] == ["user"]
        assert "Sum?" in chat.messages[0].content


async def test_closing_twice_is_fine() -> None:
    for engine in (
        SimulatedEngine(SimulatedEngine.Config(), PromptFormat()),
        VllmEngine(VllmEngine.Config(model="never loaded"), PromptFormat()),
        VllmServerEngine(
            VllmServerEngine.Config(model="never loaded", addresses=("http://nowhere",)), PromptFormat()
        ),
    ):
        await engine.close()
        await engine.close()


@pytest.mark.engine
class TestVllm:
    async def test_the_model_computes_in_the_engines_process(self, real_engine: VllmEngine) -> None:
        (engine,) = real_engine._llm.engine_core.resources.engine_manager.processes
        assert psutil.Process(engine.pid).children(recursive=True) == []

    async def test_the_chat_template_is_applied_once(self, real_engine: VllmEngine) -> None:
        prompt = real_engine.encode(make_problem("How many?"))
        assert prompt.text.count("<|im_start|>user\nHow many?<|im_end|>") == 1
        assert prompt.text.endswith("<|im_start|>assistant\n")
        assert real_engine._tokenizer.decode(prompt.token_ids, skip_special_tokens=False) == prompt.text

    async def test_token_texts_are_the_tokenizers_own(self, real_engine: VllmEngine) -> None:
        prompt = real_engine.encode(make_problem("Count from one to ten, one number a line."))
        for completion in await sample(real_engine, ids=prompt.token_ids, num_rollouts=8):
            decoded = real_engine._tokenizer.decode(list(completion.token_ids))
            assert completion.text == decoded.removesuffix("�")

    async def test_characters_of_several_tokens_stay_whole(self, real_engine: VllmEngine) -> None:
        text = "naïve — 日本語 🙂\n\nend"
        ids = tuple(real_engine._tokenizer.encode(text).ids)
        prompt = real_engine.encode(make_problem())
        texts = token_texts(real_engine._tokenizer, prompt.token_ids, ids)
        assert "".join(texts) == text
        assert "" in texts

    async def test_a_prompt_over_the_models_limit_is_refused_and_the_engine_goes_on(
        self, real_engine: VllmEngine
    ) -> None:
        with pytest.raises(RequestRejected, match=r"1024|length"):
            await sample(real_engine, ids=[5] * 2000)
        assert await sample(real_engine, max_tokens=2)

    async def test_greedy_rollouts_are_all_the_same(self, real_engine: VllmEngine) -> None:
        one, other = await sample(real_engine, temperature=0)
        assert one.token_ids == other.token_ids


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("./nowhere", "expected a model folder, but ./nowhere does not exist"),
        ("a/b/c", "a/b/c does not exist"),
        (".", "expected a model folder with config.json"),
    ],
)
async def test_a_model_that_is_not_there_is_named(model: str, complaint: str) -> None:
    engine = VllmEngine(VllmEngine.Config(model=model), PromptFormat(), 0)
    with pytest.raises(EngineStartError, match=complaint):
        await engine.start()


async def test_a_full_disk_while_unpacking_a_model_is_no_users_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locate(_: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.engines.vllm.locate", locate)
    engine = VllmEngine(VllmEngine.Config(model="SmolLM2-135M-Instruct"), PromptFormat(), 0)
    with pytest.raises(RunFailure, match=r"SmolLM2-135M-Instruct: cannot be prepared .*No space left"):
        await engine.start()


@pytest.mark.parametrize(("status", "was_killed"), [(-9, True), (1, False)])
async def test_a_killed_process_of_vllm_is_distinguished_from_a_failed_one(
    status: int, was_killed: bool
) -> None:
    processes = {"EngineCore_DP0": status}
    error = RuntimeError(f"Engine core initialization failed. Failed core proc(s): {processes}")
    assert _was_killed(error) is was_killed
