"""Phrases that state an answer in languages other than English.

Each language has phrases that announce an answer ("la respuesta es", "答案是"). Languages whose verb
comes last also have endings that belong to the sentence, not to the answer ("18です"). The text after
the phrase is read as for English. Input comes from `surface.py`, with ASCII punctuation.
"""

import re

_COLON = r"\s*[:=]"
_ANNOUNCED = {
    "Arabic": rf"ال?[إا]جاب[ةه](?:\s+(?:الصحيحة|النهائية))*(?:\s+هي|{_COLON})"
    rf"|الجواب(?:\s+(?:الصحيح|النهائي))*(?:\s+هو|{_COLON})",
    "Bengali": rf"উত্তর(?:টি)?(?:\s+(?:হলো|হল)|{_COLON})",
    "Chinese": r"【(?:正确|最终|参考)?答案】:?"
    r"|(?:答案|(?:正确|最佳)(?:的)?选项)(?:应该|应当|应|就|即)?(?:是|为|等于|选择?)(?:选项)?\s*:?"
    r"|(?:答案|(?:正确|最佳)(?:的)?选项|最终结果)\s*:|最终结果(?:是|为|等于)"
    r"|(?:故|应|所以|因此|综上|答案)[,\s]*(?:本题|此题|正确答案)?应?选(?:择|项)?(?:是|为)?:?(?=\s*[(【]?\s*[A-Z])"
    r"|(?:^|(?<=[\s.]))答\s*:(?:(?:一|总)?共有?)?",
    "Dutch": rf"\b(?:juiste\s+|uiteindelijke\s+)?antwoord(?:\s+is|{_COLON})",
    "French": r"\br[ée]ponse(?:\s+(?:finale|correcte|exacte))*"
    rf"(?:\s+(?:est|serait)(?:\s+(?:donc|la|le|l'option|bien))*|{_COLON})"
    rf"|\b(?:option\s+correcte|résultat\s+final)(?:\s+est|{_COLON})",
    "German": r"\bantwort(?:option|m[öo]glichkeit)?"
    rf"(?:\s+(?:ist|lautet|w[äa]re)(?:\s+(?:also|daher|somit|damit|demnach|option))*|{_COLON})"
    rf"|\b(?:richtig|korrekt)\s+(?:ist|w[äa]re)(?:\s+(?:also|daher|somit))?(?:\s+antwort)?"
    r"|\b(?:ist|lautet)\s+(?:also\s+|somit\s+)?(?:die|unsere)\s+(?:richtige\s+|endg[üu]ltige\s+)?antwort"
    r"\s*:?(?=\s*[-$\\\d(*])"
    rf"|\bendergebnis(?:\s+(?:ist|lautet|betr[äa]gt)|{_COLON})",
    "Hindi": r"(?:उत्तर|जवाब)"
    rf"(?:\s+है|{_COLON}|(?=\s+[(\d$\\A-Z-]))"
    r"|(?:सही|उचित)\s+विकल्प"
    rf"(?:\s+है|{_COLON}|(?=\s+[(A-Z]))",
    "Indonesian": rf"\bjawaban(?:nya)?(?:\s+(?:akhir|yang\s+benar|akhirnya))*"
    rf"(?:\s+(?:adalah|ialah)|{_COLON})",
    "Italian": r"\brisposta(?:\s+(?:finale|corretta|esatta|giusta))*"
    rf"(?:\s+(?:è|e'|sarebbe)(?:\s+(?:quindi|dunque|la|l'opzione))*|{_COLON})"
    rf"|\b(?:opzione\s+corretta|risultato\s+finale)(?:\s+è|{_COLON})",
    "Japanese": rf"(?:答え|答|解答|回答|正解|(?:正しい|適切な)選択肢)(?:は|{_COLON})[,\s]*",
    "Korean": r"(?:정답|답변|해답|(?<![가-힣])답|(?:올바른|맞는)\s*(?:선택지|보기|옵션))"
    rf"(?:은|는|{_COLON})[,\s]*",
    "Polish": rf"\b(?:prawidłowa\s+|poprawna\s+)?odpowied(?:ź|zią)(?:\s+(?:to|jest)|{_COLON})",
    "Portuguese": r"\b(?:resposta|(?:alternativa|opção)(?=\s+(?:correta|certa)))"
    r"(?:\s+(?:final|correta|certa))*"
    rf"(?:\s+(?:é|será|seria)(?:\s+(?:portanto|a\s+letra|a\s+alternativa|a|o))?|{_COLON})"
    rf"|\bresultado\s+final(?:\s+é|{_COLON})",
    "Russian": r"\b(?:ответ(?:ом)?|(?:правильный|верный)\s+вариант(?:\s+ответа)?)"
    r"(?:\s+(?:равен|является|будет|это)|\s*(?:[:=\u2014\u2013]|-(?=\s)))"
    r"|(?:,|образом|итак)\s+ответ(?=\s+[$\\\d-])",
    "Spanish": r"\b(?:respuesta|(?:opci[óo]n|alternativa)(?=\s+correcta))(?:\s+(?:final|correcta))*"
    rf"(?:\s+(?:es|ser[íi]a)(?:\s+(?:entonces|la\s+opci[óo]n|la|el))?|{_COLON})"
    rf"|\bresultado\s+final(?:\s+es|{_COLON})",
    "Swahili": rf"\bjibu(?:\s+(?:sahihi|la\s+mwisho))*(?:\s+ni|{_COLON})",
    "Telugu": rf"(?:సమాధానం|జవాబు){_COLON}",
    "Thai": rf"คำตอบ(?:\s*(?:ที่ถูกต้อง|สุดท้าย))*(?:\s*คือ|{_COLON})",
    "Turkish": rf"\b(?:cevap|yanıt|cevabı){_COLON}|\bdoğru\s+(?:cevap|seçenek|yanıt)(?=\s+[(A-Z\d])",
    "Ukrainian": r"\bвідповідь(?:\s+є|\s*(?:[:=\u2014\u2013]|-(?=\s)))",
    "Vietnamese": rf"\b(?:đáp\s+án|câu\s+trả\s+lời)(?:\s+(?:đúng|cuối\s+cùng))*(?:\s+là|{_COLON})",
}
ANNOUNCED = "|".join(f"(?:{words})" for words in _ANNOUNCED.values())
"""Regular expression for the words up to the answer; compile it with IGNORECASE."""

