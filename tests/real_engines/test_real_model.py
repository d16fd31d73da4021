"""The main job on real parts: a real model in vLLM, real problems, real checks, a real dataset."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from benchmarks.cache import bound, sequences
from pipeline.chat import MessageMatch
from pipeline.engines import Completion, Request, Sampling
from pipeline.engines.metered import MeteredEngine, Usage
from pipeline.engines.models import prepare
from pipeline.engines.vllm import VllmEngine
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.rollouts.stepwise import generate_steps
from pipeline.tree import Finish
from tests.conftest import REAL_MODEL, ROOT, Finished, make_problem, run_berry
from verifiers import Outcome, Target
from verifiers.code import CodeVerifier
from verifiers.math.verifier import MathVerifier

BLOCK = 32
"""Tokens in a block of the prefix cache on a CPU."""
RECORDED = [
    json.loads(line)
    for line in (ROOT / "tests" / "data" / "recorded_responses.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["why"])
async def test_responses_recorded_from_the_model_are_judged_as_a_person_judges_them(
    recorded: dict[str, Any],
) -> None:
    verifier = MathVerifier(MathVerifier.Config())
    verdict = await verifier.verify(
        "", recorded["response"], Target(kind="math", value=recorded["gold"])
    )
    await verifier.close()
    assert (verdict.extracted, verdict.outcome.value) == (recorded["extracted"], recorded["outcome"])


def rows_of(out: Path, view: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "data" / view).to_pylist()
    return rows


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The quickstart, with fewer problems."""
    folder = tmp_path_factory.mktemp("quickstart")
    config = ROOT / "configs" / "quickstart.yaml"
    options = ["problems.size=9", "dataset.token_logprobs=true"]
    done = run_berry(folder, "run", config, "output=out", *options)
    assert done.returncode == 0, done.stderr
    return Finished(out=folder / "out", stdout=done.stdout, stderr=done.stderr)


@pytest.mark.engine
@pytest.mark.ray
def test_trees_hold_the_models_very_tokens(quickstart: Finished) -> None:
    trees = rows_of(quickstart.out, "trees")
    assert len({row["problem_id"] for row in trees}) == len(trees) >= 8  # one may be a duplicate
    tokenizer = AutoTokenizer.from_pretrained(prepare(REAL_MODEL))
    for row in trees:
        root, *nodes = row["nodes"]
        assert tokenizer.decode(root["token_ids"]).count("<|im_start|>user") == 1
        texts = {0: ""}
        ids: dict[int, list[int]] = {0: []}
        for node in nodes:
            assert node["token_ids"]
            assert len(node["logprobs"]) == len(node["token_ids"])
            assert all(one <= 0 for one in node["logprobs"])
            assert node["logprob"] == pytest.approx(sum(node["logprobs"]), rel=1e-4)
            assert node["max_surprisal"] == -min(node["logprobs"])
            texts[node["id"]] = texts[node["parent"]] + node["text"]
            ids[node["id"]] = ids[node["parent"]] + node["token_ids"]
        for trajectory in row["trajectories"]:
            leaf = trajectory["leaf"]
            decoded = tokenizer.decode(ids[leaf], skip_special_tokens=True)
            assert texts[leaf] == decoded.removesuffix("\ufffd")
            assert len(ids[leaf]) == trajectory["num_tokens"] <= 192
            assert (trajectory["status"] == "completed") == (ids[leaf][-1] == tokenizer.eos_token_id)
            assert (trajectory["outcome"] is None) == (trajectory["status"] == "truncated")
            if trajectory["kept"]:
                assert trajectory["outcome"] == "pass"


