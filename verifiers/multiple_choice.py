"""`multiple_choice`: does the response choose the right letter?

The final answer is what `answers/` finds; without one it is the response's last line, together with
lines that begin as lists do ("B) 12"), unless they only repeat the choices. In it count a letter that
stands alone, begins the answer or is marked as a choice ("(B)", "**B**", "option B"), and, where the
choices are known, the text of a choice. It never guesses: two different letters, a negation ("not B")
or none are an abstention, and the words "a" and "I" are no letters.
"""

import re
import string
import unicodedata
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from verifiers.answers import extract_answer
from verifiers.records import Outcome, Target, Verdict

_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boxed|fbox)\s*\{([^{}]*)\}")
_ALONE = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]*")
_BEFORE_TEXT = r"[(\[]?([A-Z])(?:[)\]:]+|\.(?=\s|$))|[(\[]?([a-z])[)\]]+"
_LIST_ITEM = re.compile(rf"(?:{_BEFORE_TEXT})\s*(.*)", re.DOTALL)
_SAID_FIRST = re.compile(
    r"([A-HJ-Z])(?:\s*[,;\u2013\u2014-](?=\s)|\s*\(|\s+(?:because|since|with|which|is)\b)"
)
_BRACKETS = re.compile(r"(?<![\w\\)}])[(\[]([A-Za-z])[)\]]")
_BOLD = re.compile(r"\*\*[(\[]?([A-Z])(?:\*\*|[).\]:])")
_NAMED = re.compile(
    r"(?i:\b(?:option|choice|letter|answer))\s*(?:is|:)?\s*([A-Z])"
    r"(?=\s*(?:$|[.,;:!?)\*]|(?:is|and|or|because|since|as)\b))"
)
_SEVERAL = re.compile(r"(?<![\w'])([A-Z])\s*(?:,\s*|/\s*|&\s*|\band\s+|\bor\s+)+([A-Z])(?![\w'])")
_DENIED = re.compile(
    r"(?:\bnot|n't|\bneither|\bnever)\s+(?:be\s+)?(?i:option\s+|choice\s+)?[(\[]?[A-Z]\b"
    r"|\b[A-Z][)\]]?\s+(?:is\s+not|isn't|is\s+(?:wrong|incorrect|false)|cannot)\b"
)
_MOST_LINES = 1000
"""From the end of a response; the answer of a longer one is not sought further up."""


class BadTarget(ValueError):
    """The target cannot be judged against; the message says what is wrong with it."""


class MultipleChoiceVerifier:
    """Compares letters. It takes microseconds, so it runs wherever it is called."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    name = "multiple_choice"
    version = "1"
    target_kinds = ("choice", "multiple_choice")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without one stated letter or a gold letter; ERROR for a bad target."""
        letters: set[str] = set()
        try:
            choices = read_choices(target.tests.get("choices"))
            gold = gold_letter(target.value, choices)
        except BadTarget as e:
            outcome, reason = Outcome.ERROR, str(e)
        else:
            letters = stated_letters(response, choices)
            outcome, reason = _judge(letters, gold, choices)
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=" or ".join(sorted(letters)) or None,
            verifier=self.name,
            version=self.version,
        )

    async def close(self) -> None:
        """Nothing to end."""


def read_choices(given: object) -> dict[str, str]:
    """Letter -> text of a target's `choices`; empty if there are none. Raises BadTarget."""
    if given is None:
        return {}
    if isinstance(given, list | tuple) and len(given) <= 26:
        given = dict(zip(string.ascii_uppercase, given, strict=False))
    if not isinstance(given, Mapping) or not given:
        raise BadTarget("target.tests.choices: expected texts, at most 26, or letters with texts")
    choices = {str(letter).upper(): text for letter, text in given.items()}
    for letter, text in choices.items():
        if not re.fullmatch(r"[A-Z]", letter) or not isinstance(text, str):
            raise BadTarget(
                f"target.tests.choices: expected a letter with a text, got {letter[:20]!r}: "
                f"{type(text).__name__}"
            )
    if len(choices) < len(given):
        raise BadTarget("target.tests.choices: expected each letter once, got one in both cases")
    return choices


