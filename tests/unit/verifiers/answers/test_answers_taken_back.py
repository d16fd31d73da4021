"""A retracted answer does not count; remarks about other things leave it unchanged."""

import pytest

from verifiers.answers import extract_answer

TAKEN_BACK = (
    "The answer is 5. But that is incorrect.",
    "The answer is 5, which is wrong.",
    "The answer is 5. No, that is not right.",
    "The answer is 5. That can't be right.",
    "The answer is 5. Never mind.",
    "The answer is 5. Scratch that, 6.",
    "The answer is 5. Or maybe 6.",
    "The answer is 5. No, 6.",
    "Answer: 5\nEdit: 6",
    r"\boxed{5} (this is incorrect)",
    "\\boxed{5}\n\nHmm, this answer seems wrong.",
    "My friend says the answer is 5. I disagree.",
    "It would be wrong to say the answer is 5.",
    "It is false that the answer is 5.",
    "答案\uff1a5\uff0c但是这是错误的\uff0c应该是8。",
    "答案是5。不对\uff0c应该是8。",
    "\\boxed{5}。不\uff0c是8。",
    "Die Antwort ist 5. Nein, das ist falsch.",
    "La respuesta es 5. Espera, es 8.",
    "La respuesta es 5. No, es incorrecta.",
    "La réponse est 5. En fait, c'est 8.",
    "A resposta é 5. Isso está errado.",
    "La risposta è 5. Aspetta, è 8.",
    "Ответ: 5. Нет, это неверно.",
    "答えは5です。いや、8です。",
    "답은 5입니다. 틀렸습니다.",
    "الجواب هو 5. لا، هذا خطأ.",
)
KEPT = (
    "The answer is 5. This is not a coincidence.",
    "The answer is 5. It is wrong to divide by zero here, so we did not.",
    "The answer is 5. So Bob is wrong.",
    r"\boxed{5}. Note that the other root is incorrect.",
    "The answer is 5. No other values work.",
    "The answer is 5, which is not divisible by 3.",
    "\\boxed{5}\n\nNo further steps are needed.",
    "The answer is 5. Or equivalently 5.0.",
    "答案是5。检查没有错误。",
    "答案是5。其他选项错误。",
    "La respuesta es 5. No hay otras soluciones.",
    "Ответ: 5. Нет других решений.",
    "답은 5입니다. 아니면 다른 풀이도 있다.",
)


@pytest.mark.parametrize("response", TAKEN_BACK)
def test_a_retracted_answer_does_not_count(response: str) -> None:
    assert extract_answer(response) is None


@pytest.mark.parametrize("response", KEPT)
def test_words_about_something_else_take_nothing_back(response: str) -> None:
    assert extract_answer(response) == "5"


def test_words_that_are_the_answer_may_be_called_wrong() -> None:
    # The question may ask which statement is incorrect.
    assert extract_answer("The answer is the second statement. This is incorrect.") is not None
    assert extract_answer("The answer is B. Scratch that, C.") is None
