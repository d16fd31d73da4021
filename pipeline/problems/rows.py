"""Converts a row of named columns to a problem, by a field map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from pipeline.problems import BadRow, SourceConfig
from pipeline.problems.columns import Columns, wrong
from pipeline.problems.programs import PROGRAM_PRESETS, Options, ProgramPreset
from pipeline.problems.programs.shape import text
from pipeline.records import Problem
from verifiers import Target
from verifiers.code.targets import KINDS, check_target, target_of
from verifiers.mistakes import shown
from verifiers.records import gold_text, read_target

_PRESETS: dict[str, dict[str, str | None]] = {
    # openai/gsm8k: the worked solution ends with "#### " and the answer.
    "gsm8k": {"prompt": "question", "answer": "answer", "answer_after": "####"},
    "plain": {"prompt": "prompt", "answer": "answer", "answer_after": None},
}
_TESTED = ("humaneval", "code", "target", *PROGRAM_PRESETS)
"""Presets whose targets are more than a gold answer."""
_DOMAINS = {"": "math", "gsm8k": "math", "plain": "math", "humaneval": "code", "code": "code"}
_DOMAINS |= dict.fromkeys(PROGRAM_PRESETS, "code")


Preset = Literal[
    "gsm8k", "plain", "humaneval", "code", "target", "apps", "taco", "codecontests", "codeforces",
    "livecodebench", "kodcode", "mbpp", "bigcodebench",
]  # fmt: skip


class RowConfig(SourceConfig):
    """The columns that make a problem."""

    preset: Preset | None = None
    """Columns of a known format. `gsm8k`: `question`, and `answer` with the gold answer after `####`;
    `plain`: `prompt`, `answer`; `humaneval`: `prompt`, `test`, `entry_point`; `code`: `prompt`, and
    `target` for the verifier `code`; `target`: `prompt`, and `target` with a `kind` and the data that
    the run's verifier takes; others: the columns of the dataset of that name on the Hub. Default:
    `plain` if a column is named below or `answers` is `none`, else `gsm8k`."""
    prompt_field: str | None = None
    """Column with the problem's text; default: the preset's."""
    answer_field: str | None = None
    """Column with the gold answer; default: the preset's; null means `answers: none`."""
    answers: Literal["required", "optional", "none"] = "required"
    """Rows without a gold answer: `required` makes them bad rows; `optional` makes them problems
    without one if the column is missing, null or blank; `none` reads no gold answers at all."""
    answer_after: str | None = None
    """Mark before the gold answer: the answer is the text after its last occurrence; "" takes the
    whole field."""
    id_field: str | None = None
    """Column with the row's own id, stored as `source_id`; default: the first of `id`, `unique_id`,
    `problem_id`, `task_id`, `question_id`, `uid`, `uuid`, `idx` that a row has."""
    meta_fields: tuple[str, ...] | Literal["all"] = ()
    """Columns to keep with the problem; `all` keeps every otherwise unused column. Columns that
    `prompt.template` uses are always kept."""
    target_kind: str = Field(default="math", min_length=1)
    """Kind of the target, which selects the check."""
    domain: str | None = None
    """Domain of the problems; default: `code` for the presets of code, the target's kind for
    `target`, else `math`."""

    language: Literal["python", "cpp", "javascript", "java"] = "python"
    """Language of the programs that solve a contest's problems."""
    time_factor: float | None = Field(default=None, gt=0)
    """Factor for a contest's time limits; default: 1 for C++, 2 for Java, else 5."""
    rule: Literal["exact", "whitespace", "tokens", "numbers"] | None = None
    """Rule that compares the output of a contest's programs; default: `whitespace`."""

    @model_validator(mode="before")
    @classmethod
    def _read_null(cls, given: object) -> object:
        if not isinstance(given, Mapping) or "answers" in given or given.get("preset") in _TESTED:
            return given
        no_column = "answer_field" in given and given["answer_field"] is None
        return {**given, "answers": "none"} if no_column else given

    @model_validator(mode="after")
    def _check_answers(self) -> "RowConfig":
        if self.answers != "required" and self.has_tests:
            raise ValueError(
                f"`answers: {self.answers}` needs a preset with answers, got {self.preset}"
            )
        if self.answers == "none" and self.answer_field is not None:
            raise ValueError(f"`answers: none` excludes answer_field, got {self.answer_field!r}")
        return self

    def field_map(self) -> tuple[str, str, str | None]:
        """Prompt column, answer column, and the mark before the answer, if any."""
        columns = (self.prompt_field, self.answer_field)
        named = columns != (None, None) or self.answers == "none"
        preset = _PRESETS[self.preset or ("plain" if named else "gsm8k")]
        after = preset["answer_after"] if self.answer_after is None else self.answer_after
        prompt, answer = preset["prompt"], preset["answer"]
        assert prompt is not None
        assert answer is not None
        return self.prompt_field or prompt, self.answer_field or answer, after or None

    @property
    def has_tests(self) -> bool:
        """Whether a problem's target is more than a gold answer."""
        return self.preset in _TESTED

    @property
    def program(self) -> ProgramPreset | None:
        """The reader of the rows, if the preset is a set of programming problems."""
        return PROGRAM_PRESETS.get(self.preset or "")

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """Columns that can hold a programming problem's text; the first in a row is used."""
        if self.prompt_field or self.program is None:
            return (self.prompt_field or "prompt",)
        return self.program.prompts

    @property
    def gold_columns(self) -> tuple[str, ...]:
        """Columns with the gold answer or the tests."""
        if program := self.program:
            return program.golds
        if self.has_tests:
            return ("test",) if self.preset == "humaneval" else ("target",)
        return () if self.answers == "none" else (self.field_map()[1],)

    @property
    def gold_keys(self) -> tuple[str, ...]:
        """The keys of the gold answer in a row."""
        return ("target", "value") if self.has_tests else (self.field_map()[1],)

    @property
    def used_columns(self) -> tuple[str, ...]:
        """Columns used for a problem's text and target."""
        if not self.has_tests:
            return (self.field_map()[0], *self.gold_columns)
        if program := self.program:
            return (*self.prompt_columns, *program.golds, *program.others)
        entry_point = ("entry_point",) if self.preset == "humaneval" else ()
        return (self.prompt_field or "prompt", *self.gold_columns, *entry_point)


