"""Reads responses whose first wrong step people have labelled, from jsonl or parquet files.

The columns are ProcessBench's (Zheng et al., 2024, arXiv:2412.06559); other columns are ignored:

    problem, steps          the problem's text, and one text for each step
    label                   index of the first wrong step, from 0; -1 if all are right
    final_answer_correct    true, false, or null if unknown (default)
    subset                  name of a subset with figures of its own; default: the file's name
    scores                  a score from 0 to 1 for each step, or null for an unscored response

    Files of BIG-Bench-Mistake (Tyen et al., 2023, arXiv:2311.08516) and MR-GSM8K (Zeng et al., 2023,
    arXiv:2312.17080) are recognised by their columns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RunFailure, UserMistake, is_users
from pipeline.files.json_rows import read_row
from pipeline.files.parquet_rows import DamagedParquet, parquet_rows
from verifiers.mistakes import shown

Row = Mapping[str, object]


class LabelledError(UserMistake):
    """A file of labelled responses cannot be read; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A labelled response."""

    problem: str
    steps: Sequence[str]
    first_error: int | None
    """Index of the first wrong step; None if all are right."""
    final_right: bool | None
    """Whether its final answer is right; None if unknown."""
    subset: str
    scores: Sequence[float] | None
    """Published scores of every step; None if there are none."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Names of columns and meaning of their values."""

    problem: str
    steps: str
    label: str
    all_right: object
    """The label of a response without a wrong step."""
    final_right: Callable[[Row], bool | None]
    """Reads whether the final answer is right. Raises ValueError for a fault."""
    first: int = 0
    """The label of a response whose first step is wrong."""


def read_labelled(path: Path, scores: str | None = None) -> Iterator[Labelled]:
    """The responses of a file; `scores` names a required column of scores.

    Raises LabelledError, which names the file, line, column, the expected and the actual value.
    """
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".parquet"):
        raise LabelledError(f"{path}: expected a .jsonl or .parquet file")
    try:
        for where, row in (_parquet_rows if kind == ".parquet" else _jsonl_rows)(path):
            try:
                yield _read(row, path, scores)
            except ValueError as e:
                raise LabelledError(f"{where}: {e}") from e
    except OSError as e:
        error = LabelledError if is_users(e) else RunFailure
        raise error(f"{path}: {e.strerror or 'cannot be read'}") from e


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                yield where, read_row(line)
            except ValueError as e:
                raise LabelledError(f"{where}: {e}") from e


def _parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    try:
        yield from parquet_rows(path)
    except DamagedParquet as e:
        raise LabelledError(f"{path}: is damaged or not a parquet file") from e


def _read(row: object, path: Path, scores: str | None) -> Labelled:
    if not isinstance(row, Mapping):
        raise ValueError(f"expected an object, got {shown(row)}")
    shape = next((shape for shape in _SHAPES if shape.label in row), None)
    if shape is None:
        labels = ", ".join(shape.label for shape in _SHAPES)
        got = ", ".join(row) or "no columns"
        raise ValueError(f"expected a column of labels, one of {labels}, got {got}")
    steps = _steps(row, shape.steps)
    return Labelled(
        problem=_text(row, shape.problem),
        steps=steps,
        first_error=_first_error(row[shape.label], shape, len(steps)),
        final_right=shape.final_right(row),
        subset=path.stem if row.get("subset") is None else _text(row, "subset"),
        scores=None if scores is None else _scores(row, scores, len(steps)),
    )


def _text(row: Row, name: str) -> str:
    if not isinstance(value := row.get(name), str):
        raise ValueError(f"{name}: expected a text, got {shown(value)}")
    return _checked(value, name)


def _steps(row: Row, name: str) -> Sequence[str]:
    steps = row.get(name)
    if not isinstance(steps, list) or not steps or not all(isinstance(one, str) for one in steps):
        raise ValueError(f"{name}: expected a list of one text or more, got {shown(steps)}")
    return [_checked(one, name) for one in steps]


def _checked(text: str, name: str) -> str:
    """The text without lone surrogates, which tokenizers and terminals reject. Raises ValueError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: expected text without lone surrogates, got {shown(text)}") from None
    return text


def _first_error(label: object, shape: _Shape, num_steps: int) -> int | None:
    if label == shape.all_right and type(label) is type(shape.all_right):
        return None
    last = shape.first + num_steps - 1
    if not isinstance(label, int) or isinstance(label, bool) or not shape.first <= label <= last:
        raise ValueError(
            f"{shape.label}: expected {shown(shape.all_right)} or a step from {shape.first} to {last}, "
            f"got {shown(label)}"
        )
    return label - shape.first


def _scores(row: Row, name: str, num_steps: int) -> Sequence[float] | None:
    if name not in row:
        raise ValueError(
            f"{name}: expected a list of scores, got no such column; --prm MODEL scores the steps"
        )
    values = row[name]
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != num_steps:
        got = f"{len(values)}" if isinstance(values, list) else shown(values)
        raise ValueError(f"{name}: expected {num_steps} scores, one for each step, got {got}")
    for value in values:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise ValueError(f"{name}: expected scores from 0 to 1, got {shown(value)}")
    return values


def _said(row: Row) -> bool | None:
    value = row.get("final_answer_correct")
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"final_answer_correct: expected true, false or null, got {shown(value)}")
    return value


def _correctness(row: Row) -> bool:
    value = row.get(name := "model_output_answer_correctness")
    if value not in ("correct", "wrong"):
        raise ValueError(f"{name}: expected correct or wrong, got {shown(value)}")
    return value == "correct"


def _same_answer(row: Row) -> bool:
    answer = row.get("answer")
    return isinstance(answer, str) and answer.strip() == _text(row, "target").strip()


_SHAPES = (
    _Shape("problem", "steps", "label", -1, _said),
    _Shape("input", "steps", "mistake_index", None, _same_answer),
    _Shape(
        "question",
        "model_output_steps",
        "model_output_solution_first_error_step",
        "N/A",
        _correctness,
        first=1,
    ),
)
