"""What of a row reaches the prompt and the data, and what does not."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import KINDS
from pipeline.problems import Intake, ProblemError, SourceConfig
from pipeline.problems.border import open_source
from pipeline.records import Problem
from pipeline.templates import Template
from verifiers import Target

ROW = {"prompt": "2 + 3?", "answer": "5", "subject": "algebra", "level": 3}
TAKES_SUBJECT = "On {subject}: {problem}"


@pytest.fixture
def take(tmp_path: Path) -> Any:
    """The problems of some rows, with their intake."""

    def read(
        *rows: dict[str, Any], template: str = "{problem}", **options: Any
    ) -> tuple[list[Problem], Intake]:
        path = tmp_path / "p.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        part = KINDS["problems"].part({"use": "file", "path": path, "preset": "plain", **options})
        intake = Intake(open_source(part, 0, Template(template)), Template(template))
        return list(intake), intake

    return read


def test_a_column_that_the_template_takes_is_kept(take: Any) -> None:
    (problem,), intake = take(ROW, template=TAKES_SUBJECT)
    assert problem.meta == {"subject": "algebra"}
    assert Template(TAKES_SUBJECT).fill(problem) == "On algebra: 2 + 3?"
    assert intake.unused_columns == ("level",)
    (problem,), _ = take(ROW, template=TAKES_SUBJECT, meta_fields=["level"])
    assert problem.meta == {"level": 3, "subject": "algebra"}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"subject": None}, "line 1: prompt.template uses {subject}, which is null in this row"),
        (
            {"subjects": "x"},
            "line 1: prompt.template uses {subject}, which is not a column of this row; did you mean "
            "{subjects}? (write {{subject}} to send {subject})",
        ),
        ({"zone": "x"}, "which is not a column of this row; available: zone; (write {{subject}}"),
        ({}, "which is not a column of this row; available: none; (write {{subject}}"),
    ],
)
def test_a_row_without_what_the_template_takes_is_bad(
    take: Any, row: dict[str, Any], complaint: str
) -> None:
    bad = {"prompt": "x", "answer": "y", **row}
    with pytest.raises(ProblemError) as caught:
        take(bad, template=TAKES_SUBJECT)
    assert complaint in str(caught.value)
    problems, intake = take(bad, ROW, template=TAKES_SUBJECT, on_error="skip")
    assert (len(problems), intake.num_bad_rows) == (1, 1)


def test_a_template_that_no_row_suits_is_named_though_bad_rows_are_skipped(take: Any) -> None:
    with pytest.raises(ProblemError, match=r"none \(2 bad rows, the first: .*uses \{subjet\}"):
        take(ROW, ROW | {"prompt": "x"}, template="{subjet} {problem}", on_error="skip")


def test_the_gold_answer_is_never_suggested(take: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        take({"prompt": "x", "answer": "5"}, template="{answers} {problem}")
    assert "{answer}" not in str(caught.value)


def test_what_the_template_takes_makes_another_problem(take: Any) -> None:
    """The question alone does not tell two multiple choices apart."""
    rows = [ROW | {"subject": subject} for subject in ("algebra", "geometry", "algebra")]
    problems, intake = take(*rows, template=TAKES_SUBJECT)
    assert [problem.meta["subject"] for problem in problems] == ["algebra", "geometry"]
    assert (intake.num_duplicates, intake.conflicts.number) == (1, 0)
    problems, intake = take(*rows)
    assert (len(problems), intake.num_duplicates) == (1, 2)


class OwnSource:
    """Somebody's own, whose problems have one thing beside."""

    class Config(SourceConfig):
        pass

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config

    def rows(self) -> Iterator[Problem]:
        yield Problem.create(
            prompt="x", target=Target(kind="math"), source="own", meta={"subject": "algebra"}
        )


def test_sources_without_columns_give_what_their_problems_have_beside() -> None:
    part = KINDS["problems"].part({"use": f"{__name__}:OwnSource"})
    (problem,) = Intake(open_source(part, 0, Template(TAKES_SUBJECT)))
    assert Template(TAKES_SUBJECT).fill(problem) == "On algebra: x"
    with pytest.raises(ProblemError, match=r"OwnSource, row 1: .*did you mean \{subject\}\?"):
        list(Intake(open_source(part, 0, Template("{subjet} {problem}"))))


class AsksMore(OwnSource):
    """Problems with the same text; `asked` are columns that they name to `Problem.create`."""

    asked: tuple[str, ...] = ()

    def rows(self) -> Iterator[Problem]:
        for subject, level in [("algebra", 1), ("geometry", 1), ("geometry", 2), ("algebra", 1)]:
            meta = {"subject": subject, "level": level}
            yield Problem.create(
                prompt="x",
                target=Target(kind="math"),
                source="own",
                meta=meta,
                asked={name: meta[name] for name in self.asked},
            )


@pytest.mark.parametrize(
    ("asked", "num_problems"),
    [((), 2), (("subject",), 2), (("level",), 3), (("subject", "level"), 3)],
)
def test_what_the_template_takes_tells_problems_of_ones_own_source_apart(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], num_problems: int
) -> None:
    monkeypatch.setattr(AsksMore, "asked", asked)
    part = KINDS["problems"].part({"use": f"{__name__}:AsksMore"})
    template = Template(TAKES_SUBJECT)
    problems = list(Intake(open_source(part, 0, template), template))
    assert len(problems) == num_problems
    assert problems[0].meta == {"subject": "algebra", "level": 1}
    if asked in ((), ("subject",)):
        expected = Problem.create(
            prompt="x", target=Target(kind="math"), source="own", asked={"subject": "algebra"}
        )
        assert problems[0].id == expected.id


