import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipeline.problems import Intake, ProblemError
from pipeline.problems.files import FileSource
from pipeline.problems.gym import ReasoningGymSource
from pipeline.problems.hugging_face import HuggingFaceSource
from pipeline.records import Problem
from verifiers import Outcome
from verifiers.code.inside.values import decode
from verifiers.reasoning_gym import score

GSM8K_ROW = {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}


def write_jsonl(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def config_of(path: Path, **options: object) -> FileSource.Config:
    return FileSource.Config.model_validate({"path": path, **options})


def take(path: Path, **options: object) -> tuple[list[Problem], Intake]:
    intake = Intake(FileSource(config_of(path, **options)))
    return list(intake), intake


def test_gsm8k_rows_are_read_by_default(tmp_path: Path) -> None:
    (problem,), _ = take(write_jsonl(tmp_path / "p.jsonl", GSM8K_ROW))
    assert (problem.prompt, problem.target.value, problem.source) == ("Two and two?", "4", "p.jsonl")


def test_a_field_map_names_other_columns(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", {"q": "Half of 3?", "a": 1.5, "level": 2})
    (problem,), _ = take(
        path, preset="plain", prompt_field="q", answer_field="a", meta_fields=["level"]
    )
    assert (problem.target.value, problem.meta) == ("1.5", {"level": 2})


def test_naming_columns_means_that_the_whole_answer_counts(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", {"q": "Half of 4?", "a": "2"})
    (problem,), _ = take(path, prompt_field="q", answer_field="a")
    assert problem.target.value == "2"


@pytest.mark.parametrize(
    ("options", "row", "gold"),
    [
        ({"answers": "none"}, {"prompt": "x", "answer": "7"}, None),
        ({"answers": "none", "preset": "gsm8k"}, {"question": "x"}, None),
        ({"answer_field": None}, {"prompt": "x"}, None),
        ({"answer_field": None, "prompt_field": "q"}, {"q": "x"}, None),
        ({"answers": "optional"}, GSM8K_ROW, "4"),
        ({"answers": "optional"}, {"question": "x"}, None),
        ({"answers": "optional"}, {"question": "x", "answer": None}, None),
        ({"answers": "optional", "preset": "plain"}, {"prompt": "x", "answer": " "}, None),
        ({"answers": "optional", "answer_field": "a"}, {"prompt": "x", "a": 0}, "0"),
    ],
)
def test_rows_without_a_gold_answer_are_taken_on_demand(
    tmp_path: Path, options: dict[str, object], row: dict[str, object], gold: str | None
) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", row)
    (problem,), _ = take(path, **options)
    assert (problem.target.value, dict(problem.target.tests)) == (gold, {})
    # The config that a run keeps says the same again.
    again = FileSource.Config.model_validate(config_of(path, **options).model_dump())
    assert list(FileSource(again).rows()) == [problem]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"answers": "none", "preset": "code"}, "needs a preset with answers, got code"),
        ({"answers": "none", "answer_field": "a"}, "excludes answer_field, got 'a'"),
        ({"answers": "perhaps"}, "'required', 'optional' or 'none'"),
    ],
)
def test_options_about_answers_that_contradict_are_refused(
    tmp_path: Path, options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        FileSource.Config.model_validate({"path": tmp_path / "p.jsonl", **options})


def test_an_answer_that_is_there_has_to_be_one(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", {"question": "x", "answer": "no mark"})
    with pytest.raises(ProblemError, match="expected an answer after '####'"):
        take(path, answers="optional")


def test_a_task_without_one_answer_has_no_gold() -> None:
    config = ReasoningGymSource.Config(task="graph_color", size=2)
    assert [p.target.value for p in Intake(ReasoningGymSource(config))] == [None, None]


def test_a_dataset_that_breaks_in_mid_stream_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(json.dumps(GSM8K_ROW) + "\n{broken\n" * 3)
    config = HuggingFaceSource.Config(dataset=str(tmp_path / "set"))
    with pytest.raises(ProblemError, match=r"set: cannot load"):
        list(Intake(HuggingFaceSource(config)))


def test_parquet_is_read_like_jsonl(tmp_path: Path) -> None:
    jsonl = write_jsonl(tmp_path / "p.jsonl", GSM8K_ROW)
    pq.write_table(pa.Table.from_pylist([GSM8K_ROW]), tmp_path / "p.parquet")
    (of_jsonl,), _ = take(jsonl)
    (of_parquet,), _ = take(tmp_path / "p.parquet")
    assert of_parquet.id == of_jsonl.id


def test_an_id_is_a_hash_of_the_content_alone(tmp_path: Path) -> None:
    (one,), _ = take(write_jsonl(tmp_path / "one.jsonl", GSM8K_ROW))
    (same,), _ = take(write_jsonl(tmp_path / "two.jsonl", {**GSM8K_ROW, "extra": 1}))
    (other,), _ = take(write_jsonl(tmp_path / "three.jsonl", {**GSM8K_ROW, "question": "Else?"}))
    assert one.id == same.id != other.id


def test_duplicates_are_dropped_and_counted_and_the_limit_counts_what_is_left(tmp_path: Path) -> None:
    rows = [{**GSM8K_ROW, "question": q} for q in ("a", "a", "b", "b", "c")]
    problems, intake = take(write_jsonl(tmp_path / "p.jsonl", *rows), limit=2)
    assert [problem.prompt for problem in problems] == ["a", "b"]
    assert intake.num_duplicates == 1


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{not json", "p.jsonl, line 2: is not JSON"),
        ("[1]", "line 2: expected a row of named fields"),
        ({"answer": "#### 4"}, "line 2: field 'question': expected a text"),
        (
            {"question": 7, "answer": "#### 4"},
            "field 'question': expected a text that is not empty, got 7",
        ),
        ({"question": "x"}, "field 'answer': expected a text or a number, got no such field"),
        ({"question": "x", "answer": "4"}, "field 'answer': expected an answer after '####', got '4'"),
        ({"question": "x", "answer": "#### "}, "field 'answer': expected an answer that is not empty"),
        ('{"question": "\\ud800", "answer": "#### 4"}', "line 2: field 'question': expected"),
    ],
)
def test_a_bad_row_is_named_and_ends_the_run_or_is_skipped(
    tmp_path: Path, bad: object, complaint: str
) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", GSM8K_ROW, bad, {**GSM8K_ROW, "question": "Last?"})
    with pytest.raises(ProblemError) as caught:
        take(path)
    assert complaint in str(caught.value)
    problems, intake = take(path, on_error="skip")
    assert (len(problems), intake.num_bad_rows) == (2, 1)


def test_bytes_that_are_no_utf8_are_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(json.dumps(GSM8K_ROW).encode() + b'\n{"question": "\xff"}\n')
    problems, intake = take(path, on_error="skip")
    assert (len(problems), intake.num_bad_rows) == (1, 1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.txt", b"x", r"expected a .jsonl, .csv, .json or .parquet file"),
        ("p.jsonl", b"", "expected problems, got a source with none"),
        ("p.parquet", b"no parquet", "is damaged or not a parquet file"),
    ],
)
def test_a_file_that_is_no_problem_set_is_refused(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProblemError, match=complaint):
        take(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"expected a file, but .*nowhere\.jsonl does not exist"):
        take(tmp_path / "nowhere.jsonl")


