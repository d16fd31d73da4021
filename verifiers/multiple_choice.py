"""`multiple_choice`: checks whether the response chooses the right letter.

`answers/` finds the final answer. A letter counts if it is alone, begins the answer or is marked as a
choice ("(B)", "**B**", "option B"); a choice's text counts if the choices are known. Without a final
answer the last line counts if it states a choice: it is only letters, a choice with its text ("B) 12"),
or its last sentence names the choice ("so it is (B)", "(B) is correct", "the closest option is (B)"). A
first line that is a choice counts too. Letters elsewhere, such as "for part (b)" in a truncated
response, are ignored. The verifier never guesses: two different letters, a negation ("not B") or no
letter is an abstention, and the words "a" and "I" are not letters.
"""

import re
import string
import unicodedata
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from verifiers.answers.statement import announced_answer
from verifiers.answers.surface import plain_text
from verifiers.records import BadTarget, Outcome, Target, Verdict, VerifierBase

_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boxed|fbox)\s*\{([^{}]*)\}")
_ALONE = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]*")
_BEFORE_TEXT = r"[(\[]?([A-Z])(?:[)\]:]+|\.(?![A-Za-z0-9]))|[(\[]?([a-z])[)\]]+"
_LIST_ITEM = re.compile(rf"(?:{_BEFORE_TEXT})\s*(.*)", re.DOTALL)
_SAID_FIRST = re.compile(
    r"([A-HJ-Z])(?:\s*[,;\u2013\u2014-](?=\s)|\s+\(|\s+(?:because|since|with|which|is)\b)"
)
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?")
_LAYOUT = re.compile(r"^[*\s]+|[*\s]+$|\$|\\[,;:! ]|\\left(?![a-z])|\\right(?![a-z])")
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
_LETTER = r"(?:\*\*)?[(\[]?(?P<{}>[A-Z])[)\]]?(?:\*\*)?"
_CHOICE = r"(?i:options?|choices?|answer|letter|alternative)"
_RIGHT = (
    r"(?:(?:(?:most|best|only|single)\s+)*(?:correct|right|best|closest|answer)"
    r"|(?:most|best|only)\s+(?:accurate|appropriate|likely|suitable|plausible|logical|reasonable|consistent))"
)
_STATED = re.compile(
    rf"""\b{_CHOICE}\s+(?:here\s+)?(?:is|would\s+be|must\s+be|should\s+be|=|:)\s*(?:therefore|thus|then)?
        \s*(?:{_CHOICE}\s*)?{_LETTER.format("named")}(?![\w']|\s*[=^_+*/<>|])
    |(?:\b{_CHOICE}\s*)?{_LETTER.format("praised")}\s*,?\s+(?:is|as|would\s+be|must\s+be|seems)
        \s+(?:the|our|my)?\s*{_RIGHT}\b
    |{_LETTER.format("made")}\s+(?:the|as\s+(?:our|my|the))\s+{_RIGHT}\b""",
    re.VERBOSE,
)
_MARKED_AT_THE_END = rf"(?:{_CHOICE}\s*)?(?:\*\*[(\[]?|[(\[])(?P<marked>[A-Z])(?:[)\]]?\*\*|[)\]])"
_LETTER_AT_THE_END = rf"{_CHOICE}\s*:?\s*(?P<bare>[A-Z])"
_END = r"[.!]?(?:\*\*)?$"
_STATED_AT_THE_END = re.compile(
    rf"""(?:(?:\b(?i:is|be|(?:no|thus|so|hence|therefore),?)|:|\u2192)\s*(?:the\s+)?{_MARKED_AT_THE_END}
    |(?:^|\b(?:is|be)\s+){_LETTER_AT_THE_END}
    |\b(?:(?i:it|this|that|one)|{_CHOICE})\s+(?:is|must\s+be|has\s+to\s+be)\s+(?P<plain>[A-Z])){_END}""",
    re.VERBOSE,
)
_STATED_BY_A_WHOLE_SENTENCE = re.compile(
    rf"""\b(?i:choose|pick|select|with|or|to|matches)\s+(?:the\s+)?
    (?:{_MARKED_AT_THE_END}|{_LETTER_AT_THE_END}){_END}""",
    re.VERBOSE,
)
_OTHER_CHOICE = re.compile(
    rf"\b(?:\w*other|wrong|incorrect|first|second|third|next|last|previous|least|worst|different|eliminated)"
    rf"\s+{_CHOICE}\b",
    re.IGNORECASE,
)
_ONLY_LETTERS = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s*)?[(\[]?[A-Z][)\]]?[.:]?(?:\s*(?:,|/|&|;|\b(?:and|or|no)\b)+\s*[(\[]?[A-Z][)\]]?)*[.!]?"
)
_ANNOUNCES_LETTER = re.compile(rf"\b{_CHOICE}\b.*:$|^{_CHOICE}$", re.IGNORECASE)
_SENTENCE_END = (".", "!", ")", "*")
_SHORT_TEXT = 10
_BARE_LETTER = re.compile(r"[A-Za-z]")
_MOST_LINES = 1000
"""Characters searched, from the end of the response."""
_MOST_TEXT = 40
"""Longest text after a letter for which a line counts as a choice if the choices are unknown."""
_SENTENCE_WORD = re.compile(r"\b(?i:is|are|was|were|has|have|we|it|this|if|so|then|first|because)\b")
_SENTENCE_ENDS = re.compile(r"(?<![\s(][A-Z])[.!?]\*{0,2}\s+(?=\S)")
_SHORT_LINE = 40
"""A sentence without a full stop may be cut off, unless its line is this short."""