@pytest.mark.engine
@pytest.mark.ray
def test_the_quickstart_ends_with_survivors(
    quickstart: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Traceback" not in quickstart.stderr
    assert "INFO" not in quickstart.stderr + quickstart.stdout
    assert "WARNING" not in quickstart.stderr + quickstart.stdout
    out = quickstart.out
    facts = json.loads((out / "journal" / "complete.json").read_text())
    sampled = list(sequences(rows_of(out, "trees")))
    assert facts["new_prompt_tokens"] == sum(len(prefix) for prefix, _ in sampled)
    most = bound(sampled, BLOCK)
    assert 0.95 * most <= facts["new_prompt_tokens_cached"] <= most
    assert f"prefixes   {facts['new_prompt_tokens']:,} prompt tokens" in quickstart.stdout
    assert "vllm" in (out / "logs" / "worker-0.log").read_text().lower()

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    traces = datasets.load_dataset(str(out), "traces")["train"]
    assert len(traces) >= 1
    for trace in traces:
        assert trace["outcome"] == "pass"
        assert trace["extracted"] is not None
    assert all(gives_back_what_was_sampled(trace) for trace in traces)
    branched = [
        row for row in rows_of(out, "trees") if any(n["slot"] and n["step"] > 1 for n in row["nodes"])
    ]
    assert branched, "the strategy branches within rollouts"
    for row in branched:
        children = Counter(node["parent"] for node in row["nodes"][1:])
        assert max(count for parent, count in children.items() if parent != 0) == 3


def gives_back_what_was_sampled(trace: dict[str, Any]) -> bool:
    """Whether the messages, rendered by the model's template, are the sampled ids, as is said of them;
    the text is the same in any case."""
    tokenizer = AutoTokenizer.from_pretrained(prepare(REAL_MODEL))
    text = tokenizer.apply_chat_template(trace["messages"], tokenize=False)
    rendered = tokenizer.encode(text, add_special_tokens=False)
    sampled = trace["prompt_token_ids"] + trace["response_token_ids"]
    assert tokenizer.decode(sampled) == text.removesuffix("\n")
    assert trace["messages"] == trace["prompt"] + trace["completion"]
    assert trace["messages_exact"] == (rendered == [*sampled, *tokenizer.encode("\n")])
    return True


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
async def test_rendering_the_messages_gives_the_sampled_ids(real_engine: VllmEngine) -> None:
    prompt = real_engine.encode(make_problem("Name a fruit. — Nenne eine Frucht, 请."))
    rollouts = await real_engine.generate(asking(prompt.token_ids, 12, max_tokens=40))
    complete = [rollout for rollout in rollouts if rollout.finish is Finish.STOP]
    matches = Counter(
        real_engine.match_messages(prompt.chat, prompt.token_ids, one.text, one.token_ids)
        for one in complete
    )
    assert matches[MessageMatch.EXACT] > 0
    assert set(matches) <= {MessageMatch.EXACT, MessageMatch.OTHER_TOKENS}
    tokenizer = AutoTokenizer.from_pretrained(prepare(REAL_MODEL))
    for one in complete:
        turns = [*prompt.chat.messages, prompt.chat.answer(one.text)]
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        assert tokenizer.decode([*prompt.token_ids, *one.token_ids]) == text.removesuffix("\n")


def asking(
    ids: Sequence[int], num_rollouts: int, *, max_tokens: int = 4, temperature: float = 1.0
) -> Request:
    chosen = Sampling(max_tokens=max_tokens, temperature=temperature)
    return Request(
        token_ids=ids,
        num_rollouts=num_rollouts,
        max_tokens=max_tokens,
        sampling=chosen,
        seed=len(ids),
    )


def cached(completions: Sequence[Completion]) -> Counter[int | None]:
    return Counter(completion.num_cached_tokens for completion in completions)


@pytest.mark.engine
class TestPrefixCache:
    """Each test has prefixes of its own, that no other test has put into the cache."""

    pytestmark = pytest.mark.asyncio(loop_scope="session")

    @pytest.mark.parametrize(("num_tokens", "served"), [(32, 0), (33, 32), (96, 64), (97, 96)])
    async def test_of_siblings_one_computes_the_prefix_and_each_says_what_it_was_served(
        self, real_engine: VllmEngine, num_tokens: int, served: int
    ) -> None:
        ids = [1000 + num_tokens] * num_tokens
        assert cached(await real_engine.generate(asking(ids, 5))) == Counter([0] + [served] * 4)
        assert cached(await real_engine.generate(asking(ids, 5))) == Counter([served] * 5)

    async def test_siblings_of_a_half_known_prefix_tell_the_halves_apart(
        self, real_engine: VllmEngine
    ) -> None:
        known, unknown = [2001] * 64, [2002] * 64
        await real_engine.generate(asking([*known, 5], 1))
        completions = await real_engine.generate(asking([*known, *unknown, 5], 3))
        assert cached(completions) == Counter([64, 128, 128])

    async def test_a_branch_is_served_what_its_rollout_has_sampled(
        self, real_engine: VllmEngine
    ) -> None:
        prompt = real_engine.encode(
            make_problem("Count from one to thirty, a number a line.")
        ).token_ids
        rollouts = await real_engine.generate(asking(prompt, 8, max_tokens=40))
        longest = max(rollouts, key=lambda rollout: len(rollout.token_ids))
        prefix = [*prompt, *longest.token_ids[:-1]]
        expected = (len(prefix) - 1) // BLOCK * BLOCK
        assert expected > len(prompt), "a block that was sampled is asked for"
        assert cached(await real_engine.generate(asking(prefix, 2))) == Counter([expected] * 2)

    async def test_a_greedy_rollout_is_metered_once(self, real_engine: VllmEngine) -> None:
        metered = MeteredEngine(real_engine)
        one, other = await metered.generate(asking([4001] * 50, 2, temperature=0))
        # The engine reports what it sampled for other tests too.
        usage = replace(metered.usage, num_unanswered_tokens=0)
        assert usage == Usage(
            num_tokens=len(one.token_ids), num_rollouts=2, num_prompt_tokens=50, num_cached_tokens=0
        )
        assert one == other

    async def test_a_meter_adds_up_what_overlapping_problems_were_served(
        self, real_engine: VllmEngine
    ) -> None:
        metered = MeteredEngine(real_engine)
        await asyncio.gather(*(metered.generate(asking([5000 + n] * 70, 4)) for n in range(6)))
        assert metered.usage.num_prompt_tokens == 6 * 4 * 70
        assert metered.usage.num_cached_tokens == 6 * 3 * 64


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
async def test_log_probabilities_are_of_the_distribution_that_is_sampled_from(
    real_engine: VllmEngine,
) -> None:
    """Nearly cold, the model is all but certain of each token; as it is, it is not."""
    prompt = real_engine.encode(make_problem("Write a list of ten animals, one a line."))
    surprisals = {}
    for temperature in (0.02, 1.0):
        request = Request(
            token_ids=prompt.token_ids,
            num_rollouts=4,
            max_tokens=32,
            sampling=Sampling(max_tokens=32, temperature=temperature),
            seed=1,
        )
        logprobs = [one.logprobs or () for one in await real_engine.generate(request)]
        surprisals[temperature] = -mean(logprob for one in logprobs for logprob in one)
    assert 0 <= surprisals[0.02] < 0.1 < 0.5 < surprisals[1.0]


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("num_steps", [1, 3])
async def test_steps_pause_where_they_end_and_go_on_from_the_very_ids(
    real_engine: VllmEngine, num_steps: int
) -> None:
    splitter = StepSplitter(StepConfig())
    prompt = real_engine.encode(make_problem("Write a list of ten animals, one a line."))
    request = Request(
        token_ids=prompt.token_ids,
        num_rollouts=8,
        max_tokens=128,
        sampling=Sampling(max_tokens=128),
        seed=1,
        pause=splitter.pauses,
    )
    completions = await generate_steps(real_engine, request, num_steps)
    paused = [completion for completion in completions if completion.finish is Finish.STEP]
    assert len(completions) == 8
    assert paused
    for completion in completions:
        assert "".join(completion.token_texts) == completion.text
        # What was sampled in pieces reads as it would in one.
        decoded = real_engine._tokenizer.decode(list(completion.token_ids))
        assert completion.text == decoded.removesuffix("\ufffd")
        assert completion.logprobs is not None
        assert len(completion.logprobs) == len(completion.token_ids) <= 128
    paused_again = []
    for completion in paused:
        assert "\n" in completion.token_texts[-1]
        steps = splitter.split(completion)
        assert len(steps) == num_steps
        assert tuple(i for step in steps for i in step.token_ids) == completion.token_ids
        lines = [line for line in completion.text.split("\n") if line.strip()]
        assert len(lines) == num_steps
        (more,) = await generate_steps(
            real_engine,
            replace(
                request, token_ids=[*prompt.token_ids, *completion.token_ids], num_rollouts=1, seed=2
            ),
            1,
        )
        assert more.token_ids
        paused_again += [more] if more.finish is Finish.STEP else []
    assert paused_again
    assert all("\n" in more.token_texts[-1] for more in paused_again)


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
async def test_programs_of_a_real_model_are_judged(real_engine: VllmEngine) -> None:
    start = 'def add(a, b):\n    """Return the sum of a and b."""\n'
    asked = "Complete this Python function. Answer with the whole function in one ```python block."
    prompt = real_engine.encode(make_problem(f"{asked}\n\n{start}")).token_ids
    sampling = Sampling(max_tokens=160, temperature=0.7)
    completions = await real_engine.generate(
        Request(token_ids=prompt, num_rollouts=12, max_tokens=160, sampling=sampling, seed=3)
    )
    tests = "def check(candidate):\n    assert candidate(3, 2) == 5\n"
    target = Target(kind="asserts", tests={"prompt": start, "tests": tests, "entry_point": "add"})
    verifier = CodeVerifier(CodeVerifier.Config(cpu_seconds=5))
    verdicts = [await verifier.verify("", one.text, target) for one in completions]
    await verifier.close()
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    assert outcomes[Outcome.PASS] >= 1, outcomes
    assert outcomes[Outcome.ERROR] == 0, outcomes
    assert all("add" in str(one.extracted) for one in verdicts if one.outcome is Outcome.PASS)
