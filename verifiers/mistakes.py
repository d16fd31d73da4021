"""Turns pydantic's validation errors into plain words for the user.

A table maps each error type to the expected value. No wording of pydantic's reaches the user: for a
type outside the table the first word of its name is looked up, and anything else gets a plain sentence.
The module is in this package, below the pipeline, because targets are validated by pydantic too.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_EXPECTED = {
    "greater_than": "a number over {gt}",
    "greater_than_equal": "a number of {ge} or more",
    "less_than": "a number under {lt}",
    "less_than_equal": "a number of {le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_unicode": "a text without lone surrogates",
    "union_tag_invalid": "one of {expected_tags}",
    "union_tag_not_found": "{discriminator} in it",
    "invalid_key": "keys that are texts",
    "recursion_loop": "values that do not contain themselves",
    "none_required": "null",
}
"""Error type -> expected value; names in braces come from the error's context."""
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "complex": "a number",
    "bool": "true or false",
    "string": "a text",
    "bytes": "a text",
    "path": "a path",
    "url": "an address",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen": "a list",
    "iterable": "a list",
    "sequence": "a list",
    "dict": "keys and values",
    "mapping": "keys and values",
    "model": "keys and values",
    "dataclass": "keys and values",
    "datetime": "a date and time",
    "date": "a date",
    "time": "a time",
    "timedelta": "a duration",
}
"""First word of an error type -> expected value."""
_LONGEST = 60


def first_mistake(error: ValidationError) -> Mapping[str, Any]:
    """The error to report: an unknown key first, since a misspelt key goes missing too."""
    errors = error.errors(include_url=False)
    return next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])


def sentence(mistake: Mapping[str, Any]) -> str:
    """One entry of `ValidationError.errors()` in plain words, without its key."""
    kind, context = mistake["type"], mistake.get("ctx") or {}
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in ("value_error", "assertion_error"):
        # Raised by the model's own validators, whose messages are written for the user.
        return one_line(str(context.get("error", ""))) or f"cannot be {shown(mistake['input'])}"
    got = context["tag"] if kind == "union_tag_invalid" else mistake["input"]
    return f"expected {_expected(kind, context)}, got {shown(got)}"


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "a text that is not empty"
    if kind in _EXPECTED:
        return _EXPECTED[kind].format_map({name: _number(value) for name, value in context.items()})
    return _KINDS.get(kind.partition("_")[0], "another kind of value")


def _number(value: object) -> object:
    """1.0 as 1, the way people write bounds."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: object) -> str:
    """The value close to how the user wrote it, cut to a readable length."""
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def one_line(text: str) -> str:
    """The text with every run of white space, including line breaks, replaced by one space."""
    return " ".join(text.split())
