"""GSM8K's answers in the many ways in which solvers write them, right ones and ones wrong by a rule.

A style is a way to write a number and a frame around it. Which of them an answer gets is drawn from
a fixed seed; so is the rule by which a wrong answer is wrong. An abstention counts as a wrong verdict.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier

_CHUNK = 2000
_EACH = 2
"""Right answers to a question, and as many wrong ones."""
_HALVES = 8
"""Of so many questions one is asked again for a half more than half of it, which is no integer."""
_SHOWN = 40
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_COUNTED = re.compile(r"[Hh]ow many ([a-z]+[a-rt-z]s)\b")
_NO_NOUNS = frozenset("times dozens hundreds thousands millions billions does this".split())
_MONEY = re.compile(r"[Hh]ow much (?:\w+ ){0,3}(?:money|cost|pay|spend|earn|change|profit|save)\b")
_FULL_WIDTH = str.maketrans("0123456789", "".join(chr(0xFF10 + digit) for digit in range(10)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer, and what solvers would write behind the number."""

    question: str
    gold: str
    value: Fraction
    noun: str | None
    money: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A response and the verdict it should get."""

    asked: Asked
    response: str
    expected: Outcome
    style: str


# ------------------------------------------------------------------------------------------ numbers

Writer = Callable[[Fraction, Asked], "str | None"]
"""A number in a style; None where the style does not fit the number or the question."""


def plain(value: Fraction, _asked: Asked | None = None) -> str:
    """An integer, a finite decimal or a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    if not Fraction(10**6) * value % 1:
        return f"{value.numerator * 10**6 // value.denominator / 10**6:.6f}".rstrip("0")
    return f"{value.numerator}/{value.denominator}"


def integers(write: Callable[[int], "str | None"]) -> Writer:
    return lambda value, _asked: write(value.numerator) if value.denominator == 1 else None


def grouped(separator: str) -> Writer:
    return integers(lambda n: f"{n:,}".replace(",", separator) if abs(n) >= 1000 else None)


def scientific(number: int) -> str | None:
    digits = str(abs(number)).rstrip("0")
    if number < 10 or len(digits) > 6:
        return None
    decimals = f".{digits[1:]}" if digits[1:] else ""
    return rf"{digits[0]}{decimals} \times 10^{{{len(str(number)) - 1}}}"


