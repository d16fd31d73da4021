"""Brings the many ways to write the same signs into one: Unicode and LaTeX layout to plain LaTeX.

Nothing that changes a meaning is dropped here; every rewriting is linear in the text's length.
"""

import re

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n", strict=True))
_VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
    "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅐": "1/7",
    "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_GREEK = (
    "αalpha βbeta γgamma δdelta εepsilon ζzeta ηeta θtheta κkappa λlambda μmu νnu ξxi πpi ρrho σsigma "
    "τtau φphi χchi ψpsi ωomega ΔDelta ΓGamma ΘTheta ΛLambda ΠPi ΣSigma ΦPhi ΨPsi ΩOmega"
)
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‒": "-", "﹣": "-", "×": r"\times ", "✕": r"\times ", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "÷": r"\div ", "∗": "*", "∕": "/", "⁄": "/", "±": r"\pm ",
    "∓": r"\mp ", "√": r"\root ", "∛": r"\sqrt[3] ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ",
    "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ",
    "∩": r"\cap ", "∖": r"\setminus ", "∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "°": r"^\circ ", "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "％": "%", "∣": "|", "∧": r"\land ", "∨": r"\lor ", "→": r"\to ", "′": "'", "’": "'", "‘": "'",
    "“": '"', "”": '"', "ⅈ": "i", "ⅇ": "e", "⊂": r"\subset ", "′′": "''", "µ": r"\mu ",
    "\u200b": "", "\ufeff": "", "\u2061": "", "\u200c": "", "\u2060": "",
}  # fmt: skip
_SPACES = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\r\n"
_TABLE = str.maketrans(
    {c: s for c, s in _SIGNS.items() if len(c) == 1}
    | dict.fromkeys(_SPACES, " ")
    | {c: rf"\frac{{{f.replace('/', '}{')}}}" for c, f in _VULGAR.items()}
    | {word[0]: f"\\{word[1:]} " for word in _GREEK.split()}
    | {chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F) if chr(c) != "％"}
)
_RAISED = re.compile("[" + "".join(_SUPERSCRIPTS) + "]++")
_LOWERED = re.compile("[" + "".join(_SUBSCRIPTS) + "]++")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_THOUSANDS = re.compile(
    r"(?<![\d.,])(?<!\d\s)\d{1,3}(?:(?:,|\{,\}|\\,|\\!|,\\!|\\;|\\ | |~|')\d{3})+(?![\d]|[, ]\d)"
)
_SEPARATOR = re.compile(r"[^\d]+")
_LAYOUT = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|mathstrut|rm|bf|it|boldsymbol"
    r"|(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\s*\.?)(?![a-zA-Z])"
)
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:! >]|q?quad(?![a-zA-Z])|(?:hspace\*?|phantom)\{[^{}]*\})|~")
_DOLLARS = re.compile(r"(?<!\\)\${1,2}|\\[()\[\]]")
_MARKS = re.compile(r"\*\*|__|`")
_ENDING = re.compile(r"(?<!\.)[\s.,;:]+$")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*(\d)\s*(?:(\d)|(?=\{))")
_WIDE_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_PLAIN_TEX_FRACTION = re.compile(r"\{([^{}]*)\\over(?![a-zA-Z])([^{}]*)\}")
_PLAIN_TEX_CHOICE = re.compile(r"\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d)(?=\d)")
_TYPED_ROOT = re.compile(r"\\root\s*(\d+(?:\.\d+)?)")
_BRACED_SIGN = re.compile(r"\{([,:;])\}")
_UPRIGHT = re.compile(r"\\(?:mathrm|text)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_UPRIGHT_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]+")
_UNIT_FRACTION = re.compile(
    r"\\frac\s*\{\s*(\\(?:text|mathrm)\{[^{}]*\})\s*\}\s*\{\s*(\\(?:text|mathrm)\{[^{}]*\})\s*\}"
)
_SHORT_DENOMINATOR = re.compile(r"(\\frac\s*\{[^{}]*\})\s*(\d)")


def plain(text: str) -> str:
    """The text in plain LaTeX: ASCII signs, no layout, no thousands separators."""
    text = text.strip().strip("`").strip()
    if text.startswith(("**", "__")):
        text = _MARKS.sub("", text)
    if not text.isascii():
        text = _RAISED.sub(lambda m: "^{" + "".join(_SUPERSCRIPTS[c] for c in m[0]) + "}", text)
        text = _LOWERED.sub(lambda m: "_{" + "".join(_SUBSCRIPTS[c] for c in m[0]) + "}", text)
        text = _OTHER_DIGIT.sub(lambda m: str(int(m[0])), text.translate(_TABLE))
    return _ENDING.sub("", join_thousands(_without_layout(text))).strip()


def _without_layout(text: str) -> str:
    if "\\" in text or "$" in text or "{" in text:
        # A currency sign stands before its number, with nothing to close it.
        if text.count("$") % 2 == 0 or not re.match(r"\s*-?\s*\$\s*-?[\d.]", text):
            text = _DOLLARS.sub(" ", text)
        text = _LAYOUT.sub(" ", join_thousands(text))
        text = _SPACING.sub(" ", text)
        text = _SHORT_FRACTION.sub(
            lambda m: rf"\frac{{{m[1]}}}" + (f"{{{m[2]}}}" if m[2] else ""), text
        )
        text = _WIDE_FRACTION.sub(r"\\frac", text)
        text = _SHORT_DENOMINATOR.sub(r"\1{\2}", text)
        text = _PLAIN_TEX_FRACTION.sub(r"\\frac{\1}{\2}", text)
        text = _PLAIN_TEX_CHOICE.sub(r"\\binom{\1}{\2}", text)
        text = _TYPED_ROOT.sub(r"\\sqrt{\1}", text).replace("\\root", "\\sqrt")
        text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
        text = _BRACED_SIGN.sub(r"\1", text)
        text = _UNIT_FRACTION.sub(r"\1/\2", _UPRIGHT.sub(_word_by_word, text))
    return text


def _word_by_word(match: "re.Match[str]") -> str:
    """Upright text with powers or products in it, as units have them: each word upright by itself."""
    content = match[1]
    if not re.search(r"[\^/]|\\cdot|\\times", content):
        return match[0]
    return _UPRIGHT_WORD.sub(lambda word: rf"\text{{{word[0]}}}", content)


def join_thousands(text: str) -> str:
    """Without the separators in `1,200`, `1 200` and `1{,}200`; lists in brackets keep their commas."""
    if "(" in text or "[" in text or "\\{" in text:
        return text
    return _THOUSANDS.sub(lambda m: _SEPARATOR.sub("", m[0]), text)
