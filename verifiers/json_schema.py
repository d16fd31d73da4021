"""`json_schema`: is the response's JSON valid by a JSON Schema (Draft 2020-12)?

The JSON is, in this order: the last block fenced as ```json, to the text's end if it is not closed;
the whole response if that is JSON; the last object or array that stands in the text. Only the first
of these says that JSON was meant: what does not parse there is a failure, elsewhere an abstention.
JSON is read strictly: an object with one key twice, NaN and Infinity are none.

All of it runs in a process with limits on time and memory, since schemas have regular expressions and
references. No reference is ever fetched. Numbers and nesting beyond what Python holds are errors, and
`format` is an annotation, as the standard has it: it is not checked.
"""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from verifiers.records import Outcome, Target, Verdict
from verifiers.workers import CheckFailed, ProcessWorkers

_FENCE = re.compile(r"^[ \t]*```json[ \t]*$\n?(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.M | re.S | re.I)
_OPENING = re.compile(r"(?<![\w\\)}\]])[{\[]")
"""Not after a word or another bracket's end, as in LaTeX: \\frac{}{}, x[1]."""
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOST_DIGITS = 4000
"""Python refuses to read longer numbers."""
_SHOWN_CHARACTERS = 200

Answer = tuple[Outcome, str, str | None, dict[str, object]]
"""Outcome, reason, the JSON found, evidence."""


class NotJson(ValueError):
    """The text is no JSON; the message says why, and `position` where reading ended."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class JsonSchemaVerifier:
    """Checks structured output."""

    class Config(BaseModel):
        """The schema, if all problems share one, and limits."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        default_schema: dict[str, Any] | bool | None = None
        """For targets that bring none."""
        timeout_seconds: float = Field(default=5.0, gt=0)
        """Hard limit on one check."""
        memory_mb: int = Field(default=512, ge=64)
        """Hard limit on a checking process, beyond its imports."""
        workers: int = Field(default=1, ge=1)
        """Checking processes."""

        @field_validator("default_schema")
        @classmethod
        def _schema_is_valid(cls, schema: object) -> object:
            if schema is not None and (problem := complaint(schema)):
                raise ValueError(f"expected a JSON Schema of Draft 2020-12, but {problem}")
            return schema

    name = "json_schema"
    version = "1"
    target_kinds = None

    def __init__(self, config: Config) -> None:
        self.config = config
        self._workers = ProcessWorkers(
            check,
            max_workers=config.workers,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["jsonschema", "jsonschema_specifications"],
        )

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without JSON; ERROR for a bad schema or over a limit."""
        start = time.perf_counter()
        schema = target.tests.get("schema")
        schema = self.config.default_schema if schema is None else schema
        try:
            outcome, reason, extracted, evidence = await self._workers.run((schema, response))
        except CheckFailed as e:
            outcome, reason, extracted, evidence = Outcome.ERROR, _one_line(str(e)), None, {}
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=extracted,
            no_answer=outcome is Outcome.ABSTAIN and extracted is None,
            evidence=evidence,
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def start(self) -> None:
        """Starts the checking processes, so that the first check need not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the checking processes; calling it twice is fine."""
        await self._workers.close()


def check(question: tuple[object, str]) -> Answer:
    """Checks a (schema, response) pair; runs in a checking process."""
    schema, response = question
    if problem := complaint(schema):
        return Outcome.ERROR, f"target.tests.schema: {problem}", None, {}
    try:
        found = find_json(response)
    except NotJson as e:
        return Outcome.FAIL, f"the block marked as json is none: {_one_line(str(e))}", None, {}
    except RecursionError:
        return Outcome.ERROR, "the JSON is nested too deeply", None, {}
    if found is None:
        return Outcome.ABSTAIN, "the response has no JSON", None, {}
    if found.too_big is not None:
        return Outcome.ERROR, f"the JSON cannot be checked: {found.too_big}", found.text, {}
    if found.flaw is not None:
        return Outcome.FAIL, f"it is no JSON: {found.flaw}", found.text, {}
    outcome, reason, evidence = _validate(schema, found.value)
    return outcome, reason, found.text, evidence


def find_json(response: str) -> "Found | None":
    """The JSON in a response, by the module's rule. Raises NotJson for a block that is none."""
    if blocks := _FENCE.findall(response):
        return read_json(blocks[-1].strip())
    text = response.strip()
    try:
        found = read_json(text)
    except NotJson:
        return _last_in_prose(text)
    # A lone "NaN" is a word.
    return None if found.flaw and not isinstance(found.value, dict | list) else found


@dataclass(slots=True)
class Found:
    """A text that reads as JSON, perhaps with a flaw."""

    text: str = ""
    value: Any = None
    flaw: str | None = None
    """What strict JSON forbids in it."""
    too_big: str | None = None
    """What in it is JSON, but beyond what Python holds."""

    def take_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Reads an object."""
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                self.flaw = f"the key {key[:_SHOWN_CHARACTERS]!r} stands twice in one object"
            seen.add(key)
        return dict(pairs)

    def take_constant(self, name: str) -> float:
        """Reads NaN and its like."""
        self.flaw = f"it has {name}"
        return math.nan  # of no account: what has a flaw is never compared with a schema

    def take_integer(self, digits: str) -> int:
        """Reads an integer."""
        if len(digits) > _MOST_DIGITS:
            self.too_big = f"a number has {len(digits)} digits"
            return 0  # of no account either
        return int(digits)

    def take_float(self, digits: str) -> float:
        """Reads a number with a fraction or an exponent."""
        value = float(digits)
        if math.isinf(value):
            self.too_big = "a number is beyond the range of floats"
        return value


def read_json(text: str, start: int | None = None) -> Found:
    """All of the text, or what begins at `start`. Raises JSONDecodeError as NotJson."""
    found = Found()
    decoder = json.JSONDecoder(
        object_pairs_hook=found.take_object,
        parse_constant=found.take_constant,
        parse_int=found.take_integer,
        parse_float=found.take_float,
    )
    try:
        if start is None:
            found.value, found.text = decoder.decode(text), text
        else:
            found.value, end = decoder.raw_decode(text, start)
            found.text = text[start:end]
    except json.JSONDecodeError as e:
        # A text without its end runs to the end; the error says where it begins.
        position = len(text) if e.msg.startswith("Unterminated") else e.pos
        raise NotJson(str(e), position) from e
    return found


def _last_in_prose(text: str) -> Found | None:
    """The last object or array. What broken JSON holds inside is not looked at: it is a part only."""
    found, position = None, 0
    while opening := _OPENING.search(text, position):
        try:
            found = read_json(text, opening.start())
            position = opening.start() + len(found.text)
        except NotJson as e:
            position = max(e.position, opening.start() + 1)
            if position >= len(text):
                # JSON that breaks off is the last, and nothing is known of it.
                return None
    return found


def complaint(schema: object) -> str | None:
    """What is wrong with the schema, in one line; None if nothing is."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError

    if not isinstance(schema, Mapping | bool):
        return f"expected a schema in the target or the config, got {type(schema).__name__}"
    draft = schema.get("$schema", _DRAFT) if isinstance(schema, Mapping) else _DRAFT
    if not isinstance(draft, str) or draft.rstrip("#") != _DRAFT:
        return f"expected $schema to be {_DRAFT}, got {str(draft)[:_SHOWN_CHARACTERS]!r}"
    try:
        # Not all formats: which of them can be checked depends on what else is installed.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(["regex"]))
    except SchemaError as e:
        return f"it is no valid schema: at {e.json_path}: {_one_line(e.message)}"
    except RecursionError:
        return "it is nested too deeply"
    return None


def _validate(schema: Any, value: Any) -> tuple[Outcome, str, dict[str, object]]:
    from jsonschema import Draft202012Validator, validators
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable

    exact = validators.extend(Draft202012Validator, {"multipleOf": _multiple_of})
    try:
        # A registry given by hand has no way to fetch what it does not hold.
        error = next(exact(schema, registry=REGISTRY).iter_errors(value), None)
    except Unresolvable as e:
        return Outcome.ERROR, f"the schema refers to {e.ref!r}, which is not in it", {}
    except RecursionError:
        return Outcome.ERROR, "the JSON or the schema is nested too deeply", {}
    if error is None:
        return Outcome.PASS, "valid by the schema", {}
    message = _one_line(error.message)
    evidence: dict[str, object] = {"path": error.json_path, "message": message}
    return Outcome.FAIL, f"at {error.json_path}: {message}", evidence


def _multiple_of(_: Any, divisor: Any, value: Any, __: Any) -> Any:
    """As decimals: 19.99 is a multiple of 0.01, which binary floats deny."""
    from jsonschema import ValidationError

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and Fraction(repr(value)) % Fraction(repr(divisor)):
        yield ValidationError(f"{value!r} is not a multiple of {divisor!r}")


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
