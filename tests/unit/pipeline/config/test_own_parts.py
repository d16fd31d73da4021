"""Sources, reward models and engines of one's own: what is wrong with one is one line."""

import asyncio
import textwrap
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.chat import Chat
from pipeline.config import KINDS, ConfigError, load_config
from pipeline.dispatch.own_code import OwnThread
from pipeline.dispatch.reward_pool import Failure, HostedModel
from pipeline.dispatch.scoring import ModelScorer
from pipeline.engines import Completion, Prompt, Request, Sampling
from pipeline.engines.border import BadCompletions
from pipeline.engines.metered import MeteredEngine
from pipeline.errors import named
from pipeline.problems import Intake, ProblemError
from pipeline.problems.border import open_source
from reward_models import Score, Steps
from reward_models.errors import RewardModelError
from tests.conftest import make_completion, make_problem
from tests.unit.pipeline.config.test_config import MINIMAL

SOURCE = """
from pipeline.problems import SourceConfig, BadRow
from pipeline.records import Problem
from verifiers import Target


class Source:
    class Config(SourceConfig):
        path: str = ""

    def __init__(self, config, seed):
        {init}

    def size(self):
        {size}

    def rows(self):
        {rows}


def good(prompt="x", **fields):
    return Problem.create(prompt=prompt, target=Target(kind="math", value="1"), source="s", **fields)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a module `mine`, which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "mine.py"
    import sys

    sys.modules.pop("mine", None)


def take(module: Path, *, init: str = "pass", size: str = "return None", rows: str) -> list[Any]:
    module.write_text(SOURCE.format(init=init, size=size, rows=rows))
    source = open_source(KINDS["problems"].part({"use": "mine:Source"}), 0)
    source.size()
    return list(Intake(source))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (
            {"rows": "yield good(); raise KeyError('x')"},
            "rows() raised KeyError: 'x' (mine.py, line 18)",
        ),
        ({"rows": "raise RuntimeError"}, "rows() raised RuntimeError (mine.py, line 18)"),
        ({"rows": "import json; json.loads('{')"}, "rows() raised JSONDecodeError: "),
        ({"rows": "exit(3)"}, "rows() raised SystemExit: 3"),
        ({"rows": "return None"}, "rows() raised TypeError: 'NoneType' object is not iterable"),
        ({"rows": "return ['What is 1 + 1?']"}, "row 1: expected a Problem (made by Problem.create"),
        ({"rows": "yield good(); yield None"}, "rows(): row 2: expected a Problem"),
        ({"rows": "yield {'prompt': 1}"}, 'or a BadRow, got {"prompt": 1}'),
        ({"rows": "yield good(prompt=' ')"}, "row 1: expected a prompt that is a non-empty text"),
        ({"rows": "yield good(prompt='a' + chr(0xD800))"}, "expected prompt to be text without lone"),
        ({"rows": "yield good(source_id=7)"}, "expected source_id to be text without lone surrogates"),
        ({"rows": "yield good(meta={'at': {1, 2}})"}, "expected meta to be keys and values for JSON"),
        ({"rows": "yield good()", "size": "return 'many'"}, "size(): expected a number of problems or"),
        ({"rows": "yield good()", "size": "1 / 0"}, "size() raised ZeroDivisionError"),
        (
            {"rows": "yield good()", "init": "self.x = config.paht"},
            "cannot be built from",
        ),
    ],
)
def test_a_source_that_breaks_is_named_with_its_line(
    module: Path, code: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        take(module, **code)
    assert str(caught.value).startswith("problems.use=mine:Source: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_source_says_itself_stays_as_it_is(module: Path) -> None:
    raises = "from pipeline.problems import ProblemError; raise ProblemError('the server is closed')"
    with pytest.raises(ProblemError, match=r"^the server is closed$"):
        take(module, rows=raises)


def test_a_sources_bad_row_is_one_like_any_other(module: Path) -> None:
    bad = "yield BadRow(where='line 7', reason='no answer')"
    with pytest.raises(ProblemError, match=r"^line 7: no answer; problems\.on_error=skip skips"):
        take(module, rows=bad)


def test_a_source_need_not_know_its_size(module: Path) -> None:
    module.write_text(SOURCE.format(init="pass", size="pass", rows="yield good()").replace("size", "x"))
    source = open_source(KINDS["problems"].part({"use": "mine:Source"}), 0)
    assert source.size() is None
    assert len(list(Intake(source))) == 1


@pytest.mark.parametrize(
    ("section", "base", "methods", "complaint"),
    [
        ("problems", "", "", "to be a class with a pydantic model `Config`"),
        ("problems", "SourceConfig", "", "to be a problem source, with a method `rows(self)`"),
        ("problems", "BaseModel", "rows", "to extend pipeline.problems.SourceConfig, which has"),
        ("engine", "BaseModel", "", "to be an engine, with a method `async def start(self)`"),
        ("engine", "BaseModel", "start encode", "with a method `async def generate(self, request)`"),
        ("engine", "BaseModel", "start encode generate", "with a method `async def close(self)`"),
    ],
)
def test_a_class_that_lacks_something_is_refused_with_the_config(
    module: Path, tmp_path: Path, section: str, base: str, methods: str, complaint: str
) -> None:
    lines = [
        "from pydantic import BaseModel",
        "from pipeline.problems import SourceConfig",
        "class Mine:",
        "    pass",
        *([f"    class Config({base}):", "        pass"] if base else []),
        *(f"    def {name}(self): pass" for name in methods.split()),
    ]
    module.write_text("\n".join(lines) + "\n")
    (tmp_path / "c.yaml").write_text(str({**MINIMAL, section: {"use": "mine:Mine"}}))
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "c.yaml")
    assert f"c.yaml, line 1: {section}" in str(caught.value)
    assert complaint in str(caught.value)


class Own:
    """A reward model whose `score` is a plain function."""

    name = revision = "own"

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.threads: set[str] = set()
        self.closed = False

    def start(self) -> None:
        self.threads.add(threading.current_thread().name)

    def score(self, batch: Sequence[Steps]) -> list[Score]:
        self.threads.add(threading.current_thread().name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(batch)

    def close(self) -> None:
        self.closed = True


STEPS = Steps(prompt="x", prompt_token_ids=(1,), texts=("a", "b"), token_ids=((2,), (3,)))
GOOD = Score(model="own", revision="1", values=(0.25, 0.75))


async def test_a_plain_reward_model_scores_in_a_thread_of_its_own() -> None:
    model = Own(GOOD)
    scorer = ModelScorer([model])
    await scorer.start()
    scored = await scorer.score([STEPS, STEPS])
    await scorer.close()
    assert scored.values == [[0.25, 0.75]] * 2
    assert scored.warnings == ()
    assert len(model.threads) == 1
    assert threading.current_thread().name not in model.threads
    assert model.closed


async def test_a_plain_reward_model_in_an_actor() -> None:
    model = Own(GOOD)
    hosted = HostedModel(lambda: model)
    await hosted.start()
    assert await hosted.score([STEPS]) == [GOOD]
    model.answer = StopIteration()
    assert await hosted.score([STEPS]) == Failure("RuntimeError: StopIteration")
    await hosted.close()
    assert model.closed


@pytest.mark.parametrize(
    ("answer", "warning"),
    [
        (0.5, "TypeError: expected a Score for each item, got 0.5"),
        (Score(model="m", revision="1", values=("high", 1)), "or None, got 'high'"),  # type: ignore[arg-type] # on purpose
        (Score(model="m", revision="1", values=(1,)), "expected scores of 2 steps, got 1"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "reward model own: RuntimeError"),
    ],
)
async def test_what_a_reward_model_answers_wrongly_is_told(answer: Any, warning: str) -> None:
    scorer = ModelScorer([Own(answer)])
    scored = await scorer.score([STEPS])
    assert scored.values == [[None, None]]
    assert warning in scored.warnings[0]
    await scorer.close()


def test_a_reward_model_that_cannot_be_built_is_named(module: Path, tmp_path: Path) -> None:
    module.write_text(
        textwrap.dedent("""
        from pydantic import BaseModel

        class Mine:
            class Config(BaseModel):
                pass

            def __init__(self, config):
                raise KeyError("weights")

            def score(self, batch):
                return []
        """)
    )
    (tmp_path / "c.yaml").write_text(str({**MINIMAL, "reward_models": [{"use": "mine:Mine"}]}))
    with pytest.raises(RewardModelError) as caught:
        load_config(tmp_path / "c.yaml").build_reward_model(0)
    assert str(caught.value) == (
        "reward_models.0.use=mine:Mine: cannot be built: KeyError: 'weights' (mine.py, line 9)"
    )


def completion(**wrong: Any) -> Completion:
    return replace(make_completion("a"), **wrong)


class OwnEngine:
    """Answers every request with the same."""

    model_version = "own"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def encode(self, problem: object) -> Any:
        return self.answer

    async def generate(self, request: Request) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "generate(): expected a list, got null"),
        ("text", "generate(): expected a list, got 'text'"),
        ([], "generate(): expected 2 completions, got 0"),
        (["a", "b"], "generate(): expected Completions, got 'a'"),
        ([completion(token_texts=())] * 2, "expected 1 token_texts, one for each token id, got 0"),
        ([completion(logprobs=(1.0, 2.0))] * 2, "expected 1 logprobs, one for each token id, got 2"),
        ([completion(finish="stop!")] * 2, "expected a finish that is a Finish, got 'stop!'"),
        ([completion(model_version=3)] * 2, "expected a model_version that is a text or None, got 3"),
    ],
)
async def test_what_an_engine_gives_wrongly_is_told(answer: Any, complaint: str) -> None:
    request = Request(token_ids=(1,), num_rollouts=2, max_tokens=9, sampling=Sampling(), seed=0)
    with pytest.raises(BadCompletions) as caught:
        await MeteredEngine(OwnEngine(answer)).generate(request)
    assert complaint in str(caught.value)


async def test_what_an_engine_gives_rightly_is_taken() -> None:
    request = Request(token_ids=(1,), num_rollouts=2, max_tokens=9, sampling=Sampling(), seed=0)
    answer = (make_completion("a"), make_completion("b"))
    assert await MeteredEngine(OwnEngine(answer)).generate(request) == list(answer)
    prompt = Prompt(token_ids=(1,), text="x", chat=Chat.plain("x"))
    assert MeteredEngine(OwnEngine(prompt)).encode(make_problem()) is prompt
    with pytest.raises(BadCompletions, match=r"encode\(\): expected a Prompt, got 3"):
        MeteredEngine(OwnEngine(3)).encode(make_problem())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("a\n  b"), "ValueError: a b"),
        (AssertionError("  "), "AssertionError"),
    ],
)
def test_an_exception_is_named_by_its_type(error: Exception, text: str) -> None:
    assert named(error) == text


async def test_a_plain_function_that_returns_a_coroutine_is_awaited() -> None:
    thread = OwnThread()
    assert await thread.call(lambda: asyncio.sleep(0, 7)) == 7
    thread.close()
    thread.close()
