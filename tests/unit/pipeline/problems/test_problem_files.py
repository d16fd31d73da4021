"""csv and json problem sets: what they may look like, and what is said of those that are none."""

from pathlib import Path

import pytest

from pipeline.files.json_rows import read_row
from pipeline.problems import BadRow, ProblemError
from pipeline.problems.files import FileSource
from pipeline.records import Problem


def read(path: Path, content: bytes | str, **options: object) -> list[Problem | BadRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    config = FileSource.Config.model_validate({"path": path, "preset": "plain", **options})
    source = FileSource(config)
    rows = list(source.rows())
    assert source.size() == len(rows)
    return rows


def prompts(rows: list[Problem | BadRow]) -> list[str]:
    return [row.prompt if isinstance(row, Problem) else str(row).partition(": ")[2] for row in rows]


def test_csv_has_quotes_line_breaks_and_a_byte_order_mark(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "p.csv",
        '\ufeffprompt,answer,level\r\n"What is ""1, 2"" in\nwords?",one,7\r\n\r\nZürich?,007,8\r\n',
        meta_fields=["level"],
    )
    assert prompts(rows) == ['What is "1, 2" in\nwords?', "Zürich?"]
    first, second = rows
    assert isinstance(first, Problem)
    assert isinstance(second, Problem)
    # Numbers stay as they are written.
    assert (second.target.value, second.meta) == ("007", {"level": "8"})


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("x", "expected 2 fields, as in the header, got 1"),
        ("x,1,2", "expected 2 fields, as in the header, got 3"),
        ('"x" y,1', 'is not CSV: a quote inside a field; write "" for it and put quotes around'),
        ("x,", "field 'answer': expected an answer that is not empty"),
        (b"x\xff,1", "is not UTF-8"),
    ],
)
def test_a_bad_row_of_csv_is_named_and_the_rest_is_read(
    tmp_path: Path, row: str | bytes, wrong: str
) -> None:
    given = row if isinstance(row, bytes) else row.encode()
    rows = read(tmp_path / "p.csv", b"prompt,answer\na,1\n" + given + b"\nb,2\n")
    assert prompts(rows)[0] == "a"
    assert prompts(rows)[-1] == "b"
    assert isinstance(rows[1], BadRow)
    assert rows[1].where == f"{tmp_path / 'p.csv'}, line 3"
    assert wrong in str(rows[1])


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('a,1\n"b,2\nc,3\n', 3),
        ('a,1\n"b,2\n"c","d"\ne,5\n', 3),
        ('a,1\n"b\nc","2\nd,4\n', 4),
        ('"a ""b"" ""\nc,1\n', 2),
        ('a,"1', 2),
    ],
)
def test_a_quote_that_is_not_closed_ends_the_reading(tmp_path: Path, rows: str, line: int) -> None:
    """Nobody knows how many rows it would cost to go on."""
    with pytest.raises(ProblemError, match=rf"p\.csv, line {line}: is not CSV: a quote that is not"):
        read(tmp_path / "p.csv", f"prompt,answer\n{rows}")


def test_a_key_twice_makes_a_bad_row_of_lines_and_of_lists(tmp_path: Path) -> None:
    good, *bad = (
        '{"prompt": "a", "answer": 1}',
        '{"prompt": "b", "answer": 1, "answer": 2}',
        '{"prompt": "b", "answer": 1, "more": [{"x": {"k": 1, "k": 1}}]}',
    )
    keys = ["'answer'", "'k'"]
    expected = ["a", *(f"has the key {key} twice in one object" for key in keys), "a"]
    assert prompts(read(tmp_path / "p.jsonl", "\n".join([good, *bad, good]))) == expected
    assert prompts(read(tmp_path / "p.json", f"[{', '.join([good, *bad, good])}]")) == expected


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.csv", "prompt,prompt\na,1\n", "line 1: expected a header of different column names"),
        ("p.csv", "prompt;answer\na;1\n", "line 1: .* is the separator a comma"),
        ("p.csv", "prompt\tanswer\na\t1\n", "line 1: .* is the separator a comma"),
        ("p.csv", '"prompt" x,answer\na,1\n', "line 1: is not CSV: a quote inside a field"),
        ("p.csv", "prompt,\na,1\n", "line 1: expected a header .* got an empty name"),
        ("p.json", "{}", r"p\.json: expected one list of objects, got {}"),
        ("p.json", '{"prompt": 1}\n{"prompt": 2}\n', r"is not JSON: expected nothing more.*\.jsonl"),
        ("p.json", "", "is not JSON: expected a value, at column 1"),
        ("p.json", b"\xff", "is not JSON: it is not UTF-8"),
        ("p.tsv", "", r"expected a \.jsonl, \.csv, \.json or \.parquet file"),
        ("p.parquet", "x", "is damaged or not a parquet file"),
    ],
)
def test_a_file_that_is_no_problem_set_is_refused(
    tmp_path: Path, name: str, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(ProblemError, match=complaint) as caught:
        read(tmp_path / name, content)
    for word in ("Expecting", "char 0", "codec", "Errno", "Error"):
        assert word not in str(caught.value)


def test_items_of_json_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    rows = read(tmp_path / "p.JSON", '[{"prompt": "a", "answer": 1}, 3, null]')
    assert prompts(rows)[0] == "a"
    assert [row.where[-6:] for row in rows[1:] if isinstance(row, BadRow)] == ["item 2", "item 3"]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    line = '{"prompt": "a", "answer": 1}\n'
    assert len(read(tmp_path / "p.jsonl", f"\n{line}\n \n{line}")) == 2


def test_a_key_twice_is_refused_in_rows_to_verify() -> None:
    row = b'{"gold": 1.50, "response": "x", "gold": 2}'
    with pytest.raises(ValueError, match="has the key 'gold' twice"):
        read_row(row, ("gold",))
