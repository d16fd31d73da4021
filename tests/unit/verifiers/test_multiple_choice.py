"""Letters are found where they are stated, and nowhere else."""

import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.patience import processor_time
from verifiers import Outcome, Target, Verdict
from verifiers.multiple_choice import MultipleChoiceVerifier

VERIFIER = MultipleChoiceVerifier(MultipleChoiceVerifier.Config())
CITIES: dict[str, Any] = {"choices": ["Paris", "Rome", "New York", "Oslo"]}


async def judge(response: str, value: str | None = "B", **tests: Any) -> Verdict:
    return await VERIFIER.verify("?", response, Target(kind="choice", value=value, tests=tests))


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "b",
        "(b)",
        "B.",
        " B) ",
        "**B**",
        "**B) 12**",
        "**B. 12**",
        "$B$",
        r"\boxed{B}",
        r"\boxed{\text{(B)}}",
        r"\boxed{\textbf{(B)}\ 12}",
        r"$\text{(B)}$",
        "The answer is B.",
        "The answer is (b).",
        "The answer is B because A is too small.",
        "The answer is B, because (A) is too small.",
        "The answer is **B**",
        "Answer: B) 12",
        "Answer: option B",
        "(A) gives 3 and (B) gives 4.\n\nSo the choice is (B)",
        "(A) 11\n(B) 12\n(C) 13\nSo it is (B)",
        "B) 12\nOption A is wrong.",
        "I think about it.\nIt has to be option B.",
        "B) 12\nBecause three times four is twelve.",
        "A person who knows will say:\n(B)",
        "\uff08\uff22\uff09",  # full-width brackets and letter
    ],
)
async def test_a_stated_letter_passes_and_is_wrong_for_another_gold(response: str) -> None:
    verdict = await judge(response)
    assert (verdict.outcome, verdict.extracted) == (Outcome.PASS, "B")
    assert (await judge(response, "C")).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "response",
    [
        "",
        "I wonder.",
        "A cat sat on a mat.",
        "I do not know",
        "The answer is a dog",
        "The answer is A person's age",
        "The answer is I do not know",
        "The answer is I (to be honest) do not know",
        "The answer is 12",
        "So f(b) = 12",
        "So f(B) = 12",
        "The answer is that option I would take",
        "An option A person would take",
        "Vitamin B is fine",
        "Let A = 5 and B = 6.",
        "The answer is not B",
        "It is not (B).",
        "Option B is wrong.",
        "The answer isn't (B)",
    ],
)
async def test_prose_is_no_letter(response: str) -> None:
    for gold in "ABI":
        verdict = await judge(response, gold)
        assert (verdict.outcome, verdict.reason) == (Outcome.ABSTAIN, "the response states no letter")


TEN: dict[str, Any] = {"choices": [f"{number} J" for number in range(10, 20)]}


@pytest.mark.parametrize(
    "response",
    [
        # Cut off.
        "That is 110.3 degrees.\n\nFor part (b), we can use the same equation as",
        "so $K_p = \\frac{[B]^2}{[B_2]}$. We",
        "Since both have the same units (B), we have",
        "Let us look at each of them.\nA. It is too small, so it is wrong.\nB. This one",
        "(A) is too small.\n(B)",
        "First we look at option B",
        "Option B states that energy is kept, so we",
        "We compare it with (B) and see that the energy, which is kept, has to be the same and",
        "Now consider choice B, which",
        "The energy is kept.\n\nB",
        "The energy is kept.\n\n* B",
        "The energy is kept.\n11 J",
        "A. 10 J is too small, so\nwe look at the next",
        "B. 11 J\nThis is too small, so we look at",
        "The pH of a neutral solution is 11 J and that of",
        "The solutions are $B",
        "(B) is reasonable if",
        "The energy is kept. So:\n\nB",
        "(b)\n\nThe second part asks for the energy, which",
        "(b) First, we find",
        "The answer is (",
        "The answer is option",
        "The correct option is:",
        "The closest option is (",
        "We want P(A|B) where B is",
        "The other option is (B) and we",
        # Whole sentences that choose nothing.
        "The energy is measured in the unit (B).",
        "The energy in state (B) is 12.",
        "The wrong option is (B).",
        "The first option is (B).",
        "Another option is (B).",
        "It differs from (B).",
        "This rules out (B).",
        "The vitamin is called vitamin B.",
        "In case (B), nothing moves.",
        "Set B = 12 in equation (B).",
        "Option B says 12.",
        "Statement (B) is about energy.",
        "The price of the option is B = 4.",
        "The solution is B(n) = n.",
        "We refer to B",
    ],
)
async def test_letters_of_text_that_states_nothing_do_not_count(response: str) -> None:
    for tests in ({}, TEN):
        assert (await judge(response, "B", **tests)).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize(
    "response",
    [
        "That is 11. The closest option is (B).",
        "The closest option is (B) with a value of 11 J, which is less than",
        "The closest option is B. 11 J.",
        "So the most likely cause is (B).",
        "Among these, the best fit is **B**.",
        "This matches (B).",
        "This gives 11 J, or (B).",
        "It is 11 J, which is (B).",
        "This corresponds to option (B).",
        "It is consistent with option B.",
        "Therefore, (B) is the correct answer.",
        "Therefore, option B is correct.",
        "Thus (B) is the most appropriate choice.",
        "Only (B) is correct.",
        "The others are wrong, so we keep (B) as our answer.",
        "That makes (B) the best choice.",
        "Hence (B).",
        "I choose (B).",
        "I would go with **B**.",
        "The option is B (increase).",
        "My choice:\n\nB",
        "The answer is for sure B, it cannot be A or C",
        "The answer is most likely B.",
        "The answer is definitely (B).",
        r"\[ \text{The answer is } B \]",
        r"\(\text{Answer: B}\)",
        "<answer>B</answer>",
        "<ANSWER>(B)</ANSWER>",
        "<|begin_of_box|>B<|end_of_box|>",
        "The answer is B<|im_end|>",
        "The answer is B.\n\nSo the answer is correct.",
        "The answer is B.\u8d60\u9001",
    ],
)
async def test_a_letter_is_found_where_it_is_stated(response: str) -> None:
    assert (await judge(response)).outcome is Outcome.PASS
    assert (await judge(response, "C", **TEN)).outcome is Outcome.FAIL