def gold_letter(value: str | None, choices: Mapping[str, str]) -> str | None:
    """The right letter, from a letter or a choice's text; None without either. Raises BadTarget."""
    if value is None or not value.strip():
        return None
    text = _plain(value)
    match = _ALONE.fullmatch(text)
    letters = {match[1].upper()} if match else _with_text(text, choices)
    if len(letters) != 1 or (choices and not letters <= choices.keys()):
        known = f"one of {', '.join(choices)}, or its text" if choices else "a letter"
        raise BadTarget(f"target.value: expected {known}, got {value[:80]!r}")
    return letters.pop()


def stated_letters(response: str, choices: Mapping[str, str]) -> set[str]:
    """The letters that the response's final answer names; more than one if it does not decide."""
    answer = extract_answer(response)
    if answer is not None:
        return _letters_in(_plain(answer), choices)
    last_lines = response.strip().splitlines()[-_MOST_LINES:]
    lines = [plain for line in last_lines if (plain := _plain(line))]
    if not lines:
        return set()
    letters = _letters_in(lines[-1], choices)
    items = [line for line in lines if _LIST_ITEM.match(line.strip("*"))]
    named = [_letters_in(line, choices) for line in items]
    listed: set[str] = set().union(*(one for one in named if len(one) == 1))
    # Lines of several letters repeat the choices, unless the last line is one of them too.
    return letters | listed if lines[-1] in items or len(listed) == 1 else letters


def _judge(letters: set[str], gold: str | None, choices: Mapping[str, str]) -> tuple[Outcome, str]:
    if gold is None:
        return Outcome.ABSTAIN, "the problem has no gold answer"
    if not letters:
        return Outcome.ABSTAIN, "the response states no letter"
    if len(letters) > 1:
        return Outcome.ABSTAIN, f"the response names {' and '.join(sorted(letters))}"
    if letters == {gold}:
        return Outcome.PASS, "the right letter"
    if choices and not letters <= choices.keys():
        return Outcome.FAIL, "there is no such choice"
    return Outcome.FAIL, "another letter"


def _letters_in(text: str, choices: Mapping[str, str]) -> set[str]:
    """What a plain text names. A choice's text may itself look like a letter: then both count."""
    by_text = _with_text(text, choices)
    bare = text.replace("*", "").strip()
    if match := _ALONE.fullmatch(bare):
        return {match[1].upper()} | by_text
    if by_text:
        return by_text
    if match := _LIST_ITEM.match(bare):
        letter = (match[1] or match[2]).upper()
        if rest := _with_text(match[3], choices):
            return rest | {letter}
        # The rest may name another letter: "(A) or (B)".
        return {letter} | _marked(text) if not _DENIED.search(text) else set()
    return set() if _DENIED.search(text) else _marked(text)


def _marked(text: str) -> set[str]:
    found = {letter for pattern in (_BRACKETS, _BOLD, _NAMED) for letter in pattern.findall(text)}
    for pair in _SEVERAL.findall(text):
        found.update(pair)
    if match := _SAID_FIRST.match(text):
        found.add(match[1])
    return {letter.upper() for letter in found}


def _with_text(text: str, choices: Mapping[str, str]) -> set[str]:
    """The letters of the choices with this text; white space, case and a full stop do not count."""
    wanted = _folded(text)
    return {letter for letter, choice in choices.items() if _folded(_plain(choice)) == wanted}


def _folded(text: str) -> str:
    return " ".join(text.replace("*", "").split()).rstrip(".").strip().casefold()


def _plain(text: str) -> str:
    """Without LaTeX around words and in one form of Unicode, where a full-width B is a B."""
    text = unicodedata.normalize("NFKC", text)
    for _ in range(3):
        text = _WRAPPER.sub(r"\1", text)
    text = text.replace("$", "").replace("\\(", " ").replace("\\)", " ")
    # Long runs of spaces would make the patterns slow.
    return " ".join(text.split())