_STEMS = (
    *"答 选 正解 選択肢 답 선택지 보기 옵션 جاب جواب উত্তর ntwoord éponse eponse ÉPONSE EPONSE".split(),
    *"ntwort NTWORT cevap Cevap".split(),
    *"ichtig orrekt उत्तर जवाब विकल्प awaban isposta ISPOSTA pzione dpowied esposta".split(),
    *"ESPOSTA lternativa pção yanıt".split(),
    *"твет ТВЕТ ариант espuesta ESPUESTA pción pcion jibu Jibu సమాధానం జవాబు คำตอบ".split(),
    *"Yanıt eçenek ідповідь đáp Đáp".split(),
    *("ption correcte", "ndergebnis", "ésultat final", "esultado final", "isultato finale", "最终结果"),
    "ả lời",
)
"""Texts with an announcement contain one of these; searching for them is faster than matching."""
_ASCII_STEMS = tuple(filter(str.isascii, _STEMS))

_DENIED = re.compile(
    r"[\s*_(\"'$]*+(?:(?:nicht|kein\w*|pas|ni|нет|не|niet|geen|nie|bukan|không|sio|değil)(?!\w)"
    r"|(?:no|non|não)\s+(?:es|est|[èé]|ser\w*|\d|[A-Z]\b)|不|非|ليس|لا\s|नहीं)|.{0,60}?(?:ではない|ではありません|じゃない"
    r"|아니|아닙|नहीं|не\s+является|değil)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:如果|假设|假如|若|检查|验证|检验|错误的?|不正确的?|もし|間違った|만약|잘못된)[^,.:;]{0,12}$"
    r"|(?<!\w)(?:wenn|falls|ob|si|se|если|проверим|falsche\w*|mauvaise|incorrecta|errada|sbagliata"
    r"|неправильн\w+|неверн\w+|إذا|यदि|अगर|als)\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
_ENDING = re.compile(
    r"(?:\s*(?:です|である|だ|となります|となる|になります|になる|입니다|이다|입니다만|이에요|예요|가\s*됩니다|이\s*됩니다)"
    r"|\s+(?:है|हैं|होगा|होगी|हुआ|olur|हो\s+जाता\s+है)|\s+dir|[''](?:dır|dir|tir|tır))[\s.]*$"
    r"|(?<=[A-Z)\]])\s*(?:选项|項|选)[\s.]*$"
)

_WITH_DECIMAL_COMMAS = (
    *(
        "Dutch",
        "French",
        "German",
        "Indonesian",
        "Italian",
        "Polish",
        "Portuguese",
        "Russian",
        "Spanish",
    ),
    *("Turkish", "Ukrainian", "Vietnamese"),
)
_ANNOUNCED_WITH_DECIMAL_COMMAS = re.compile(
    "|".join(f"(?:{_ANNOUNCED[language]})" for language in _WITH_DECIMAL_COMMAS), re.IGNORECASE
)
_WORDS_WITH_DECIMAL_COMMAS = re.compile(
    r"(?<!\w)(?:der|die|das|und|ist|also|somit|le|les|est|donc|des|une|el|los|las|es|por|una|os|é|são|portanto"
    r"|il|è|di|quindi|het|een|jest|wynosi|[а-яіїє]{2,})(?!\w)",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\b(?:the|is|of|are|we|so)\b", re.IGNORECASE)
_MOST_TEXT = 4000
"""Characters at the end of a text that decide its language."""


def is_english(text: str) -> bool:
    """Whether the end of the text contains some of the most common English words."""
    return _ENGLISH.search(text[-_MOST_TEXT:]) is not None


def has_words_of_decimal_commas(text: str) -> bool:
    """Whether the text's language writes 3.5 as 3,5."""
    text = text[-_MOST_TEXT:]
    if is_english(text):
        return False
    words = {word.lower() for word in _WORDS_WITH_DECIMAL_COMMAS.findall(text)}
    return len(words) > 1 or _ANNOUNCED_WITH_DECIMAL_COMMAS.search(text) is not None


def find_announcements(text: str, start: int) -> int | None:
    """Earliest position where an announcement in one of the languages may begin; None without one."""
    stems = _ASCII_STEMS if text.isascii() else _STEMS
    found = [at for stem in stems if (at := text.find(stem, start)) >= 0]
    return min(found) if found else None


def is_denied(answer: str) -> bool:
    """Whether the text says what the answer is not."""
    return _DENIED.match(answer) is not None


def speaks_about_an_answer(clause: str) -> bool:
    """Whether the clause makes the words after it suppose or check an answer instead of stating one."""
    return _ABOUT.search(clause) is not None


def without_ending(answer: str) -> str:
    """The answer without the words that end its sentence."""
    return _ENDING.sub("", answer)