class RowSource:
    """A source whose rows have named columns."""

    def __init__(self, config: RowConfig) -> None:
        self.columns = Columns(
            used=config.used_columns, kept=config.meta_fields, id_field=config.id_field
        )

    @property
    def unused_columns(self) -> Sequence[str]:
        """Unused columns of the first rows."""
        return self.columns.unused


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Origin of a row."""

    where: str
    source: str
    split: str | None = None


def to_problem(row: object, config: RowConfig, columns: Columns, place: Place) -> Problem | BadRow:
    """The row's problem, or a BadRow with its fault."""
    where = place.where
    if not isinstance(row, Mapping):
        return BadRow(where=where, reason=f"expected a row of named fields, got {shown(row)}")
    if config.has_tests:
        return _to_tested_problem(row, config, columns, place)
    prompt_field, answer_field, after = config.field_map()
    prompt = row.get(prompt_field)
    if not isinstance(prompt, str) or not prompt.strip():
        return _bad(where, prompt_field, "a text that is not empty", row)
    if not is_unicode(prompt):
        return _bad(where, prompt_field, "a text without lone surrogates", row)
    target = _read_target(row, config, answer_field, after, where)
    if isinstance(target, BadRow):
        return target
    worked = None
    if config.variants.numbers and after is not None and target.value is not None:
        worked = gold_text(row[answer_field]).rpartition(after)[0].strip()
    return _create(row, config, columns, prompt, target, place, worked)


