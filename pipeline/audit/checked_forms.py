"""Right and wrong answers that must have a form: choices, patterns, JSON, puzzles."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipeline.audit.made import REFUSAL, REPEATED, Made, Source, no_answers, right, wrong
from verifiers import Target
from verifiers.multiple_choice import gold_letter, read_choices
from verifiers.records import BadTarget

_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_MOST_LETTERS = 3
_OF_OTHER_TYPES = {
    "object": [],
    "array": {},
    "string": 0,
    "integer": "a",
    "number": "a",
    "boolean": "a",
}
"""JSON type -> a value of another type."""


def choices_for(source: Source) -> list[Made]:
    """The answers for a multiple choice; none for a target that cannot be used."""
    target = source.problem.target
    try:
        choices = read_choices(target.tests.get("choices"))
        gold = gold_letter(target.value, choices)
    except BadTarget:
        return []
    if gold is None:
        return []
    letters = [one for one in (choices or "ABCD") if one != gold][:_MOST_LETTERS]
    return [
        *right(_chosen(gold, choices)),
        *wrong(("another_letter", f"The answer is ({letter}).") for letter in letters),
        *wrong(("another_letter_boxed", rf"So it is \boxed{{{letter}}}.") for letter in letters[:1]),
        *wrong(("two_letters", f"The answer is ({letter}) or ({gold}).") for letter in letters[:1]),
        *wrong(_taken_back(source, letters)),
        *wrong(no_answers(source, f"({gold})")),
        *wrong(_all_choices(source.problem.prompt, gold, letters)),
    ]


def _chosen(gold: str, choices: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "letter_boxed", rf"So it is \boxed{{{gold}}}."
    yield "letter_in_brackets", f"The answer is ({gold})."
    yield "letter", f"The answer is {gold}."
    text = choices.get(gold, "")
    is_unique = sum(_folded(one) == _folded(text) for one in choices.values()) == 1
    # A short text may itself be read as a letter or a number.
    if is_unique and re.fullmatch(r"[A-Za-z]{3,}(?: [A-Za-z]{3,}){0,3}", text):
        yield "text_of_the_choice", f"The answer is {text}."


def _all_choices(prompt: str, gold: str, letters: list[str]) -> Iterator[tuple[str, str]]:
    """A prompt that lists the right choice and another one chooses none."""
    if f"({gold})" in prompt and any(f"({letter})" in prompt for letter in letters):
        yield REPEATED, prompt


def _taken_back(source: Source, letters: list[str]) -> Iterator[tuple[str, str]]:
    if letters and (done := source.finished) is not None:
        last = f"Wait, I made a mistake. The final answer is ({letters[0]})."
        yield "right_then_wrong", f"{done.rstrip()}\n\n{last}"


def patterns_for(source: Source) -> list[Made]:
    """The answers for a regular expression that is a plain text; none for any other."""
    pattern = _pattern(source.problem.target)
    if pattern is None or _SPECIAL.search(pattern) or not pattern.strip():
        return []
    asked = replace(source.problem, target=Target(kind="regex", value=pattern))
    others = (_pattern(one) for one in source.others)
    other = next((one for one in others if one and _is_apart(one, pattern)), None)
    return [
        *right([("bare", pattern)]),
        *wrong([] if other is None else [("gold_of_another_problem", rf"It is \boxed{{{other}}}.")]),
        *wrong(
            (rule, response)
            for rule, response in no_answers(replace(source, problem=asked), pattern)
            if pattern.casefold() not in response.casefold()
        ),
    ]


def _pattern(target: Target) -> str | None:
    found = target.tests.get("pattern", target.value)
    return found if isinstance(found, str) else None


def _is_apart(one: str, other: str) -> bool:
    """Whether neither plain text is in the other."""
    a, b = _folded(one), _folded(other)
    return _SPECIAL.search(one) is None and a not in b and b not in a


def json_for(source: Source) -> list[Made]:
    """The answers for a JSON Schema: those that its type, its required keys and its `const` or `enum`
    decide. None for a schema that has none of them."""
    schema = source.problem.target.tests.get("schema")
    if not isinstance(schema, dict):
        return []
    return [*right(_valid(schema)), *wrong(_invalid(schema))]


def _valid(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if schema.keys() <= {"const", "$schema"} and "const" in schema:
        yield "const", _fenced(schema["const"])
    if schema.keys() <= {"enum", "$schema"} and schema.get("enum"):
        yield "enum", _fenced(schema["enum"][0])


def _invalid(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _OF_OTHER_TYPES:
        yield "another_type", _fenced(_OF_OTHER_TYPES[kind])
        if kind == "object" and schema.get("required"):
            yield "without_required_keys", _fenced({})
        yield "cut_off", '```json\n{"a": [1, \n```'
        yield "empty", ""
        yield REFUSAL, "I will not help with this."


def _fenced(value: object) -> str:
    return f"```json\n{json.dumps(value)}\n```"


def puzzles_for(source: Source) -> list[Made]:
    """The answers for an entry of reasoning-gym: its own answer, and none at all. Another answer may be
    right, too."""
    entry = source.problem.target.tests.get("entry")
    answer = entry.get("answer") if isinstance(entry, Mapping) else None
    if not isinstance(answer, str) or not answer.strip():
        return []
    return [
        *right([("answer_in_tags", f"<answer>{answer}</answer>")]),
        *wrong(no_answers(source, answer)),
    ]


def opinions_for(source: Source) -> list[Made]:
    """The answers for a gold answer that a reader compares: the same words, and none at all."""
    return [*right([("gold_answer", source.gold)]), *wrong(no_answers(source, source.gold))]


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