LANGUAGES = {
    "Arabic": ("الإجابة الصحيحة هي B.", "الإجابة: B", "الجواب هو (B)"),
    "Chinese": (
        "答案：B",
        "所以答案是B。",
        "故选：B．",
        "故选B。",
        "因此，正确选项是B。",
        "综上，选择B",
        "【解析】交集是{0,1,2}。所以答案是B。<eoe>\n【答案】B<eoa>",
        "【答案】Ｂ",
        "答案是选项B",
        "答案：（B）",
        "答案选B。",
    ),
    "French": ("Réponse : B", "La bonne réponse est B.", "La réponse correcte est (B)."),
    "German": (
        "Zunächst prüfen wir alle Optionen.\n\nAntwort:\n\nAntwort: B",
        "Die richtige Antwort ist B.",
        "Die Antwort lautet (B).",
        "Richtig ist B.",
    ),
    "Hindi": ("सही उत्तर (B) है।", "उत्तर: B", "सही विकल्प B है"),
    "Indonesian": ("Jawaban: B", "Jawaban yang benar adalah B."),
    "Italian": ("La risposta corretta è B.", "Risposta: B"),
    "Japanese": ("したがって、正しい選択肢はBです。", "答え: B", "正解はBです。", "答えは（B）です"),
    "Korean": ("정답: B", "정답은 B입니다.", "따라서 올바른 선택지는 B입니다."),
    "Portuguese": ("A resposta correta é B.", "Resposta: B", "A alternativa correta é a letra B."),
    "Russian": ("Ответ: B", "Правильный ответ: B.", "Правильный ответ — (B)."),
    "Spanish": ("La respuesta correcta es B.\n\nRespuesta: B", "La opción correcta es B."),
    "Swahili": ("Jibu: B", "Jibu sahihi ni B."),
    "Turkish": ("Cevap: B", "Doğru cevap B"),
    "Vietnamese": ("Đáp án đúng là B.", "Đáp án: B"),
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_letter_is_stated_in_other_languages(language: str) -> None:
    for response in LANGUAGES[language]:
        assert (await judge(response)).outcome is Outcome.PASS, response
        assert (await judge(response, "C", **CITIES)).outcome is Outcome.FAIL, response


@pytest.mark.parametrize(
    "response",
    [
        "选项B错误，选项C也错误。",
        "答案不是B。",
        "如果答案是B，",
        "Die Antwort ist nicht B.",
        "La respuesta no es B.",
        "答えはBではありません。",
        "정답은 B가 아닙니다.",
        "答案",
    ],
)
async def test_no_letter_is_stated_in_other_languages(response: str) -> None:
    assert (await judge(response)).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (r"So it is $\boxed{13^\circ}$.", Outcome.PASS),
        (r"So it is $\boxed{13}^\circ$.", Outcome.PASS),
        (r"\boxed{13^{\circ}}", Outcome.PASS),
        ("The answer is 13°.", Outcome.PASS),
        (r"\boxed{32^\circ}", Outcome.FAIL),
        (r"\boxed{130^\circ}", Outcome.ABSTAIN),
        (r"\textbf{(C)}\ 13^\circ", Outcome.PASS),
    ],
)
async def test_a_text_is_compared_without_its_layout(response: str, outcome: Outcome) -> None:
    assert (await judge(response, "C", choices=["32°", "45°", "13°", "30°"])).outcome is outcome