class MultipleChoiceVerifier(VerifierBase):
    """Compares letters. A check takes microseconds, so it runs in the caller's process."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    name = "multiple_choice"
    version = "2"
    target_kinds = ("choice", "multiple_choice")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without exactly one letter or a gold letter; ERROR for a bad target."""
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
            no_answer=outcome is Outcome.ABSTAIN and len(letters) != 1,
        )


def read_choices(given: object) -> dict[str, str]:
    """Letter -> text, from the target's `choices`; empty without choices. Raises BadTarget."""
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
    """The right letter, from a letter or a choice's text; None without a value. Raises BadTarget."""
    if value is None or not value.strip():
        return None
    text = _plain(value)
    match = _ALONE.fullmatch(text)
    letters = {match[1].upper()} if match else _with_text(text, choices)
    if not letters and (item := _LIST_ITEM.match(text)) and item[1]:
        letters = {item[1]} | _with_text(item[3], choices)
    if len(letters) != 1 or (choices and not letters <= choices.keys()):
        known = f"one of {', '.join(choices)}, or its text" if choices else "a letter"
        raise BadTarget(f"target.value: expected {known}, got {value[:80]!r}")
    return letters.pop()


def stated_letters(response: str, choices: Mapping[str, str]) -> set[str]:
    """The letters that the response's final answer names; several if it is undecided."""
    answer = announced_answer(response)
    if answer is not None:
        return _letters_in(_plain(answer), choices)
    lines = [plain for line in _ends(plain_text(response).strip()) if (plain := _plain(line))]
    if not lines:
        return set()
    first, last = lines[0], lines[-1]
    if _may_be_cut_off(last, lines[:-1][-1:], choices):
        return set()
    if len(lines) == 1 and (alone := _ALONE.fullmatch(last.replace("*", ""))):
        return {alone[1].upper()} | _with_text(last, choices)
    items = {line: _item(line, choices) for line in lines}
    listed: set[str] = set().union(*items.values())
    if items[last]:
        return listed | _letter_before(items[last], lines[-2:-1])
    # Lines with several letters repeat the choices; so may the first line of a truncated text.
    is_choice = (
        len(listed) == 1 and _LIST_ITEM.match(first.strip("* ")) and last.endswith(_SENTENCE_END)
    )
    return _concluded(last, choices) | (items[first] if is_choice else set())


def _ends(response: str) -> list[str]:
    """The first line and the last ones: an answer appears nowhere else."""
    lines = response.splitlines()
    return lines if len(lines) <= _MOST_LINES else [lines[0], *lines[-_MOST_LINES:]]