def test_the_size_is_told_for_a_progress_display(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", GSM8K_ROW, GSM8K_ROW)
    assert FileSource(FileSource.Config(path=path)).size() == 2
    assert FileSource(FileSource.Config(path=path, limit=1)).size() == 1
    assert FileSource(FileSource.Config(path=tmp_path / "nowhere.jsonl")).size() is None


def test_reasoning_gym_makes_the_same_problems_from_the_same_seed() -> None:
    def make(seed: int) -> list[Problem]:
        config = ReasoningGymSource.Config(task="chain_sum", size=5)
        return list(Intake(ReasoningGymSource(config, seed)))

    assert make(1) == make(1) != make(2)
    assert all(problem.target.value is not None for problem in make(1))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"task": "chain_sums"}, r"no task 'chain_sums'; did you mean chain_sum"),
        ({"task": "chain_sum", "options": {"depth": 1}}, "problems.options"),
        ({"task": "chain_sum", "options": {"min_terms": 9, "max_terms": 2}}, "problems.options"),
    ],
)
def test_reasoning_gym_says_what_it_does_not_have(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ProblemError, match=complaint):
        list(Intake(ReasoningGymSource(ReasoningGymSource.Config.model_validate(options))))


def test_a_hugging_face_dataset_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    write_jsonl(tmp_path / "set" / "train.jsonl", GSM8K_ROW, {"question": "x", "answer": "no mark"})
    config = HuggingFaceSource.Config(dataset=str(tmp_path / "set"), on_error="skip")
    intake = Intake(HuggingFaceSource(config))
    assert [problem.target.value for problem in intake] == ["4"]
    assert intake.num_bad_rows == 1


def test_a_dataset_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = HuggingFaceSource.Config(dataset=str(tmp_path / "nowhere"))
    with pytest.raises(ProblemError, match=r"problems\.dataset=.*nowhere: cannot load"):
        list(Intake(HuggingFaceSource(config)))


def test_a_real_problem_set(gsm8k: Path) -> None:
    problems, intake = take(gsm8k)
    assert (len(problems), intake.num_duplicates) == (7473, 0)
    assert problems[0].target.value == "72"


HUMANEVAL_ROW = {
    "prompt": "def inc(x):\n",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
    "entry_point": "inc",
}
CALLS = {"kind": "calls", "entry_point": "inc", "cases": [{"args": [1], "expected": 2}]}


def test_humaneval_rows_carry_their_tests(tmp_path: Path) -> None:
    (problem,), _ = take(write_jsonl(tmp_path / "p.jsonl", HUMANEVAL_ROW), preset="humaneval")
    assert (problem.prompt, problem.domain, problem.target.kind) == ("def inc(x):", "code", "asserts")
    assert problem.target.tests == {
        "prompt": "def inc(x):\n",
        "tests": HUMANEVAL_ROW["test"],
        "entry_point": "inc",
    }


