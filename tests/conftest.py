"""Shared fixtures, builders of records, and how processes share the tests."""

import atexit
import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from pipeline.cli.app import main
from pipeline.engines import Completion
from pipeline.records import Problem
from pipeline.tree import Finish, Rollout, Step
from tests.forked_berry import PROGRAM, Forks
from tests.integration.ray_head import joining_environment, ray_head
from verifiers import Outcome, Target, Verdict

ROOT = Path(__file__).parent.parent
REAL_MODEL = "SmolLM2-135M-Instruct"
SHARED_DATA = ROOT.parent / "shared" / "data"

# How long an example takes depends on what else the machine does.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

FINISHED = ("problems.size=24", "dataset.views=[traces,steps]", "dataset.part_bytes=1")
"""How `finished` differs from the config: it has all views, in several parts."""

Berry = Callable[..., "subprocess.CompletedProcess[str]"]

# Each process of each test would compile our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell without job control starts what it runs in the background so that it ignores SIGINT, and
# `nohup` so that it ignores SIGHUP. Children inherit that; the commands that tests interrupt must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


_REAL_ENGINES = "tests/real_engines/"
_LONG = (
    "tests/integration/test_chaos.py",
    "tests/integration/test_run_simulated.py",
    "tests/integration/test_own_verifier.py",
    "tests/contract/test_verifiers.py",
    "tests/integration/test_own_pages.py",
    "tests/integration/test_reward_models.py",
    "tests/integration/test_hints.py",
    "tests/integration/test_export.py",
    "tests/integration/test_sandbox_chaos.py",
    "tests/contract/test_sandbox.py",
)
"""Other files that take half a minute or more, the longest first."""


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types: its class is Any
    """Of processes that share the tests, one has all files with real engines: each takes all cores."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return _REAL_ENGINES if file.startswith(_REAL_ENGINES) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """What `pytest -n 2` asks how to share the tests."""
    return _ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, what takes long comes first, so that they end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid.split("::")[0]))


def _place(file: str) -> int:
    if file.startswith(_REAL_ENGINES):
        return 0
    return 1 + (*_LONG, file).index(file)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spares the garbage collector what lives as long as the process: the tests and their modules.

    There are millions of such objects, and a full collection would look at each.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        for joins in (False, True):
            # Before any test changes it, and after modules have, such as those of OpenMP.
            _unchanged_environment(joins)
        gc.freeze()
        # At the end, extension modules report what of theirs still lives.
        atexit.register(gc.unfreeze)
        gc.enable()


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

    return functools.partial(run_berry, tmp_path)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster that all tests of this process share."""
    with ray_head(num_cpus=16, knows_python_path=True) as address:
        yield address


@pytest.fixture
def joined(tmp_path: Path, cluster: str) -> Berry:
    """Runs `berry run` in a process of its own that joins the shared Ray, in an empty folder.

    For tests of what a run does, however its Ray came about: starting one takes more processor time
    than the run of a few problems.
    The cluster's processes have a working folder of their own: relative paths do not reach it.
    """

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return run_berry(tmp_path, "run", *arguments, "--address", cluster)

    return run


def run_berry(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """What became of the `berry` command in this folder, in a process of its own."""
    joins = "--address" in arguments
    environment = joining_environment() if joins else dict(os.environ)
    words = [str(argument) for argument in arguments]
    if _same(environment, _unchanged_environment(joins)):
        return _forks(joins).run(folder, words)
    return subprocess.run(
        [str(PROGRAM), *words], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


@functools.cache
def _unchanged_environment(joins: bool) -> dict[str, str]:
    """The environment of tests that change nothing of it, whether or not they join a Ray."""
    return joining_environment() if joins else dict(os.environ)


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether environments are the same but for what pytest says of its tests."""
    return all(one.get(key) == other.get(key) for key in {*one, *other} - {"PYTEST_CURRENT_TEST"})


@functools.cache
def _forks(joins: bool) -> Forks:
    """What starts the commands with an unchanged environment."""
    forks = Forks(_unchanged_environment(joins))
    atexit.register(forks.close)
    return forks


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished run, for tests that read it: `out` is not to be changed."""

    out: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of 24 problems by the simulated solver, whose tokens are bytes."""
    folder = tmp_path_factory.mktemp("finished")
    done = run_berry(folder, "run", ROOT / "configs" / "simulated.yaml", "output=out", *FINISHED)
    assert done.returncode == 0, done.stderr
    return Finished(out=folder / "out", stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Berry:
    """Runs the `berry` command in this process, which has its libraries loaded, in an empty folder.

    Not for commands that start Ray, and not where the end of the process matters.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = ["berry", *map(str, arguments)]
        capsys.readouterr()
        with (
            monkeypatch.context() as patch,
            _own_modules(tmp_path),
            _own_handlers(),
            _own_environment(),
        ):
            patch.setattr(sys, "argv", command)
            patch.setattr(sys, "path", list(sys.path))
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, said.out, said.err)

    return run


@contextlib.contextmanager
def _own_modules(folder: Path) -> Iterator[None]:
    """Forgets modules from the folder: the next test has others by their names."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Puts back the environment: Ray's defaults are of the command."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Puts back the handlers of signals."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModels:
    """Two models of one architecture with different weights, and one that differs in its shape."""

    one: Path
    other: Path
    wider: Path


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Random weights, large enough that no two tokens are nearly equally likely."""
    # It loads transformers, for which the process that only shares out the tests would make all wait.
    from tests.tiny_models import base_model

    folder = tmp_path_factory.mktemp("tiny")
    options: dict[str, Any] = {"max_position_embeddings": 1024, "initializer_range": 0.3}
    return TinyModels(
        one=base_model(folder / "one", **options),
        other=base_model(folder / "other", seed=1, **options),
        wider=base_model(folder / "wider", num_key_value_heads=2, **options),
    )


def make_problem(prompt: str = "What is 2 + 3?", answer: str | None = "5") -> Problem:
    return Problem.create(prompt=prompt, target=Target(kind="math", value=answer), source="test")


def make_rollout(*texts: str, finish: Finish = Finish.STOP, logprob: float | None = None) -> Rollout:
    """A rollout of these steps; every character is a token."""
    surprisal = None if logprob is None else -logprob
    steps = [
        Step(
            token_ids=tuple(map(ord, t)),
            text=t,
            logprob=logprob,
            max_surprisal=surprisal,
            logprobs=None if logprob is None else (logprob, *(0.0 for _ in t[1:])),
        )
        for t in texts
    ]
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