def test_a_column_that_would_stay_as_a_name_is_a_mistake(take: Any) -> None:
    for on_error in ("stop", "skip"):
        with pytest.raises(
            ProblemError, match=r"put a space before it.* write \{\{subject\}\} to send"
        ):
            take(ROW, template="{problem} On{subject}", on_error=on_error)
    part = KINDS["problems"].part({"use": f"{__name__}:OwnSource"})
    with pytest.raises(ProblemError, match=r"\{subject\} would be sent unchanged"):
        list(Intake(open_source(part, 0, Template("{problem} On{subject}"))))


def test_the_gold_answer_and_what_is_no_column_stay_as_names(take: Any) -> None:
    template = r"{problem} \boxed{answer} \frac{a}{b}"
    (problem,), _ = take(ROW, template=template)
    assert Template(template).fill(problem) == r"2 + 3? \boxed{answer} \frac{a}{b}"


def test_problems_that_are_made_can_be_asked_by_their_number() -> None:
    part = KINDS["problems"].part({"use": "reasoning_gym", "task": "chain_sum", "size": 2})
    template = Template("{index}. {problem}")
    texts = [template.fill(problem) for problem in Intake(open_source(part, 0, template))]
    assert [text[:3] for text in texts] == ["0. ", "1. "]


def test_all_other_columns_can_be_kept(take: Any) -> None:
    row = ROW | {"id": "a/1", "nothing": None, "more": {"x": [1, 2.5]}}
    (problem,), intake = take(row, meta_fields="all")
    assert problem.meta == {"subject": "algebra", "level": 3, "nothing": None, "more": {"x": [1, 2.5]}}
    assert intake.unused_columns == ()
    (problem,), _ = take(ROW | {"all": 7}, meta_fields=["all"])
    assert problem.meta == {"all": 7}


def test_columns_that_nothing_uses_are_told(take: Any) -> None:
    row = ROW | {"id": 3, "url": "x"}
    _, intake = take(row, row | {"prompt": "y", "late": 1})
    assert intake.unused_columns == ("subject", "level", "url", "late")
    _, intake = take(row, answers="none", meta_fields=["level"], id_field="url")
    assert intake.unused_columns == ("answer", "subject", "id")
    assert Intake(OwnSource(OwnSource.Config(), 0)).unused_columns == ()  # type: ignore[arg-type]


def test_values_that_json_does_not_have_are_kept_as_text(tmp_path: Path) -> None:
    columns = {
        "day": [date(2024, 1, 2)],
        "share": [float("nan")],
        "most": [float("inf")],
        "raw": [b"x"],
    }
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"prompt": ["x"], "answer": ["y"], **columns}), path)
    section = {"use": "file", "path": path, "preset": "plain", "meta_fields": "all"}
    (problem,) = Intake(open_source(KINDS["problems"].part(section), 0))
    assert problem.meta == {"day": "2024-01-02", "share": None, "most": "inf", "raw": "b'x'"}


def test_half_a_character_beside_a_problem_is_a_bad_row(take: Any) -> None:
    with pytest.raises(ProblemError, match="field 'subject': expected text without lone surrogates"):
        take(ROW | {"subject": ["\ud800"]}, meta_fields=["subject"])


@pytest.mark.parametrize(
    ("row", "options", "source_id"),
    [
        ({"id": "test/1"}, {}, "test/1"),
        ({"id": 7}, {}, "7"),
        ({"idx": 7.0}, {}, "7"),
        ({"unique_id": "u", "id": None}, {}, "u"),
        ({"task_id": "t", "question_id": "q"}, {}, "t"),
        ({"id": "i", "name": "n"}, {"id_field": "name"}, "n"),
        ({"id": {"a": 1}, "uid": " "}, {}, None),
        ({"id": True}, {}, None),
        ({}, {}, None),
        ({"id": "what is asked"}, {"prompt_field": "id"}, None),
    ],
)
def test_the_sources_own_id_is_kept(
    take: Any, row: dict[str, Any], options: dict[str, Any], source_id: str | None
) -> None:
    (problem,), _ = take({"prompt": "x", "answer": "y", **row}, **options)
    assert problem.source_id == source_id


def test_an_id_column_that_is_named_has_to_be_there(take: Any) -> None:
    for row in (ROW, ROW | {"name": None}):
        with pytest.raises(ProblemError, match="field 'name': expected an id, a text or a whole"):
            take(row, id_field="name")


def test_the_sources_id_does_not_change_the_problems(take: Any) -> None:
    problems, intake = take(ROW | {"id": "1"}, ROW | {"id": "2"}, ROW)
    assert [problem.source_id for problem in problems] == ["1"]
    assert intake.num_duplicates == 2


def test_equal_questions_with_other_golds_are_counted_and_named(take: Any) -> None:
    rows = [{"prompt": "a", "answer": str(n)} for n in range(6)]
    problems, intake = take(*rows, rows[0], {"prompt": "b", "answer": "0"})
    assert len(problems) == 7
    assert intake.num_duplicates == 1
    assert intake.conflicts.number == 5
    names = [example.rpartition("/")[2] for example in intake.conflicts.examples]
    assert names == [f"p.jsonl, line {n} (a)" for n in (2, 3, 4)]


def test_a_hugging_face_dataset_has_columns_too(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(json.dumps(ROW | {"id": 1}) + "\n")
    section = {"use": "hugging_face", "dataset": str(tmp_path / "set"), "preset": "plain"}
    source = open_source(KINDS["problems"].part(section), 0, Template(TAKES_SUBJECT))
    intake = Intake(source, Template(TAKES_SUBJECT))
    (problem,) = intake
    assert (problem.meta, problem.source_id) == ({"subject": "algebra"}, "1")
    assert intake.unused_columns == ("level",)