def _read_target(
    row: Mapping[str, object], config: RowConfig, answer_field: str, after: str | None, where: str
) -> Target | BadRow:
    """The target, with or without gold answer, or a BadRow with its fault."""
    answer = row.get(answer_field)
    missing = answer is None or (isinstance(answer, str) and not answer.strip())
    if config.answers == "none" or (config.answers == "optional" and missing):
        return Target(kind=config.target_kind)
    try:
        answer = gold_text(answer)
    except ValueError as e:
        if answer_field in row:
            return BadRow(where=where, reason=f"field {answer_field!r}: {e}")
        return _bad(where, answer_field, "a text or a number", row)
    if not is_unicode(answer):
        return _bad(where, answer_field, "a text without lone surrogates", row)
    if after is not None:
        _, mark, answer = answer.rpartition(after)
        if not mark:
            return _bad(where, answer_field, f"an answer after {after!r}", row)
    if not answer.strip():
        return _bad(where, answer_field, "an answer that is not empty", row)
    return Target(kind=config.target_kind, value=answer.strip())


def _to_tested_problem(
    row: Mapping[str, object], config: RowConfig, columns: Columns, place: Place
) -> Problem | BadRow:
    """Reads HumanEval's columns, `prompt` and `target`, or those of a set of programming problems."""
    if config.program is not None:
        return _to_program_problem(row, config, config.program, columns, place)
    names = ("test", "entry_point") if config.preset == "humaneval" else ("target",)
    prompt_field = config.prompt_field or "prompt"
    for name in (prompt_field, *names):
        value = row.get(name)
        wanted = dict if name == "target" else str
        if not isinstance(value, wanted) or not value or not is_unicode(str(value)):
            return _bad(place.where, name, f"{wanted.__name__} that is not empty", row)
    prompt = str(row[prompt_field])
    try:
        target = _tested_target(row, config.preset, prompt)
    except ValueError as e:
        return BadRow(where=place.where, reason=str(e))
    return _create(row, config, columns, prompt, target, place)


def _to_program_problem(
    row: Mapping[str, object],
    config: RowConfig,
    preset: ProgramPreset,
    columns: Columns,
    place: Place,
) -> Problem | BadRow:
    options = Options(language=config.language, time_factor=config.time_factor, rule=config.rule)
    try:
        read = preset.read(row, text(row, *config.prompt_columns), options)
        if not is_unicode(read.prompt):
            raise ValueError(wrong(row, config.prompt_columns[0], "a text without lone surrogates"))
        target = target_of(read.target)
        check_target(target)
    except ValueError as e:
        return BadRow(where=place.where, reason=str(e))
    return _create(row, config, columns, read.prompt, target, place)


def _tested_target(row: Mapping[str, object], preset: str | None, prompt: str) -> Target:
    """Raises ValueError for a fault; targets of third-party verifiers are not checked."""
    if preset == "humaneval":
        tests = {"prompt": prompt, "tests": row["test"], "entry_point": row["entry_point"]}
        target = Target(kind="asserts", tests=tests)
    elif preset == "target":
        target = _any_target(row["target"])
        if target.kind not in KINDS:
            return target
    else:
        given = row["target"]
        assert isinstance(given, Mapping)
        target = target_of(given)
    check_target(target)
    return target


def _any_target(given: object) -> Target:
    try:
        return read_target(given)
    except ValueError as e:
        raise ValueError(f"field 'target': {e}") from e


def _create(
    row: Mapping[str, object],
    config: RowConfig,
    columns: Columns,
    prompt: str,
    target: Target,
    place: Place,
    worked: str | None = None,
) -> Problem | BadRow:
    try:
        found = columns.read(row)
    except ValueError as e:
        return BadRow(where=place.where, reason=str(e))
    return Problem.create(
        prompt=prompt.strip(),
        target=target,
        source=place.source,
        domain=config.domain or _DOMAINS.get(config.preset or "", target.kind),
        split=place.split,
        meta=found.meta,
        asked=found.asked,
        source_id=found.source_id,
        where=place.where,
        worked=worked,
    )


def _bad(where: str, name: str, expected: str, row: Mapping[str, object]) -> BadRow:
    return BadRow(where=where, reason=wrong(row, name, expected))


def is_unicode(text: str) -> bool:
    """False for lone surrogates, which JSON can contain but tokenizers and datasets reject."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
