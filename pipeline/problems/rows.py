"""Turns a row of named columns into a problem, by a field map."""

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
"""Presets of targets that are more than a gold answer."""
_DOMAINS = {"": "math", "gsm8k": "math", "plain": "math", "humaneval": "code", "code": "code"}
_DOMAINS |= dict.fromkeys(PROGRAM_PRESETS, "code")


Preset = Literal[
    "gsm8k", "plain", "humaneval", "code", "target", "apps", "taco", "codecontests", "codeforces",
    "livecodebench", "kodcode", "mbpp", "bigcodebench",
]  # fmt: skip


class RowConfig(SourceConfig):
    """Which columns a problem is made of."""

    preset: Preset | None = None
    """`gsm8k`: `question`, and `answer` with the gold after `####`; `plain`: `prompt`, `answer`;
    `humaneval`: `prompt`, `test`, `entry_point`; `code`: `prompt`, and `target` with what the
    verifier `code` takes; `target`: `prompt`, and `target` with a `kind` and whatever the run's
    verifier takes; the others: the columns that the set of that name has on the Hub. If not given:
    `plain` where a column is named below or there are no answers, else `gsm8k`."""
    prompt_field: str | None = None
    """The column with the problem's text, if not the preset's."""
    answer_field: str | None = None
    """The column with the gold answer, if not the preset's; null says `answers: none`."""
    answers: Literal["required", "optional", "none"] = "required"
    """`required`: a row without a gold answer is a bad row; `optional`: it is a problem without one,
    where the column is missing, null or blank; `none`: no row has any, no column is read for it."""
    answer_after: str | None = None
    """The gold answer is what follows the last of these marks; "" if the whole field is."""
    id_field: str | None = None
    """The column with the row's own id, kept as `source_id`. If not given: the first of `id`,
    `unique_id`, `problem_id`, `task_id`, `question_id`, `uid`, `uuid`, `idx` that a row has."""
    meta_fields: tuple[str, ...] | Literal["all"] = ()
    """Columns to keep with the problem; `all` keeps every one that is not used otherwise. Those that
    `prompt.template` takes are kept without being named."""
    target_kind: str = Field(default="math", min_length=1)
    """Names the sort of check."""
    domain: str | None = None
    """If not given: `code` for the presets of code, the target's kind for `target`, else `math`."""

    language: Literal["python", "cpp", "javascript", "java"] = "python"
    """Of the programs that a contest's problems are to be solved in."""
    time_factor: float | None = Field(default=None, gt=0)
    """By which a contest's time limits are multiplied. If not given: 1 for C++, 2 for Java, else 5."""
    rule: Literal["exact", "whitespace", "tokens", "numbers"] | None = None
    """By which the output of a contest's programs is compared. If not given: `whitespace`."""

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
            raise ValueError(f"`answers: {self.answers}` goes with rows of answers, not {self.preset}")
        if self.answers == "none" and self.answer_field is not None:
            raise ValueError(f"`answers: none` goes without answer_field, got {self.answer_field!r}")
        return self

    def field_map(self) -> tuple[str, str, str | None]:
        """Prompt column, answer column, and the mark before the answer if there is one."""
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
        """How rows are read, if the preset is a set of programming problems."""
        return PROGRAM_PRESETS.get(self.preset or "")

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """Columns that can hold a programming problem's text; the first that a row has is taken."""
        if self.prompt_field or self.program is None:
            return (self.prompt_field or "prompt",)
        return self.program.prompts

    @property
    def gold_columns(self) -> tuple[str, ...]:
        """Columns that say what is right."""
        if program := self.program:
            return program.golds
        if self.has_tests:
            return ("test",) if self.preset == "humaneval" else ("target",)
        return () if self.answers == "none" else (self.field_map()[1],)

    @property
    def gold_keys(self) -> tuple[str, ...]:
        """The keys to the gold answer inside a row."""
        return ("target", "value") if self.has_tests else (self.field_map()[1],)

    @property
    def used_columns(self) -> tuple[str, ...]:
        """Columns that a problem's text and target are made of."""
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
        """Columns of the first rows that nothing uses."""
        return self.columns.unused


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row comes from."""

    where: str
    source: str
    split: str | None = None


def to_problem(row: object, config: RowConfig, columns: Columns, place: Place) -> Problem | BadRow:
    """The row's problem, or what is wrong with it."""
    where = place.where
    if not isinstance(row, Mapping):
        return BadRow(where=where, reason=f"expected a row of named fields, got {shown(row)}")
    if config.has_tests:
        return _to_tested_problem(row, config, columns, place)
    prompt_field, answer_field, after = config.field_map()
    prompt = row.get(prompt_field)
    if not isinstance(prompt, str) or not prompt.strip():
        return _bad(where, prompt_field, "a text that is not empty", row)
    if not _is_unicode(prompt):
        return _bad(where, prompt_field, "a text without lone surrogates", row)
    target = _read_target(row, config, answer_field, after, where)
    if isinstance(target, BadRow):
        return target
    return _create(row, config, columns, prompt, target, place)


def _read_target(
    row: Mapping[str, object], config: RowConfig, answer_field: str, after: str | None, where: str
) -> Target | BadRow:
    """The gold answer, or that there is none, or what is wrong with it."""
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
    if not _is_unicode(answer):
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
    """HumanEval's columns, `prompt` and `target`, or those of a set of programming problems."""
    if config.program is not None:
        return _to_program_problem(row, config, config.program, columns, place)
    names = ("test", "entry_point") if config.preset == "humaneval" else ("target",)
    prompt_field = config.prompt_field or "prompt"
    for name in (prompt_field, *names):
        value = row.get(name)
        wanted = dict if name == "target" else str
        if not isinstance(value, wanted) or not value or not _is_unicode(str(value)):
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
        if not _is_unicode(read.prompt):
            raise ValueError(wrong(row, config.prompt_columns[0], "a text without lone surrogates"))
        target = target_of(read.target)
        check_target(target)
    except ValueError as e:
        return BadRow(where=place.where, reason=str(e))
    return _create(row, config, columns, read.prompt, target, place)


def _tested_target(row: Mapping[str, object], preset: str | None, prompt: str) -> Target:
    """Raises ValueError, which says what is wrong; what a user's own verifier takes is not checked."""
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
) -> Problem | BadRow:
    try:
        beside = columns.read(row)
    except ValueError as e:
        return BadRow(where=place.where, reason=str(e))
    return Problem.create(
        prompt=prompt.strip(),
        target=target,
        source=place.source,
        domain=config.domain or _DOMAINS.get(config.preset or "", target.kind),
        split=place.split,
        meta=beside.meta,
        asked=beside.asked,
        source_id=beside.source_id,
        where=place.where,
    )


def _bad(where: str, name: str, expected: str, row: Mapping[str, object]) -> BadRow:
    return BadRow(where=where, reason=wrong(row, name, expected))


def _is_unicode(text: str) -> bool:
    """JSON can spell half a character, which no tokenizer and no dataset takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
