"""Detects a retraction right after an answer: "5. No, that is wrong", "5. Scratch that".

Only the text directly after the answer is searched. Words further away may refer to something else,
such as another choice or a step that was checked.
"""

import re

from verifiers.answers.extent import has_maths

_MOST_BEHIND = 160
"""Characters after an answer that are searched for a retraction."""
_BETWEEN = (
    r"(?:[\s$*_`\"'\u201d\u2019.,;:!()\[\]}\\\u2014\u2013-]|…"
    r"|です|でした|である|だ(?!\w)|となります|になります|입니다|이다|이에요|예요)*+"
)
_ENGLISH_START = (
    r"(?:(?:but|and|oh|ah|h+m+|wait|no|well|sorry|oops|actually|however|although|though|unfortunately)"
    r"(?!\w)[\s,.!:;\u2014\u2013-]*+)*"
)
_VALUE = r"(?:[$*\\(\s]*[-\u2212]?\d|\\boxed|[$*]*\s*\\[a-z]+)"
_WRONG = {
    "English": r"(?:th(?:is|at)(?:\s+(?:answer|result|value))?|it|which"
    r"|(?:my|the|this)\s+(?:answer|result))"
    r"(?:(?:'s|\s+(?:is|was|seems|looks|appears|must\s+be))(?:\s+(?:to\s+be|probably|clearly|still"
    r"|obviously|actually|definitely|surely))*"
    r"\s+(?:wrong|incorrect|mistaken|impossible|an?\s+(?:mistake|error)"
    r"|not\s+(?:right|correct|true))(?!\s+(?:to|that|for|if)\b)"
    r"|(?:\s+(?:cannot|can\s+not)|\s+(?:ca|is|was)n't)\s+(?:be\s+)?(?:right|correct|true))\b"
    r"|(?:wrong|incorrect)(?=\s*[.!)]|$)|I\s+(?:was|am)\s+(?:wrong|mistaken)\b",
    "Arabic": r"(?:لا\s*,\s*)?(?:هذا|هذه|لكن\s+هذا)\s+(?:خطأ|خاطئ\w*|غير\s+صحيح\w*)",
    "Chinese": r"(?:(?:但是?|不过|可是|然而|等等|等一下|不)[,\s]*)*"
    r"(?:(?:这|那|它|该|上面)(?:个|是|的|答案|结果)*)?"
    r"(?:不对|不正确|是?错误的?|错了|是?错的|有误|算错)",
    "French": r"(?:(?:non|mais|attends|en\s+fait)[,.\s]+)*(?:c'est|cela\s+est|ceci\s+est)\s+"
    r"(?:faux|incorrect|inexact)",
    "German": r"(?:(?:nein|aber|moment|doch)[,.\s]+)*(?:das|dies|es)\s+(?:ist|war)\s+(?:\w+\s+)?"
    r"(?:falsch|nicht\s+(?:richtig|korrekt))",
    "Italian": r"(?:(?:no|ma|aspetta)[,.\s]+)*(?:(?:questo|ciò)\s+)?(?:è|era)\s+"
    r"(?:sbagliat|errat|scorrett)\w+",
    "Japanese": r"(?:(?:いや|いえ|しかし|でも)[,、\s]*)*"
    r"(?:これは|それは)?(?:間違い|間違って|誤り)(?!で?は)",
    "Korean": r"(?:(?:아니|아뇨|하지만)[,.\s]+)*"
    r"(?:(?:이것은|그것은|이건|그건)\s*)?(?:틀렸|틀린|잘못)",
    "Portuguese": r"(?:(?:não|mas|espera)[,.\s]+)*(?:(?:isso|isto)\s+)?(?:está|é)\s+"
    r"(?:errad|incorret)\w+",
    "Russian": r"(?:(?:нет|но)[,.\s]+)*(?:это\s+)?(?:неверно|неправильно|ошибка|ошибочно)(?!\w)",
    "Spanish": r"(?:(?:no|pero|espera)[,.\s]+)*(?:(?:eso|esto)\s+)?(?:es|está)\s+"
    r"(?:incorrect|equivocad|errad)\w+",
}
_INSTEAD = (
    r"(?:scratch|strike|forget)\s+(?:that|it|this)\b|never\s*mind\b|I\s+disagree\b"
    rf"|(?:or|no)[\s,]+(?:maybe|perhaps|possibly|rather)\s+(?:it(?:'s|\s+is)\s+)?{_VALUE}"
    r"|(?:edit(?:ed)?|updated?|correct(?:ion|ed)|revised)(?:\s+answer)?\s*:"
    r"|(?:no|nein|non|não|нет|いや|いえ|아니|لا|不|moment|warte"
    r"|esper[ae]|attends|attendez|aspetta|en\s+fait|pardon"
    r"|en\s+realidad|na\s+verdade|aliás|anzi|in\s+realtà|точнее|вернее|стоп|잠깐|待って|等等|等一下|انتظر)"
    r"\s*[,.:!\u2014\u2013-]+\s*(?:(?:it|that)(?:'s|\s+is)|es\s+ist|es|c'est|é|è|это|应该是|而?是)?"
    r"\s*"
    rf"{_VALUE}"
    r"|(?:更正|訂正|정정|korrektur|corrección|correção|correzione|исправление)\s*:|应该?是\s*[-$\\\d]"
)
_REJECTED = re.compile(
    rf"{_BETWEEN}{_ENGLISH_START}(?:(?P<wrong>{'|'.join(_WRONG.values())})|{_INSTEAD})", re.IGNORECASE
)


def is_taken_back(answer: str, behind: str) -> bool:
    """Whether the text after an answer retracts it.

    "This is incorrect" after words or a letter may be what the question asks for, and is ignored.
    """
    rejected = _REJECTED.match(behind[:_MOST_BEHIND])
    return rejected is not None and (rejected["wrong"] is None or has_maths(answer))