def in_words(number: int) -> str | None:
    if not 0 <= number < 100:
        return None
    if number < 20:
        return _SMALL[number]
    return _TENS[number // 10 - 2] + (f"-{_SMALL[number % 10]}" if number % 10 else "")


def words_in_latex(number: int) -> str | None:
    words = in_words(number)
    return rf"\text{{{words}}}" if words else None


def mixed(form: str) -> Writer:
    """A mixed number; of halves only."""

    def write(value: Fraction, _asked: Asked) -> str | None:
        halves = value.denominator == 2 and value > 1
        return form.replace("n", str(value.numerator // 2), 1) if halves else None

    return write


def doubled(form: str) -> Writer:
    """The double over two; of the half of an odd number the number over two."""

    def write(value: Fraction, _asked: Asked) -> str | None:
        return form.replace("n", str(2 * value)) if not 2 * value % 1 else None

    return write


def of_money(form: str) -> Writer:
    def write(value: Fraction, asked: Asked) -> str | None:
        return form.replace("n", plain(value), 1) if asked.money and value > 0 else None

    return write


def with_noun(form: str) -> Writer:
    def write(value: Fraction, asked: Asked) -> str | None:
        return form.format(plain(value), asked.noun) if asked.noun else None

    return write


_ANYWHERE: dict[str, Writer] = {
    "plain": plain,
    "comma": grouped(","),
    "one place": integers(lambda n: f"{n}.0"),
    "two places": integers(lambda n: f"{n}.00"),
    "over two": doubled("n/2"),
    "noun": with_noun("{} {}"),
    "dollars": of_money("n dollars"),
}
_IN_TEXT: dict[str, Writer] = {
    "thin space": grouped("\u2009"),
    "full width": integers(lambda n: str(n).translate(_FULL_WIDTH)),
    "words": integers(in_words),
    "dollar sign": of_money("$n"),
    "mixed": mixed("n 1/2"),
    "vulgar": mixed("n½"),
}
_IN_LATEX: dict[str, Writer] = {
    "latex thin space": grouped(r"\,"),
    "braced comma": grouped("{,}"),
    "stacked over two": doubled(r"\frac{n}{2}"),
    "scientific": integers(scientific),
    "bold digits": lambda value, _asked: rf"\mathbf{{{plain(value)}}}",
    "words in latex": integers(words_in_latex),
    "dollar sign in latex": of_money(r"\$n"),
    "noun in latex": with_noun(r"{}\text{{ {}}}"),
    "mixed in latex": mixed(r"n\frac{1}{2}"),
    "short mixed in latex": mixed(r"n \frac12"),
}
_IN_TEXT_ONLY_ALONE = ("over two", "mixed", "vulgar")
"""In a sentence a fraction is read or abstained from."""
WRITERS = {
    "text": _ANYWHERE | _IN_TEXT,
    "latex": _ANYWHERE | _IN_LATEX,
    "sentence": {
        name: write for name, write in (_ANYWHERE | _IN_TEXT).items() if name not in _IN_TEXT_ONLY_ALONE
    },
}
"""By the kind of frame around the number."""


# ------------------------------------------------------------------------------------------- frames

_LATEX_FRAMES = {
    "box": r"\boxed{N}",
    "box in dollars": r"Adding all of this up, we find $\boxed{N}$.",
    "displayed box": "So in total:\n\\[\n\\boxed{N}\n\\]",
    "answer in dollars": "The answer is $N$.",
    "answer in brackets": r"The final answer is: \(N\).",
    "bold label and dollars": "**Answer:** $N$",
    "box after box": r"At first $\boxed{W}$. Wait, I forgot something. So it is $\boxed{N}$.",
}
_TEXT_FRAMES = {
    "hashes": "#### N",
    "answer": "The answer is N.",
    "therefore": "Therefore, the answer is N. I hope this helps!",
    "bold label": "**Answer:** N",
    "label": "Adding up.\n\nFinal answer: N",
    "bold": "So the final answer is **N**.",
    "bold all": "**The correct answer is N.**",
    "correction": r"$\boxed{W}$. Wait, that is wrong. The correct answer is N.",
    "should be": "\\boxed{W}\n\nActually, I made a mistake. It should be N.",
}
_SENTENCES = {
    "comes to": "Answer: in the end that comes to N.",
    "left": "The answer is that there are N left.",
    "altogether": "Final answer: she has N altogether.",
}
FRAMES = {"text": _TEXT_FRAMES, "latex": _LATEX_FRAMES, "sentence": _SENTENCES}
_CHAINS = (r"\boxed{A + B = N}", "The answer is $A + B = N$.", "The answer is A + B = N.", "#### A+B=N")
_LISTS = (
    r"\boxed{N, W}",
    r"\boxed{N \text{ and } W}",
    r"$\boxed{N}$ or $\boxed{W}$",
    "The answer is N or W.",
    "The answer is N and W.",
)
_DENIALS = (r"\boxed{\text{not } N}", "The answer is not N.", "**Answer:** not N")


def fill(frame: str, **numbers: str) -> str:
    """The frame with numbers in place of its capital letters."""
    return re.sub(
        r"(?<![A-Za-z\\])[ABNW](?![A-Za-z])", lambda match: numbers.get(match[0], match[0]), frame
    )


def framed(asked: Asked, value: Fraction, other: Fraction, draw: random.Random) -> tuple[str, str]:
    """A response that states the value in a style that fits it, and the style's name."""
    (kind,) = draw.choices(list(FRAMES), weights=[8, 8, 2])
    texts = {name: write(value, asked) for name, write in WRITERS[kind].items()}
    fitting = [(name, text) for name, text in texts.items() if text and _fits(text, kind)]
    if not fitting:
        return framed(asked, value, other, draw)
    name, number = draw.choice(fitting)
    frame = draw.choice(list(FRAMES[kind]))
    return fill(FRAMES[kind][frame], N=number, W=plain(other)), f"{name}, {frame}"


def _fits(text: str, kind: str) -> bool:
    return kind != "sentence" or "/" not in text


def chain(value: Fraction, end: Fraction, draw: random.Random) -> str:
    """`a + b = end`, where a + b is the value."""
    first = Fraction(draw.randint(1, max(2, int(value))))
    left = {"A": plain(first), "B": plain(value - first)}
    if value < first:
        left = {"A": plain(value), "B": "0"}
    return fill(draw.choice(_CHAINS), N=plain(end), **left)


# ------------------------------------------------------------------------------------ wrong answers


def swapped(value: Fraction) -> Fraction | None:
    digits = plain(value)
    for at in range(len(digits) - 1):
        if digits[at : at + 2].isdigit() and digits[at] != digits[at + 1]:
            return Fraction(digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :])
    return None


FAULTS: dict[str, Callable[[Fraction], "Fraction | None"]] = {
    "one more": lambda value: value + 1,
    "one less": lambda value: value - 1,
    "ten times": lambda value: 10 * value,
    "a tenth": lambda value: value / 10,
    "decimal point moved by two": lambda value: value / 100,
    "sign": lambda value: -value,
    "digits swapped": swapped,
    "half": lambda value: value / 2,
    "double": lambda value: 2 * value,
    "reciprocal": lambda value: 1 / value if value else None,
}


def wrong_value(value: Fraction, draw: random.Random) -> tuple[str, Fraction]:
    while True:
        name = draw.choice(list(FAULTS))
        found = FAULTS[name](value)
        if found is not None and found != value:
            return name, found


def right_case(asked: Asked, draw: random.Random) -> Case:
    if draw.random() < 0.05:
        return Case(asked, chain(asked.value, asked.value, draw), Outcome.PASS, "chain")
    response, style = framed(asked, asked.value, wrong_value(asked.value, draw)[1], draw)
    return Case(asked, response, Outcome.PASS, style)


def wrong_case(asked: Asked, draw: random.Random) -> Case:
    fault, wrong = wrong_value(asked.value, draw)
    kind = draw.random()
    if kind < 0.05:
        response, style = chain(asked.value, wrong, draw), "false chain"
    elif kind < 0.10:
        response, style = chain(wrong, wrong, draw), f"chain to another number, {fault}"
    elif kind < 0.15:
        response, style = chain(wrong, asked.value, draw), "false chain to the gold answer"
    elif kind < 0.20:
        response = fill(draw.choice(_LISTS), N=plain(asked.value), W=plain(wrong))
        style = f"list, {fault}"
    elif kind < 0.25:
        response, style = fill(draw.choice(_DENIALS), N=plain(asked.value)), "denied"
    else:
        response, style = framed(asked, wrong, asked.value, draw)
        style = f"{style}, {fault}"
    return Case(asked, response, Outcome.FAIL, style)


# -------------------------------------------------------------------------------------------- tests


def read_questions(path: Path) -> list[Asked]:
    asked = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        gold = row["answer"].partition("####")[2].strip()
        question = row["question"]
        nouns = [noun for noun in _COUNTED.findall(question) if noun not in _NO_NOUNS]
        money = _MONEY.search(question) is not None and "$" in question
        value = Fraction(gold.replace(",", ""))
        asked.append(Asked(question, gold, value, nouns[-1] if nouns else None, money))
        if len(asked) % _HALVES == 0:
            half = (value.numerator // 2) + Fraction(1, 2)
            asked.append(Asked("What is half of it, and a half?", plain(half), half, None, money))
    return asked


def make_cases(path: Path) -> list[Case]:
    draw = random.Random(0)
    return [
        make(asked, draw)
        for asked in read_questions(path)
        for make in (right_case, wrong_case)
        for _ in range(_EACH)
    ]


async def wrong_verdicts(cases: list[Case]) -> list[str]:
    verifier = MathVerifier(MathVerifier.Config(timeout_seconds=20))
    await verifier.start()
    wrong = []
    for start in range(0, len(cases), _CHUNK):
        chunk = cases[start : start + _CHUNK]
        verdicts = await asyncio.gather(
            *(
                verifier.verify(
                    case.asked.question, case.response, Target(kind="math", value=case.asked.gold)
                )
                for case in chunk
            )
        )
        wrong += [
            f"{case.style}: gold {case.asked.gold!r}, {case.response!r}: expected "
            f"{case.expected.value}, got {verdict.outcome.value} ({verdict.reason}) "
            f"from {verdict.extracted!r}, asked {case.asked.question[-60:]!r}"
            for case, verdict in zip(chunk, verdicts, strict=True)
            if verdict.outcome is not case.expected
        ]
    await verifier.close()
    return wrong


async def test_not_one_verdict_is_wrong(gsm8k: Path) -> None:
    cases = make_cases(gsm8k)
    outcomes = Counter(case.expected for case in cases)
    assert len(cases) >= 20_000
    assert outcomes[Outcome.PASS] == outcomes[Outcome.FAIL]
    wrong = await wrong_verdicts(cases)
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:_SHOWN])


def test_every_way_to_write_a_number_and_every_frame_comes_up(gsm8k: Path) -> None:
    styles = Counter(part for case in make_cases(gsm8k) for part in case.style.split(", "))
    named = {name for kind in (WRITERS, FRAMES) for names in kind.values() for name in names}
    named.update(FAULTS)
    assert {name: styles[name] for name in named if styles[name] < 50} == {}
