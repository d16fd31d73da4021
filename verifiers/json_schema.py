"""`json_schema`: checks the response's JSON against a JSON Schema (Draft 2020-12).

The JSON is the first of these that exists: the last block fenced as ```json (up to the end of the text
if unclosed); the whole response, if it is JSON; the last object or array in the text. Only a fenced
block declares that JSON was meant: if it does not parse, the verdict is FAIL; otherwise it is ABSTAIN.
Parsing is strict: duplicate keys, NaN and Infinity are not JSON.

Checks run in a process with time and memory limits, because schemas contain regular expressions and
references. References are never fetched. Numbers and nesting beyond Python's limits are errors.
`format` is an annotation, as in the standard, and is not checked.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.records import Outcome, Target, Verdict, VerifierBase

_FENCE = re.compile(r"^[ \t]*```json[ \t]*$\n?(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.M | re.S | re.I)
_OPENING = re.compile(r"(?<![\w\\)}\]])[{\[]")
"""Not after a word or a closing bracket, as in LaTeX: \\frac{}{}, x[1]."""
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOST_DIGITS = 4000
"""Python refuses to parse longer integers."""
_SHOWN_CHARACTERS = 200

Answer = tuple[Outcome, str, str | None, dict[str, object]]
"""Outcome, reason, the JSON found, evidence."""


class NotJson(ValueError):
    """The text is not JSON; the message says why, `position` says where parsing stopped."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class JsonSchemaVerifier(VerifierBase):
    """Checks structured output."""

    class Config(BaseModel):
        """The schema, if all problems share one, and limits."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        default_schema: dict[str, Any] | bool | None = None
        """Schema for targets without their own."""
        timeout_seconds: float = Field(default=5.0, gt=0)
        """Hard limit on one check."""
        memory_mb: int = Field(default=512, ge=64)
        """Hard limit on a checking process's memory, beyond its imports."""
        check_processes: int = Field(default=1, ge=1)
        """Checking processes."""

        @field_validator("default_schema")
        @classmethod
        def _schema_is_valid(cls, schema: object) -> object:
            if schema is not None and (problem := complaint(schema)):
                raise ValueError(f"expected a JSON Schema of Draft 2020-12, but {problem}")
            return schema

    name = "json_schema"
    version = "1"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._workers = ProcessWorkers(
            check,
            max_workers=config.check_processes,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["jsonschema", "jsonschema_specifications"],
        )

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without JSON; ERROR for a bad schema or an exceeded limit."""
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
        )

    async def start(self) -> None:
        """Starts the checking processes, so that the first check does not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the checking processes. Calling it twice is safe."""
        await self._workers.close()


def check(question: tuple[object, str]) -> Answer:
    """Checks a (schema, response) pair. Runs in a checking process."""
    schema, response = question
    if problem := complaint(schema):
        return Outcome.ERROR, f"target.tests.schema: {problem}", None, {}
    try:
        found = find_json(response)
    except NotJson as e:
        return Outcome.FAIL, f"the block marked as json is not JSON: {_one_line(str(e))}", None, {}
    except RecursionError:
        return Outcome.ERROR, "the JSON is nested too deeply", None, {}
    if found is None:
        return Outcome.ABSTAIN, "the response has no JSON", None, {}
    if found.too_big is not None:
        return Outcome.ERROR, f"the JSON cannot be checked: {found.too_big}", found.text, {}
    if found.flaw is not None:
        return Outcome.FAIL, f"it is not valid JSON: {found.flaw}", found.text, {}
    outcome, reason, evidence = _validate(schema, found.value)
    return outcome, reason, found.text, evidence


def find_json(response: str) -> "Found | None":
    """The JSON in a response, by the module's rule. Raises NotJson for a bad fenced block."""
    if blocks := _FENCE.findall(response):
        return read_json(blocks[-1].strip())
    text = response.strip()
    try:
        found = read_json(text)
    except NotJson:
        return _last_in_prose(text)
    # A bare "NaN" is a word.
    return None if found.flaw and not isinstance(found.value, dict | list) else found


@dataclass(slots=True)
class Found:
    """A text that parses as JSON, possibly with a flaw."""

    text: str = ""
    value: Any = None
    flaw: str | None = None
    """Feature that strict JSON forbids; None if there is none."""
    too_big: str | None = None
    """Part that is JSON, but exceeds Python's limits; None if there is none."""

    def take_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Reads an object."""
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                self.flaw = f"the key {key[:_SHOWN_CHARACTERS]!r} appears twice in one object"
            seen.add(key)
        return dict(pairs)

    def take_constant(self, name: str) -> float:
        """Reads NaN, Infinity or -Infinity."""
        self.flaw = f"it has {name}"
        return math.nan  # unused: flawed JSON is never compared with a schema

    def take_integer(self, digits: str) -> int:
        """Reads an integer."""
        if len(digits) > _MOST_DIGITS:
            self.too_big = f"a number has {len(digits)} digits"
            return 0  # unused as well
        return int(digits)

    def take_float(self, digits: str) -> float:
        """Reads a number with a fraction or an exponent."""
        value = float(digits)
        if math.isinf(value):
            self.too_big = "a number is beyond the range of floats"
        return value


def read_json(text: str, start: int | None = None) -> Found:
    """Reads the whole text, or the value that begins at `start`. Raises JSONDecodeError as NotJson."""
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
        # An unclosed string runs to the end of the text; the error reports where it begins.
        position = len(text) if e.msg.startswith("Unterminated") else e.pos
        raise NotJson(str(e), position) from e
    return found


def _last_in_prose(text: str) -> Found | None:
    """The last object or array. Values nested inside broken JSON are skipped: they are only parts."""
    found, position = None, 0
    while opening := _OPENING.search(text, position):
        try:
            found = read_json(text, opening.start())
            position = opening.start() + len(found.text)
        except NotJson as e:
            position = max(e.position, opening.start() + 1)
            if position >= len(text):
                # JSON that breaks off comes last, and its value is unknown.
                return None
    return found


def complaint(schema: object) -> str | None:
    """Description of the schema's first fault, in one line; None if it is valid."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError

    if not isinstance(schema, Mapping | bool):
        return f"expected a schema in the target or the config, got {type(schema).__name__}"
    draft = schema.get("$schema", _DRAFT) if isinstance(schema, Mapping) else _DRAFT
    if not isinstance(draft, str) or draft.rstrip("#") != _DRAFT:
        return f"expected $schema to be {_DRAFT}, got {str(draft)[:_SHOWN_CHARACTERS]!r}"
    try:
        # No formats: which of them can be checked depends on the installed packages.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(["regex"]))
    except SchemaError as e:
        return f"it is not a valid schema: at {e.json_path}: {_one_line(e.message)}"
    except RecursionError:
        return "it is nested too deeply"
    return None


def _validate(schema: Any, value: Any) -> tuple[Outcome, str, dict[str, object]]:
    from jsonschema import Draft202012Validator, validators
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable

    exact = validators.extend(Draft202012Validator, {"multipleOf": _multiple_of})
    try:
        # An explicit registry cannot fetch references that it does not hold.
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
    """Compares as decimals: 19.99 is a multiple of 0.01, but not in binary floats."""
    from jsonschema import ValidationError

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and Fraction(repr(value)) % Fraction(repr(divisor)):
        yield ValidationError(f"{value!r} is not a multiple of {divisor!r}")


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
