"""An answer is found where it is stated, in other languages, signs and scripts than English."""

import pytest

from verifiers.answers import extract_answer

NUMBERS = {
    "Arabic": ("الإجابة هي 18.", "الجواب: ١٨", "الإجابة الصحيحة هي 18", "الجواب النهائي هو 18."),
    "Bengali": ("উত্তর: 18", "উত্তর: ১৮"),
    "Chinese": (
        "答案：18",
        "所以答案是18。",
        "【答案】18",
        "因此，最终答案为：$18$。",
        "正确答案应该是18，因为6乘以3等于18。",
        "故答案为18．",
        "【解析】6×3=18。<eoe>\n【答案】18",
        "解：6×3=18。\n答案：１８",
        "答案就是18",
        "因此答案等于18。",
        "因此，最终结果为18。",
    ),
    "Dutch": ("Het antwoord is 18.", "Antwoord: 18"),
    "French": (
        "Réponse : 18",
        "La réponse est 18.",
        "La réponse finale est donc 18.",
        "Le résultat final est 18.",
        "Re\u0301ponse\u00a0: 18",
    ),
    "German": (
        "Antwort: 18",
        "Die Antwort ist 18.",
        "Die Antwort lautet also 18, weil 6 mal 3 gleich 18 ist.",
        "ANTWORT: 18",
        "Also ist die Antwort 18.",
        "Somit lautet die Antwort: 18",
        "Das Endergebnis ist 18.",
        "Endergebnis: 18",
    ),
    "Hindi": ("उत्तर: 18", "उत्तर 18 है।", "अंतिम उत्तर: १८"),
    "Indonesian": ("Jawabannya adalah 18.", "Jawaban: 18", "Jawaban akhir adalah 18"),
    "Italian": (
        "La risposta è 18.",
        "Risposta: 18",
        "La risposta finale è quindi 18.",
        "Risultato finale: 18",
    ),
    "Japanese": ("答え: 18", "答えは18です。", "したがって、正解は18となります。", "答えは、18です"),
    "Korean": ("정답: 18", "따라서 답은 18입니다.", "최종 답변: 18"),
    "Polish": ("Odpowiedź: 18", "Odpowiedź to 18."),
    "Portuguese": (
        "A resposta é 18.",
        "Resposta: 18",
        "A resposta final é 18, porque 6*3=18.",
        "O resultado final é 18.",
    ),
    "Russian": (
        "Ответ: 18",
        "Ответ — 18.",
        "Правильный ответ: 18",
        "ОТВЕТ: 18",
        "Таким образом, ответ 18.",
    ),
    "Spanish": (
        "La respuesta es 18.",
        "Respuesta: 18",
        "La respuesta final es 18, ya que 6*3=18.",
        "Resultado final: 18",
    ),
    "Swahili": ("Jibu ni 18.", "Jibu: 18"),
    "Telugu": ("సమాధానం: 18",),
    "Thai": ("คำตอบคือ 18", "คำตอบ: ๑๘"),
    "Turkish": ("Cevap: 18",),
    "Ukrainian": ("Відповідь: 18",),
    "Vietnamese": ("Đáp án là 18.", "Câu trả lời: 18"),
}


@pytest.mark.parametrize("language", NUMBERS)
def test_a_number_is_stated(language: str) -> None:
    for response in NUMBERS[language]:
        assert (extract_answer(response) or "").strip("$") == "18", response
        assert (extract_answer(f"6 * 3 = 18.\n\n**{response}**") or "").strip("$") == "18", response
        # A statement after it wins; one in a box before it does not.
        assert extract_answer(f"{response}\n\nThe answer is 19.") == "19", response
        assert (extract_answer(f"\\boxed{{17}}\n{response}") or "").strip("$") == "18", response


@pytest.mark.parametrize(
    "response",
    [
        "Die Antwort ist nicht 18.",
        "如果答案是18，那么总数是36。",
        "检查答案：18",
        "答案不是18。",
        "La respuesta no es 18.",
        "La respuesta es no es 18",
        "La réponse n'est pas 18.",
        "A resposta não é 18.",
        "Если ответ: 18",
        "Wenn die Antwort 18 ist",
        "答えは18ではない。",
        "답은 18이 아닙니다.",
        "选项18错误",
        "答案",
        "Antwort:",
        "La respuesta es",
        "The distribution attributes a response of 18 to it",
    ],
)
def test_what_is_no_statement(response: str) -> None:
    assert extract_answer(response) is None


@pytest.mark.parametrize(
    "response",
    [
        "정답은 18입니다. 17은 아닙니다.",
        "答えは18です。17ではありません。",
        "Die Antwort ist 18. Nicht 17.",
    ],
)
def test_a_denial_of_another_number_takes_nothing_back(response: str) -> None:
    assert extract_answer(response) == "18"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("答案：5；10", "5; 10"),
        ("答案：（3，4）", "(3, 4)"),
        ("答案：充要条件", "充要条件"),
        ("答案：18，因为6×3=18", "18"),
        ("所以 $a=\\boxed{5}$，$b=\\boxed{10}$", "a=5, b=10"),
        ("所以 $a_1=\\boxed{5}$，$a_2+a_3=\\boxed{10}$。", "5, 10"),
        ("答案／Answer： 5； 10", "5; 10"),
        ("The answer is ５０％．", "50%"),
        ("答案：红色，蓝色", "红色, 蓝色"),
        ("答案：红色，因为它是红的", "红色"),
        ("Ответ: 18 долларов", "18 долларов"),
        ("答案：18美元", "18美元"),
    ],
)
def test_signs_of_other_scripts(response: str, answer: str) -> None:
    assert extract_answer(response) == answer
