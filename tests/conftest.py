"""Shared fixtures: builders of records, and one real engine for the whole session."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling

from pipeline.engines import Completion, PromptFormat
from pipeline.engines.vllm import VllmEngine
from pipeline.records import Problem
from pipeline.tree import Finish, Rollout, Step
from verifiers import Outcome, Target, Verdict

ROOT = Path(__file__).parent.parent
REAL_MODEL = "SmolLM2-135M-Instruct"
SHARED_DATA = ROOT.parent / "shared" / "data"

Berry = Callable[..., "subprocess.CompletedProcess[str]"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts what it runs in the background so, and children inherit it;
    # the commands that tests interrupt must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types: its class is Any
    """Of processes that share the tests, one has all files that need `real_engine`."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "real engine" if file.endswith(("/test_engines.py", "/test_real_engine.py")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """What `pytest -n 2` asks how to share the tests."""
    return _ByFile(config, log)


@pytest.fixture
def gsm8k() -> Path:
    """OpenAI's GSM8K training set, which is not part of this repository."""
    path = SHARED_DATA / "gsm8k_train.jsonl"
    if not path.is_file():
        pytest.skip("the GSM8K file is not there: expected ../shared/data/gsm8k_train.jsonl")
    return path


@pytest.fixture
def berry(tmp_path: Path) -> Berry:
    """Runs the `berry` command in a process of its own, in an empty folder."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).parent / "berry", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_engine() -> AsyncIterator[VllmEngine]:
    """vLLM with SmolLM2-135M-Instruct, loaded once."""
    config = VllmEngine.Config(model=REAL_MODEL, max_model_len=1024, cpu_kv_cache_gib=1)
    engine = VllmEngine(config, PromptFormat(template="{problem}"), 0)
    before = dict(os.environ)
    with warnings.catch_warnings():
        # Importing vLLM and torch warns of their own affairs.
        warnings.simplefilter("ignore")
        await engine.start()
    yield engine
    await engine.close()
    os.environ.clear()
    os.environ.update(before)


def make_problem(prompt: str = "What is 2 + 3?", answer: str | None = "5") -> Problem:
    return Problem.create(prompt=prompt, target=Target(kind="math", value=answer), source="test")


def make_rollout(*texts: str, finish: Finish = Finish.STOP, logprob: float | None = None) -> Rollout:
    """A rollout of these steps; every character is a token."""
    steps = [Step(token_ids=tuple(map(ord, t)), text=t, logprob=logprob) for t in texts]
    return Rollout(steps=tuple(steps), finish=finish, model_version="test-1")


def make_completion(*token_texts: str, text: str | None = None) -> Completion:
    """A completion of these tokens, numbered from 0."""
    return Completion(
        token_ids=tuple(range(len(token_texts))),
        token_texts=token_texts,
        text="".join(token_texts) if text is None else text,
        logprobs=tuple(-0.5 for _ in token_texts),
        finish=Finish.STOP,
    )


def make_verdict(outcome: Outcome = Outcome.PASS) -> Verdict:
    return Verdict(outcome=outcome, reason="test", verifier="test", version="1")
