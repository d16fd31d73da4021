"""Parses users' YAML and JSON: finds the lines of keys, and explains syntax errors in plain words."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_JSON = {
    "Expecting value": "expected a value",
    "Expecting property name": 'expected a key in double quotes, or "}"',
    "Expecting ':'": 'expected ":" after a key',
    "Expecting ','": 'expected "," or the end of the list or object',
    "Extra data": "expected nothing more",
    "Unterminated string": "the text that begins here has no end",
    "Invalid control character": "a text has a line break or another control character",
    "Invalid \\": "a text has a backslash that escapes nothing",
    "Illegal trailing comma": 'a "," with nothing after it',
    "Unexpected UTF-8 BOM": "it begins with a byte order mark",
}
"""Beginning of a message of Python -> explanation."""
_YAML = {
    "mapping values are not allowed": 'a second ": " in one line; put quotes around a value with one',
    "found character '\\t'": "a tab; expected spaces at the beginning of a line",
    "found character": "a value that begins with a special character; put quotes around it",
    "expected ',' or ']'": 'a list that begins with "[" has no "]"',
    "expected ',' or '}'": 'keys that begin with "{" have no "}"',
    "could not find expected ':'": 'a key without ": "',
    "expected <block end>": "a line whose indentation differs from the lines around it",
    "found undefined alias": 'a value that begins with "*"; put quotes around it',
    "could not determine a constructor": 'a value that begins with "!"; put quotes around it',
    "found unexpected end of stream": "a quote that is not closed",
    "found unknown escape character": "a backslash in double quotes; use single quotes to keep it",
    "but found another document": 'expected one document, without "---" in between',
    "expected the node content, but found '<stream end>'": 'a "[" or "{" that is not closed',
    "sequence entries are not allowed": 'a list item ("- ") in the wrong place',
    "expected the node content": "a value that begins with a special character; put quotes around it",
    "special characters are not allowed": "a control character",
}
"""Beginning of a message of PyYAML -> explanation."""


class NotYaml(ValueError):
    """The text is not YAML; the message says where and why, in plain words."""


@dataclass(frozen=True, slots=True)
class YamlText:
    """The value of a YAML text, with the lines of its keys."""

    value: Any
    lines: Mapping[tuple[str, ...], int]
    """Path of keys and list indices -> line number, from 1."""


def read_yaml(text: str) -> YamlText:
    """Parses YAML. Raises NotYaml, also for a repeated key, because only its last value would count."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            lines: dict[tuple[str, ...], int] = {}
            if root is not None:
                _note_lines(root, (), lines, frozenset())
            value = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except NotYaml:
        raise
    except yaml.YAMLError as e:
        raise NotYaml(_explain_yaml(e)) from e
    except RecursionError as e:
        raise NotYaml("it is nested too deeply") from e
    except ValueError as e:
        raise NotYaml(
            "a value looks like a date or number but is not valid; put quotes around it"
        ) from e
    return YamlText(value, lines)


def _note_lines(
    node: yaml.Node, keys: tuple[str, ...], lines: dict[tuple[str, ...], int], above: frozenset[int]
) -> None:
    """Records the line of every key below the node. Raises NotYaml for a repeated key."""
    if id(node) in above:
        return
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*keys, str(index)] = item.start_mark.line + 1
            _note_lines(item, (*keys, str(index)), lines, above)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    path = ".".join((*keys, key.value))
                    raise NotYaml(
                        f"line {line}: {path} is given twice, first in line {seen[key.value]}"
                    )
                seen[key.value] = line
                lines[*keys, key.value] = line
                _note_lines(value, (*keys, key.value), lines, above)


def _explain_yaml(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return "it has a control character, which YAML does not allow"
    problem = str(getattr(error, "problem", None) or "")
    reason = _translated(problem, _YAML) or "it cannot be read here"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return reason if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {reason}"


def explain_json(error: Exception) -> str:
    """Explains why a text is not JSON, from the error of `json.loads`."""
    if isinstance(error, json.JSONDecodeError):
        reason = _translated(error.msg, _JSON) or "it cannot be read"
        line = "" if error.lineno == 1 else f"line {error.lineno}, "
        return f"{reason}, at {line}column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, at byte {error.start + 1}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if "digits" in str(error):
        return "a number in it has too many digits"
    return str(error)


def _translated(message: str, table: Mapping[str, str]) -> str | None:
    return next((plain for start, plain in table.items() if message.startswith(start)), None)