def _may_be_cut_off(line: str, before: list[str], choices: Mapping[str, str]) -> bool:
    """Whether a last line may be truncated and look like a choice only by accident."""
    line = line.strip("* ")
    if _BARE_LETTER.fullmatch(line) and choices and line.upper() not in choices:
        return True
    if not before or _ANNOUNCES_LETTER.search(before[0]):
        return False
    is_text = len(line) < _SHORT_TEXT and _with_text(line, choices) != set()
    return is_text or _BARE_LETTER.fullmatch(line) is not None


def _letter_before(letters: set[str], lines: list[str]) -> set[str]:
    """The letter that begins the line before, if the last line continues that list."""
    found = {
        (match[1] or match[2]).upper()
        for line in lines
        if (match := _LIST_ITEM.match(line.strip("* ")))
    }
    return {letter for letter in found if chr(ord(letter) + 1) in letters}


def _item(line: str, choices: Mapping[str, str]) -> set[str]:
    """The letter of a line that is only a choice, "B) 12"; letter and text must agree."""
    bare = line.strip("* ")
    if _ONLY_LETTERS.fullmatch(bare.replace("*", "")):
        return _letters_in(line, choices)
    if by_text := _with_text(line, choices):
        return by_text
    match = _LIST_ITEM.match(bare)
    if not match or _DENIED.search(line):
        return set()
    letter, text = (match[1] or match[2]).upper(), match[3]
    if match[2] and not text:
        # "(b)" may label a part.
        return set()
    named = _with_text(text, choices)
    if named or choices:
        return named | {letter} if named else set()
    return {letter} if len(text) <= _MOST_TEXT and _is_short_text(text) else set()


def _is_short_text(text: str) -> bool:
    """Whether it can be a choice's text: a value, or a few words that form no sentence."""
    words = text.replace("*", "").split()
    return (
        len(words) <= 3
        and "," not in text
        and not text.endswith(":")
        and not _SENTENCE_WORD.search(text)
    )


def _concluded(line: str, choices: Mapping[str, str]) -> set[str]:
    """The letters that the last sentence of a line states as the choice."""
    if named := _with_text(line, choices):
        return named
    sentence = line[max((end.end() for end in _SENTENCE_ENDS.finditer(line)), default=0) :]
    if _DENIED.search(sentence) or _OTHER_CHOICE.search(sentence):
        return set()
    whole = sentence.rstrip("*").endswith((".", "!"))
    patterns = [_STATED]
    if whole or len(line) <= _SHORT_LINE:
        patterns.append(_STATED_AT_THE_END)
    if whole:
        patterns.append(_STATED_BY_A_WHOLE_SENTENCE)
    found = {
        letter
        for pattern in patterns
        for match in pattern.finditer(sentence)
        for letter in match.groups()
        if letter
    }
    if not found:
        return set()
    # Another letter in the sentence makes the choice ambiguous.
    return found | {letter for letter in _marked(sentence) if not choices or letter in choices}


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
    """The letters that a text names. A choice's text may itself look like a letter: then both count."""
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
    """The letters of the choices with this text, ignoring white space, case and a full stop."""
    wanted = _folded(text)
    return {letter for letter, choice in choices.items() if _folded(_plain(choice)) == wanted}


def _folded(text: str) -> str:
    """Without white space, case, a full stop and LaTeX layout: `13^\\circ` becomes `13°`."""
    text = _LAYOUT.sub("", _DEGREES.sub("°", text)).replace("\\%", "%").replace("\\dfrac", "\\frac")
    return "".join(text.split()).rstrip(".").casefold()


def _plain(text: str) -> str:
    """Without LaTeX around words, in Unicode NFKC: a full-width B becomes a B."""
    text = unicodedata.normalize("NFKC", text)
    for _ in range(3):
        text = _WRAPPER.sub(r"\1", text)
    text = text.replace("$", "").replace("\\(", " ").replace("\\)", " ")
    # Long runs of spaces would slow the patterns down.
    return " ".join(text.split())