@pytest.mark.parametrize("value", [r"\textbf{(B)}\ 18", "(B) 18", "B) 18", "B. 18"])
async def test_a_gold_letter_may_have_its_text(value: str) -> None:
    assert (await judge(r"\boxed{B}", value, choices=["17", "18"])).outcome is Outcome.PASS
    assert (await judge(r"\boxed{A}", value, choices=["17", "18"])).outcome is Outcome.FAIL
    assert (await judge(r"\boxed{B}", value)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "response",
    [
        "The answer is A or B",
        "The answer is (A) or (B)",
        r"\boxed{A, B}",
        r"\boxed{A/B}",
        "Answer: A and B",
        "**A** or **B**",
        "It is (A), no, (B)",
        "B) 12\nNo: (A)",
        "(A) 11\n(B) 12",
    ],
)
async def test_two_letters_do_not_decide(response: str) -> None:
    verdict = await judge(response)
    assert (verdict.outcome, verdict.extracted) == (Outcome.ABSTAIN, "A or B")
    assert verdict.no_answer


@pytest.mark.parametrize("value", ["B", "b", "(B)", "B.", "B)", r"\text{(B)}", " Rome ", "rome."])
async def test_gold_may_be_a_letter_or_a_text(value: str) -> None:
    assert (await judge(r"\boxed{B}", value, **CITIES)).outcome is Outcome.PASS
    assert (await judge(r"\boxed{A}", value, **CITIES)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("The answer is Rome.", Outcome.PASS),
        ("The answer is B. Rome", Outcome.PASS),
        (r"\boxed{\text{rome}}", Outcome.PASS),
        ("Rome", Outcome.PASS),
        ("The answer is new york.", Outcome.FAIL),
        ("The answer is Rom", Outcome.ABSTAIN),
        ("The answer is Rome or Paris", Outcome.ABSTAIN),
        (r"\boxed{(B) Paris}", Outcome.ABSTAIN),
        (r"\boxed{E}", Outcome.FAIL),
    ],
)
async def test_a_choice_may_be_named_by_its_text(response: str, outcome: Outcome) -> None:
    assert (await judge(response, **CITIES)).outcome is outcome
    lettered: dict[str, Any] = {"choices": {"a": "Paris", "b": "Rome", "c": "New York", "d": "Oslo"}}
    assert (await judge(response, **lettered)).outcome is outcome


async def test_a_letter_that_is_also_another_choices_text_does_not_decide() -> None:
    tests: dict[str, Any] = {"choices": ["C", "A", "B"]}
    assert (await judge(r"\boxed{A}", "B", **tests)).outcome is Outcome.ABSTAIN


async def test_a_letter_beyond_the_choices_is_said_to_be_one() -> None:
    verdict = await judge("(Z)", **CITIES)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, "there is no such choice")
    assert (await judge("(Z)", "Z")).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("value", "tests", "complaint"),
    [
        ("12", {}, "target.value: expected a letter"),
        ("E", CITIES, "target.value: expected one of A, B, C, D"),
        ("Berlin", CITIES, "got 'Berlin'"),
        ("A", {"choices": "ABC"}, "target.tests.choices"),
        ("A", {"choices": []}, "target.tests.choices"),
        ("A", {"choices": [1, 2]}, "got 'A': int"),
        ("A", {"choices": ["x"] * 27}, "at most 26"),
        ("A", {"choices": {"AB": "x"}}, "got 'AB'"),
        ("A", {"choices": {"A": "x", "a": "y"}}, "each letter once"),
        ("x", {"choices": ["x is", "x is"]}, "got 'x'"),
    ],
)
async def test_a_bad_target_is_an_error(value: str, tests: dict[str, object], complaint: str) -> None:
    verdict = await judge("(A)", value, **tests)
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


@pytest.mark.parametrize("value", [None, "", "  "])
async def test_without_gold_nothing_is_known(value: str | None) -> None:
    assert (await judge("(A)", value)).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize(
    "part",
    [
        "option",
        "A and ",
        "a\n",
        "\\text{",
        "(",
        "not ",
        "**",
        "B,",
        "A) ",
        "\\(",
        " option B",
        "a-",
        "is (A) ",
        "B ",
        ". A",
        "the answer-",
        ", or (B)",
    ],
)
async def test_a_long_text_takes_no_time(part: str) -> None:
    for text in (part * 50_000, part + " " * 500_000 + "x", f"The answer is {part * 50_000}"):
        with processor_time(most=5):
            await judge(text)


@given(st.text(alphabet="ABCabc()[]*.:,; \n$\\{}notriswep", max_size=60), st.sampled_from("ABC"))
async def test_never_raises_and_decides_for_one_letter_only(response: str, gold: str) -> None:
    verdict = await judge(response, gold)
    assert verdict == await judge(response, gold)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert verdict.outcome is not Outcome.ERROR
    letters = (verdict.extracted or "").split(" or ")
    assert verdict.outcome.is_trial == (len(letters) == 1 and letters != [""])
    assert (verdict.outcome is Outcome.PASS) == (verdict.extracted == gold)


@given(st.sampled_from(string.ascii_uppercase), st.sampled_from(string.ascii_uppercase))
async def test_any_letter_in_a_box_is_compared(letter: str, gold: str) -> None:
    expected = Outcome.PASS if letter == gold else Outcome.FAIL
    assert (await judge(rf"So \boxed{{({letter})}}", gold)).outcome is expected
