"""Normalizes equivalent notations: Unicode and LaTeX layout become plain LaTeX.

No rewriting changes a meaning, and each is linear in the text's length.
"""

import re

from verifiers.math.forms.nodes import Unreadable

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
    "％": "%", "、": ",", "。": ".", "｡": ".",
    "∣": "|", "∧": r"\land ", "∨": r"\lor ", "→": r"\to ", "′": "'", "’": "'", "‘": "'",
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
FORMULA_SIGNS = frozenset("".join((*_SIGNS, *_VULGAR, *_SUPERSCRIPTS, *_SUBSCRIPTS))) | {
    word[0] for word in _GREEK.split()
}
"""Characters used in formulas, besides ASCII."""
_RAISED = re.compile("[" + "".join(_SUPERSCRIPTS) + "]++")
_LOWERED = re.compile("[" + "".join(_SUBSCRIPTS) + "]++")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_THOUSANDS = re.compile(
    r"(?<![\d.,])(?<!\d\s)[1-9]\d{0,2}"
    r"(?:(?:,|\{,\}|\\,|\\!|,\s?\\!\s?|\\;|\\ | |~|')\d{3})+(?!\d|[, ]\d|\s?/)"
)
_SEPARATOR = re.compile(r"[^\d]+")
_SURE_SEPARATOR = re.compile(r"\\[!,]|\{,\}")
"""Separators that mean thousands even in a list in brackets."""
_LAYOUT = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|mathstrut|rm|bf|it|boldsymbol)(?![a-zA-Z])"
)
_DELIMITER_SIZE = re.compile(r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\s*+(\.?)")
SPACING = re.compile(r"(?<!\\)\\(?:[,;:! >]|q?quad|(?:hspace\*?|phantom)\{[^{}]*\})|~")
"""Commands that only add space between signs."""
_APART = re.compile(
    r"(=[^=,;]*[^=,;+\-*/<>(\\\s])[ \t]*+(?:\\q?quad(?![a-zA-Z])\s*+|\\\\\s*+|\n\s*+)++"
    r"(?=\\?[a-zA-Z](?:[^=<>,;\s]|\s(?![=<>])){0,20}\s*(?:=|\\equiv))"
)
"""Separates two equations that have neither a comma nor a word between them."""
_DOLLARS = re.compile(r"(?<!\\)(?:\${1,2}|\\[()\[\]])")
_BACKSLASHES = re.compile(r"\\+")
_DOUBLED = re.compile(
    r"\\\\(?:[a-zA-Z]{3}|(?:pi|mu|nu|xi|le|ge|ne|in|to|pm|mp|ln|lg)(?![a-zA-Z])|[%{}$!;:,])"
)
"""A doubled backslash that does not end a row, with the text after it."""
_ROW_SPACING = re.compile(r"(?<=\\\\)\[-?[\d.]+[a-z]{2}\]")
_EXPLICIT_BARS = re.compile(r"\\(left|right)\s*(?:\||\\vert(?![a-z]))")
_COLOR = re.compile(r"\\(?:text)?color\s*\{[a-zA-Z]+\}")
_SHORT_BINOMIAL = re.compile(r"\\[dt]?binom\s*(\d)\s*(\d)")
_SHORT_BASE = re.compile(r"\\log\s*_\s*(\d)(?=\s*\d)")
_RANGE = re.compile(r"(?<=\d)\s?–\s?(?=\d)")
_TYPED_TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_TYPED_DERIVATIVE = re.compile(
    r"(?<![A-Za-z\\])d([a-z])/d([a-z])(?![A-Za-z])"
    r"|\(\s*d(\s*[a-zA-Z]|\s*\\[a-z]+)\s*\)\s*/\s*\(\s*d(\s*[a-zA-Z]|\s*\\[a-z]+)\s*\)"
)
_OPENING, _CLOSING = "([{", ")]}"
_ENDING = " \t\n.,;:"
_PLAIN = frozenset("\\${~")
"""A text without any of these has no layout to remove."""
_MARKS = re.compile(r"\*\*|__|`")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*(\d)\s*(?:(\d)|(?=\{))")
_WIDE_FRACTION = re.compile(r"\\(?:[dtcs]|nice)frac(?![a-zA-Z])")
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
    if _RANGE.search(text):
        raise Unreadable("a dash between two numbers may be a range or a minus sign")
    text = ascii_signs(halved_backslashes(text))
    text = _TYPED_TIMES.sub(r"\\times ", join_thousands(_without_layout(text)))
    text = _TYPED_DERIVATIVE.sub(_derivative, text) if "d" in text and "/" in text else text
    text = _without_ending(text).strip()
    return text[1:].lstrip() if text.startswith("=") and text[1:2] != "=" else text


def _derivative(match: "re.Match[str]") -> str:
    over, under = match[1] or match[3], match[2] or match[4]
    return rf"\frac{{d{over}}}{{d{under}}}"


def ascii_signs(text: str) -> str:
    """The text with Unicode signs replaced by LaTeX or ASCII; other letters stay."""
    if text.isascii():
        return text
    text = _RAISED.sub(lambda m: "^{" + "".join(_SUPERSCRIPTS[c] for c in m[0]) + "}", text)
    text = _LOWERED.sub(lambda m: "_{" + "".join(_SUBSCRIPTS[c] for c in m[0]) + "}", text)
    return _OTHER_DIGIT.sub(lambda m: str(int(m[0])), text.translate(_TABLE))


def halved_backslashes(text: str) -> str:
    r"""`\\frac12` as `\frac12`: text that was escaped once too often has no single backslash."""
    if "\\\\" not in text or not _DOUBLED.search(text):
        return text
    if any(len(run) % 2 for run in _BACKSLASHES.findall(text)):
        return text
    return text.replace("\\\\", "\\")


def without_math_delimiters(text: str) -> str:
    """The text without `$` and other math delimiters; a lone dollar sign is kept as currency."""
    # A currency sign precedes its number, and nothing closes it.
    if text.count("$") % 2 == 0 or not re.match(r"\s*-?\s*\$\s*-?[\d.]", text):
        return _DOLLARS.sub(" ", text)
    return text


def _without_ending(text: str) -> str:
    """The text without a final full stop or the like; an ellipsis stays, since it means more."""
    ended = text.rstrip(_ENDING)
    return text if ".." in text[len(ended) :] else ended


def _without_layout(text: str) -> str:
    if "=" in text:
        text = _equations_separated(text)
    if not _PLAIN.isdisjoint(text):
        text = without_math_delimiters(text)
        text = _EXPLICIT_BARS.sub(r"\\\1bar ", _COLOR.sub(" ", _ROW_SPACING.sub(" ", text)))
        text = _DELIMITER_SIZE.sub(_in_place_of_size, _LAYOUT.sub(" ", join_thousands(text)))
        text = SPACING.sub(" ", text)
        text = _SHORT_FRACTION.sub(
            lambda m: rf"\frac{{{m[1]}}}" + (f"{{{m[2]}}}" if m[2] else ""), text
        )
        text = _WIDE_FRACTION.sub(r"\\frac", text)
        text = _SHORT_DENOMINATOR.sub(r"\1{\2}", text)
        text = _PLAIN_TEX_FRACTION.sub(r"\\frac{\1}{\2}", text)
        text = _PLAIN_TEX_CHOICE.sub(r"\\binom{\1}{\2}", text)
        text = _TYPED_ROOT.sub(r"\\sqrt{\1}", text).replace("\\root", "\\sqrt")
        text = _SHORT_BASE.sub(r"\\log_{\1}", _SHORT_BINOMIAL.sub(r"\\binom{\1}{\2}", text))
        text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
        text = _BRACED_SIGN.sub(r"\1", text)
        text = _UNIT_FRACTION.sub(r"\1/\2", _UPRIGHT.sub(_word_by_word, text))
    return text


def _equations_separated(text: str) -> str:
    r"""Puts commas between separate equations: `x=2 \quad y=3` is not a product of 2 and y."""
    return text if "\\begin" in text else _APART.sub(r"\1, ", text)


def _in_place_of_size(match: "re.Match[str]") -> str:
    """Removes size commands before a bracket; unlike `f\\left(x\\right)`, `f (x)` may be a product."""
    return " " if match[1] or match.string[match.end() : match.end() + 1].isalnum() else ""


def _word_by_word(match: "re.Match[str]") -> str:
    """Upright text with powers or products, as units have them, with each word upright by itself."""
    content = match[1]
    if not re.search(r"[\^/]|\\cdot|\\times", content):
        return match[0]
    return _UPRIGHT_WORD.sub(lambda word: rf"\text{{{word[0]}}}", content)


def join_thousands(text: str) -> str:
    """The text without separators as in `1,200`, `1 200` and `1{,}200`; bracketed lists keep commas."""
    parts, end, depth = [], 0, 0
    for match in _THOUSANDS.finditer(text):
        before = text[end : match.start()]
        depth += sum(map(before.count, _OPENING)) - sum(map(before.count, _CLOSING))
        listed = depth > 0 and not _SURE_SEPARATOR.search(match[0])
        parts += [before, match[0] if listed else _SEPARATOR.sub("", match[0])]
        end = match.end()
    return "".join(parts) + text[end:]
