r"""Right and wrong answers to problems whose gold answer is a value or a text.

Numbers get all rules of `numbers.py`. Other gold answers are restated; they get a wrong answer only if
one is surely different: a constant expression plus one, another letter, no for yes. A gold answer that
is a whole solution has no rules.
"""

import re
from collections.abc import Iterator

from pipeline.audit.made import Made, Source, no_answers, right, wrong
from pipeline.audit.numbers import Number, differs, equal_forms, other_values, read_number

_MARKS = re.compile(r"\\boxed|\\fbox|####|\n|<\|?[a-z]|\banswer\b", re.IGNORECASE)
"""Signs of a gold answer that is a solution, in which a verifier looks for the answer."""
_LONGEST = 120
_ENGLISH = re.compile(r"\b(?:the|how|what|find|is|are|and|of|if)\b", re.IGNORECASE)
_FORM = re.compile(
    r"fraction|decimal|form|round|nearest|express|notation|ratio|percent|digit|significant|mixed"
    r"|simpl|estimate|approximat|base\b|binar|octal|hexadec|string|sequence|write",
    re.IGNORECASE,
)
"""Words of a problem that may demand a notation."""
_SENTENCE = re.compile(r"[.!?;:,](?:\s|$)|\bnot\b|\bor\b|\(", re.IGNORECASE)
"""What may end, or take back, an answer after a phrase."""
_CONSTANT = re.compile(
    r"(?:\d|\\(?:[dt]?frac|sqrt|pi|cdot|times|left|right)(?![a-z])|[-+*/^(){}.\s]|\[\d\])+"
)
_TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?(?:/\d+)?|\\[dt]?frac\{\d+\}\{\d+\}")
_OPPOSITES = {"yes": "No", "no": "Yes", "true": "False", "false": "True"}


def answers_to(source: Source) -> list[Made]:
    """The answers for a gold answer that is compared by its value."""
    gold = source.gold
    if not _is_answer(gold):
        return []
    number = read_number(gold)
    others = dict(_others(source, number))
    return [
        *right(_restated(source)),
        *right(_equal(source, number)),
        *wrong((rule, f"So the result is {_boxed(text)}.") for rule, text in others.items()),
        *wrong(_hedged(gold, next(iter(others.values()), None))),
        *wrong(_taken_back(source, next(iter(others.values()), None))),
        *wrong(_silent(source, number)),
    ]


def texts_to(source: Source) -> list[Made]:
    """The answers for a gold answer that is compared character by character."""
    gold = source.gold
    if not _is_answer(gold):
        return []
    other = next(
        (
            text
            for one in source.others
            if _is_answer(text := (one.value or "").strip()) and _letters(text) != _letters(gold)
        ),
        None,
    )
    return [
        *right(_restated(source)),
        *wrong((rule, f"So the result is {_boxed(text)}.") for rule, text in _given(other)),
        *wrong(_hedged(gold, other)),
        *wrong(_taken_back(source, other)),
        *wrong(no_answers(source, gold)),
    ]


def _is_answer(gold: str) -> bool:
    """Whether the gold answer is only an answer, which can be put in a box."""
    depth = 0
    for sign in gold:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return bool(gold) and not depth and len(gold) <= _LONGEST and not _MARKS.search(gold)


def _boxed(text: str) -> str:
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == "$" else text
    return rf"\boxed{{{bare}}}"


def _restated(source: Source) -> Iterator[tuple[str, str]]:
    gold = source.gold
    yield "boxed", f"So the result is {_boxed(gold)}."
    if not _SENTENCE.search(gold):
        yield "phrase", f"The answer is {gold}."
    if "$" not in gold and (read_number(gold) or _CONSTANT.fullmatch(gold)):
        yield "dollars", f"The answer is ${gold}$."
    if (done := source.finished) is not None:
        yield "restated", f"{done.rstrip()}\n\nThe answer is {_boxed(gold)}."


def _equal(source: Source, number: Number | None) -> Iterator[tuple[str, str]]:
    prompt = source.problem.prompt
    if number is None or _FORM.search(prompt):
        return
    is_english = prompt.isascii() and _ENGLISH.search(prompt) is not None
    for rule, text in equal_forms(number, is_english=is_english):
        if text != source.gold:
            yield rule, f"So the result is {_boxed(text)}."


def _others(source: Source, number: Number | None) -> Iterator[tuple[str, str]]:
    """Rules and answers that are surely different, in the order of preference."""
    gold = source.gold
    if number is not None:
        yield from other_values(number)
        for one in source.others:
            if differs(number, read_number(text := (one.value or "").strip())):
                yield "gold_of_another_problem", text
                return
    elif re.fullmatch(r"[A-J]", gold):
        yield "another_letter", chr(ord(gold) + (1 if gold < "D" else -1))
    elif (opposite := _OPPOSITES.get(gold.lower())) is not None:
        yield "opposite", opposite
    elif _is_constant(gold):
        yield "off_by_one", f"{gold}+1"


def _is_constant(gold: str) -> bool:
    """Whether the gold answer is a finite real expression without variables, so that one more is
    another value."""
    no_zero_below = re.search(r"/\s*\(?0|\{0+(?:\.0*)?\}|/\s*\{", gold) is None
    has_digit = re.search(r"\d|\\pi", gold) is not None
    return has_digit and no_zero_below and _CONSTANT.fullmatch(gold) is not None


def _given(other: str | None) -> Iterator[tuple[str, str]]:
    if other is not None:
        yield "gold_of_another_problem", other


def _hedged(gold: str, other: str | None) -> Iterator[tuple[str, str]]:
    if other is not None:
        yield "two_answers", f"The answer is {other} or {gold}."
        yield "two_boxes", rf"The result is {_boxed(other)} or {_boxed(gold)}."


def _taken_back(source: Source, other: str | None) -> Iterator[tuple[str, str]]:
    """A stored right response that ends in another answer."""
    if other is not None and (done := source.finished) is not None:
        last = f"Wait, I made a mistake. The final answer is {_boxed(other)}."
        yield "right_then_wrong", f"{done.rstrip()}\n\n{last}"


def _silent(source: Source, number: Number | None) -> Iterator[tuple[str, str]]:
    """`no_answers`, without a prompt that has the number in any notation."""
    for rule, response in no_answers(source, source.gold):
        if number is not None and rule == "prompt_repeated":
            said = (read_number(text.rstrip(",.")) for text in _TOKEN.findall(response))
            if any(one is not None and abs(one.value) == abs(number.value) for one in said):
                continue
        yield rule, response


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
