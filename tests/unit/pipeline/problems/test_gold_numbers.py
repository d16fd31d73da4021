"""Gold answers may be numbers: they are taken as the file writes them."""

import json
from pathlib import Path

import pytest

from pipeline.files.json_rows import read_row
from pipeline.problems import BadRow
from pipeline.problems.files import FileSource
from pipeline.records import Problem
from verifiers.records import gold_text, read_target

BIG = "1" + "0" * 400 + "7"
WRITTEN = ["5", "5.0", "5.10", "-0.50", "0", "1e2", "1E-7", BIG, "0.1000000000000000000000000001"]


def rows(
    folder: Path, lines: list[str], *, as_list: bool = False, **options: object
) -> list[Problem | BadRow]:
    path = folder / ("set.json" if as_list else "set.jsonl")
    path.write_text(f"[{','.join(lines)}]" if as_list else "\n".join(lines))
    return list(FileSource(FileSource.Config.model_validate({"path": path, **options})).rows())


@pytest.mark.parametrize("as_list", [False, True])
def test_a_number_is_the_text_that_stands_there(tmp_path: Path, as_list: bool) -> None:
    lines = [f'{{"prompt": "p{n}", "target": {{"kind": "math", "value": {n}}}}}' for n in WRITTEN]
    found = rows(tmp_path, lines, as_list=as_list, preset="target")
    assert [one.target.value for one in found if isinstance(one, Problem)] == WRITTEN


def test_one_bad_number_in_a_list_is_one_bad_row(tmp_path: Path) -> None:
    lines = [f'{{"prompt": "p{n}", "answer": {n}}}' for n in ("1.50", "1e400", "2.50")]
    found = rows(tmp_path, lines, as_list=True, preset="plain")
    assert [isinstance(one, BadRow) for one in found] == [False, True, False]


def test_so_is_an_answer_in_a_column(tmp_path: Path) -> None:
    lines = [f'{{"prompt": "p{n}", "gold": {n}}}' for n in WRITTEN]
    found = rows(tmp_path, lines, prompt_field="prompt", answer_field="gold")
    assert [one.target.value for one in found if isinstance(one, Problem)] == WRITTEN


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("true", "value: expected a text or a number, got true"),
        ("NaN", "value: expected a text or a number, got NaN"),
        ("-Infinity", "value: expected a text or a number, got -Infinity"),
        ("1e400", "target.value: 1e400 is too large for a number"),
        ("[5]", "value: expected a text or a number, got [5]"),
        ("9" * 5000, "a number in it has too many digits"),
    ],
)
def test_what_is_no_number_is_a_bad_row(tmp_path: Path, value: str, said: str) -> None:
    [found] = rows(
        tmp_path,
        [f'{{"prompt": "p", "target": {{"kind": "math", "value": {value}}}}}'],
        preset="target",
    )
    assert isinstance(found, BadRow)
    assert said in found.reason
    assert "\n" not in found.reason


def test_other_numbers_are_pythons() -> None:
    line = b'{"target": {"kind": "k", "value": 5.10, "limit": 5.10}, "gold": 1.50, "share": 0.50}'
    row = read_row(line, ("gold",), ("target", "value"))
    expected = {"target": {"kind": "k", "value": "5.10", "limit": 5.1}, "gold": "1.50", "share": 0.5}
    assert row == expected


@pytest.mark.parametrize(
    "line", [b"[1.5]", b"1.5", b'{"target": 1.5}', b'{"target": [1.5], "gold": null}']
)
def test_rows_of_another_shape_are_left_as_they_are(line: bytes) -> None:
    assert read_row(line, ("gold",), ("target", "value")) == json.loads(line)


def test_what_is_no_json_says_why() -> None:
    for line, said in ((b"{", "is not JSON: expected a key"), (b"[" * 10**5, "nested too deep")):
        with pytest.raises(ValueError, match="is not JSON") as refused:
            read_row(line)
        assert said in str(refused.value)


def test_constants_that_strict_json_does_not_have_are_values_and_are_told() -> None:
    constants: list[str] = []
    assert read_row(b'{"a": [Infinity, 1]}', constants=constants) == {"a": [float("inf"), 1]}
    assert constants == ["Infinity"]


def test_values_that_no_file_has_written_are_as_python_writes_them() -> None:
    assert read_target({"kind": "math", "value": 5}).value == "5"
    assert read_target({"kind": "math", "value": 5.0}).value == "5.0"
    assert read_target({"kind": "math"}).value is None
    assert gold_text(10**40) == str(10**40)
