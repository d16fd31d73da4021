"""The rules for each kind of target."""

from collections.abc import Callable

from pipeline.audit.checked_forms import choices_for, json_for, opinions_for, patterns_for, puzzles_for
from pipeline.audit.final_answers import answers_to, texts_to
from pipeline.audit.made import Made, Source
from pipeline.audit.programs import programs_for, proofs_for

_Rules = Callable[[Source], list[Made]]
_RULES: dict[str, _Rules] = {
    "math": answers_to,
    "exact": texts_to,
    **dict.fromkeys(("choice", "multiple_choice"), choices_for),
    "regex": patterns_for,
    "json_schema": json_for,
    "reasoning_gym": puzzles_for,
    "text": opinions_for,
    **dict.fromkeys(("stdin_stdout", "calls", "asserts"), programs_for),
    **dict.fromkeys(("coq", "lean"), proofs_for),
}
_WITHOUT_RIGHT = {
    **dict.fromkeys(
        ("stdin_stdout", "calls", "asserts"),
        "no right program: a row's reference solution makes one, if problems.meta_fields keeps it",
    ),
    **dict.fromkeys(("coq", "lean"), "no right proof can be made by rule"),
    "json_schema": "no right answer: only a schema that is one constant or enumeration has one by rule",
}


def make(source: Source) -> list[Made]:
    """All answers for a problem; none if its kind of target has no rules, or its gold answer none."""
    rules = _RULES.get(source.problem.target.kind)
    return [] if rules is None else rules(source)


def why_not(kind: str) -> str:
    """Reason why a problem has no answers, for a reader."""
    return "its gold answer or target fits no rule" if kind in _RULES else "no rule for this kind"


def why_no_right(kind: str) -> str | None:
    """Reason why a kind of target has no right answers; None if it usually has some."""
    return _WITHOUT_RIGHT.get(kind)