def test_rows_with_a_target_of_any_kind(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", {"prompt": "Add one.", "target": CALLS})
    (problem,), _ = take(path, preset="code")
    assert problem.target.kind == "calls"
    assert problem.target.tests["cases"] == CALLS["cases"]


def test_rows_with_a_target_for_somebodys_own_verifier(tmp_path: Path) -> None:
    mine = {"kind": "countdown", "value": "67", "numbers": [25, 8, 3]}
    rows = [{"prompt": f"Row {n}.", "target": target} for n, target in enumerate((mine, CALLS))]
    (own, code), _ = take(write_jsonl(tmp_path / "p.jsonl", *rows), preset="target")
    assert (own.target.kind, own.target.value, own.domain) == ("countdown", "67", "countdown")
    assert own.target.tests == {"numbers": [25, 8, 3]}
    assert code.target.tests["cases"] == CALLS["cases"]


@pytest.mark.parametrize(
    ("preset", "row", "complaint"),
    [
        ("target", {"prompt": "x", "target": {"value": "3"}}, "field 'target': .* a `kind`"),
        ("target", {"prompt": "x", "target": {"kind": "a", "value": True}}, "field 'target': value"),
        ("target", {"prompt": "x", "target": "3"}, "field 'target'"),
        ("target", {"prompt": "x", "target": {**CALLS, "cases": []}}, "calls.cases"),
        ("humaneval", {**HUMANEVAL_ROW, "test": ""}, "field 'test'"),
        ("humaneval", {"prompt": "x"}, "field 'test': .* no such field"),
        ("code", {"prompt": "x", "target": {}}, "field 'target'"),
        ("code", {"prompt": "x", "target": {"kind": "magic"}}, "kind: expected one of 'stdin_stdout'"),
        ("code", {"prompt": "x", "target": {**CALLS, "cases": []}}, "calls.cases"),
    ],
)
def test_a_bad_code_row_is_named(
    tmp_path: Path, preset: str, row: dict[str, object], complaint: str
) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", row)
    with pytest.raises(ProblemError, match=rf"line 1: .*{complaint}"):
        take(path, preset=preset)


def test_reasoning_gym_problems_can_carry_what_the_tasks_own_scorer_needs() -> None:
    config = ReasoningGymSource.Config(task="rearc", size=2, scorer="own", options={"min_examples": 2})
    first, _ = Intake(ReasoningGymSource(config, seed=3))
    assert first.target.kind == "reasoning_gym"
    stored = json.loads(json.dumps(first.target.tests))
    assert (stored["dataset"], stored["options"]) == ("rearc", {"min_examples": 2})
    entry = decode(stored["entry"])
    # A tuple here, which plain JSON would not have kept, and this scorer needs.
    assert isinstance(entry["metadata"]["output"], tuple)
    assert "source_index" not in entry["metadata"]
    assert score((stored, entry["answer"], 1.0))[0] is Outcome.PASS
    assert score((stored, "0 0\n0 0", 1.0))[0] is Outcome.FAIL


def test_the_scorer_changes_the_target_and_not_the_question() -> None:
    def make(scorer: str) -> list[Problem]:
        options = {"task": "countdown", "size": 3, "scorer": scorer}
        config = ReasoningGymSource.Config.model_validate(options)
        return list(Intake(ReasoningGymSource(config, seed=1)))

    own, math = make("own"), make("math")
    assert own == make("own")
    assert [p.prompt for p in own] == [p.prompt for p in math]
    assert [p.target.value for p in own] == [p.target.value for p in math]
    assert {p.target.kind for p in math} == {"math"}
    assert all(p.target.tests == {} for p in math)
    assert {p.id for p in own}.isdisjoint({p.id for p in math})


def test_a_task_whose_scorer_is_refused_is_refused_at_once() -> None:
    config = ReasoningGymSource.Config(task="puzzle24", scorer="own")
    with pytest.raises(ProblemError, match=r"problems\.scorer=own: .* puzzle24 cannot be judged"):
        list(Intake(ReasoningGymSource(config)))
    assert list(Intake(ReasoningGymSource(ReasoningGymSource.Config(task="puzzle24", size=1))))


PRINT_IDS = """
from pipeline.problems import Intake
from pipeline.problems.gym import ReasoningGymSource

config = ReasoningGymSource.Config(task="word_ladder", size=20, scorer="own")
print([problem.id for problem in Intake(ReasoningGymSource(config))])
"""


def test_tasks_that_vary_from_process_to_process_need_a_fixed_hash_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(ProblemError, match=r"word_ladder .* set PYTHONHASHSEED=0"):
        list(Intake(ReasoningGymSource(ReasoningGymSource.Config(task="word_ladder"))))

    def ids(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.check_output([sys.executable, "-c", PRINT_IDS], env=environment, text=True)

    assert ids("0") == ids("0") != ids("1")
