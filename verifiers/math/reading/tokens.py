"""Splits an answer, in plain LaTeX or as typed on a keyboard, into tokens."""

import re
from dataclasses import dataclass
from fractions import Fraction

from verifiers.math.forms.nodes import Unreadable
from verifiers.math.forms.units import find_unit, is_power_word

_MOST_DIGITS = 4000
"""Python refuses to convert longer numbers."""
MOST_CHARACTERS = 5000
"""Longest answer that is read; longer ones are compared only as plain numbers or as text."""

FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth "
        "sech csch arsinh arcosh artanh asin acos atan asinh acosh atanh ln log lg exp abs sqrt "
        "cbrt gcd lcm max min Re Im arg det floor ceil sgn"
    ).split()
)
_GLUED = frozenset(["sin", "cos", "tan", "cot", "sec", "csc", "ln", "log"])
"""Functions that may be written without a space before `x`, as in `sinx`."""
_CONSTANTS = {"pi": "pi", "infty": "oo", "infinity": "oo", "inf": "oo", "oo": "oo", "Infinity": "oo"}
_GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu "
        "nu xi rho sigma tau phi varphi chi psi omega Delta Gamma Theta Lambda Pi Sigma Phi Psi "
        "Omega Xi ell hbar"
    ).split()
)
_SIGNS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "pm", "mp": "mp", "le": "<=", "leq": "<=",
    "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">", "ne": "!=",
    "neq": "!=", "approx": "approx", "simeq": "approx", "in": "in", "cup": "cup", "cap": "cap",
    "setminus": "setminus", "backslash": "setminus", "land": "and", "wedge": "and", "lor": "or",
    "vee": "or", "mid": "|", "vert": "|", "lvert": "left|", "rvert": "right|",
    "leftbar": "left|", "rightbar": "right|", "%": "%", "degree": "deg",
    "circ": "deg", "emptyset": "empty", "varnothing": "empty", "frac": "frac", "sqrt": "sqrt",
    "binom": "binom", "dbinom": "binom", "tbinom": "binom", "colon": ":",
    "{": "\\{", "}": "\\}", "lbrace": "\\{", "rbrace": "\\}", "langle": "<<", "rangle": ">>",
    "lfloor": "lfloor", "rfloor": "rfloor", "lceil": "lceil", "rceil": "rceil", "lbrack": "[",
    "equiv": "=", "pmod": "mod", "ldots": "dots", "cdots": "dots", "dots": "dots", "dotsc": "dots",
    "dotsb": "dots", "rightarrow": "to", "to": "to", "rbrack": "]", "lparen": "(", "rparen": ")",
    "&": "&", "\\": "\\\\", "$": "$",
}  # fmt: skip
_GLUED_COMMANDS = (FUNCTIONS - {"Im", "Re", "abs", "max", "min"}) | _GREEK | {"pi", "cdot", "times"}
_KNOWN = FUNCTIONS | _GREEK | frozenset(_CONSTANTS) | frozenset(_SIGNS)
_MOST_GLUED = 3
_BASES = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TEXT_COMMANDS = (
    "text|mathrm|mbox|textrm|textbf|textit|mathbf|mathit|mathsf|operatorname\\*?|hbox|textnormal|bm"
    "|mathcal|textsf|texttt|emph|mathop"
)
_ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "overline": "bar", "tilde": "tilde",
    "widetilde": "tilde", "dot": "dot", "ddot": "ddot",
}  # fmt: skip
_LETTER = r"[a-zA-Z]|\\[a-zA-Z]{2,}+"
_TOKEN = re.compile(
    rf"""(?P<space>\s++)
    |(?P<repeating>\d*+\.\d*+\\(?:overline|bar|dot)\s*+(?:\{{\d++\}}|\d))
    |(?P<numeral>(?=[0-9A-Z.]*+_)(?:\d[0-9A-Z]*+(?:\.[0-9A-Z]++)?+|[A-Z][0-9A-Z]++)_(?:
        \{{\s*+(?:\\(?:text|mathrm)\{{)?\s*+(?:base\s)?\s*+\(?\d++\)?\s*+\}}?\}}|\d++|\(\d++\)))
    |(?P<based_numeral>[0-9A-Z]++_\{{\\text\{{\s*+base\s*+\}}\s*+\d++\}})
    |(?P<bracketed_numeral>\([0-9A-Z]++\)_(?:\{{\(?\d++\)?\}}|\d++))
    |(?P<word_numeral>\d++_\{{\\text\{{(?:{"|".join(_BASES)})\}}\}})
    |(?P<scientific>(?:\d++\.?\d*+|\.\d++)[eE][+-]?\d++(?![a-zA-Z\d]))
    |(?P<number>\d++(?:\.(?:\d++|(?=\s*+[-+*/^),\]])))?+|\.\d++|\d++\.)
    |\\(?P<style>{_TEXT_COMMANDS})\s*+\{{(?P<styled>(?:[^{{}}\\]|\\[^a-zA-Z])*+)\}}
    |\\mathbb\s*+\{{?\s*+(?P<named_set>[RZNQC])\s*+\}}?(?:\s*+\^\s*+\{{?\s*+(?P<of_set>[-+*0])\s*+\}}?)?
    |\\(?P<accent>{"|".join(_ACCENTS)})(?![a-zA-Z])\s*+(?:\{{\s*+(?P<below>{_LETTER})\s*+\}}|(?P<letter>{_LETTER}))
    |(?P<nothing>\\(?:underline|boxed|fbox|vec|overrightarrow|{_TEXT_COMMANDS})(?=\s*\{{)
        |\\(?:angle|measuredangle|triangle|square)(?![a-zA-Z]))
    |\\(?P<environment>begin|end)\s*+\{{(?P<environment_name>[a-z]++\*?+)\}}(?:\{{[clr|]*\}})?
    |\\(?P<command>[a-zA-Z]++|[^a-zA-Z])
    |(?P<foreign>[A-Za-z]*+[^\x00-\x7f\W\d_][^\W\d_]*+)
    |(?P<letters>[A-Za-z]{{4,}}+(?:-[a-z]++)*+|[A-Za-z]++)
    |(?P<dots>\.\.\.)
    |(?P<sign><=|>=|!=|==|\*\*|[-+*/^_=<>!%,;:|()\[\]{{}}&'$"?.#@€£¥₹¢])""",
    re.VERBOSE,
)
_KINDS = (
    "based_numeral",
    "bracketed_numeral",
    "word_numeral",
    "repeating",
    "numeral",
    "scientific",
    "number",
)
_CURRENCIES = "$€£¥₹"


_FORMULA_SIGN = re.compile(r"[=<>(+_]")
"""Signs of a formula, in which a letter after a number is more likely a variable than a unit."""
_LETTERS_IN_A_ROW = re.compile(r"[A-Z](?:\s*,\s*(?:and\s+)?[A-Z])+")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an answer."""

    kind: str
    """`number`, `numeral`, `name`, `constant`, `function`, `word`, `set`, `begin`, `end`, or a sign."""
    text: str
    spaced: bool
    """Whether white space precedes it."""
    value: Fraction | None = None
    places: int | None = None


def tokenize(text: str) -> list[Token]:
    """The tokens of an answer. Raises Unreadable."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(f"has {len(text)} characters, more than {MOST_CHARACTERS}")
    formula = "\\" in text or _FORMULA_SIGN.search(text) is not None
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(f"{text[position]!r} is not a known sign")
        position = match.end()
        if match.lastgroup == "space":
            spaced = True
            continue
        tokens.extend(_tokens_of(match, tokens[-1] if tokens else None, spaced, formula))
        spaced = False
    return tokens


def _tokens_of(
    match: "re.Match[str]", before: Token | None, spaced: bool, formula: bool
) -> list[Token]:
    for kind in _KINDS:
        if found := match[kind]:
            return [_NUMBERS[kind](found, spaced)]
    if match["style"]:
        if match["styled"].strip(" ~") == "min" and _ends_number(before):
            return [Token("word", "min", spaced)]
        return _styled(match["styled"], match["style"], spaced)
    if match["nothing"]:
        return []
    if found := match["named_set"]:
        return [Token("set", found + (match["of_set"] or ""), spaced)]
    if found := match["accent"]:
        return [_accented(found, match["below"] or match["letter"], spaced)]
    if found := match["foreign"]:
        return [Token("word", found, spaced)]
    if found := match["dots"]:
        return [Token("dots", found, spaced)]
    if found := match["environment"]:
        return [Token(found, match["environment_name"], spaced)]
    if found := match["command"]:
        return _commands(found, spaced)
    if found := match["letters"]:
        return _letters(found, before, spaced, formula)
    sign = {"==": "=", "**": "^"}.get(match["sign"], match["sign"])
    return [Token("currency" if sign in _CURRENCIES else sign, sign, spaced)]


def _number(text: str, spaced: bool) -> Token:
    if len(text) > _MOST_DIGITS:
        raise Unreadable(f"a number of more than {_MOST_DIGITS} digits")
    whole, _, decimals = text.partition(".")
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals))
    return Token("number", text, spaced, value, len(decimals) if decimals else None)


def _scientific(text: str, spaced: bool) -> Token:
    mantissa, _, exponent = text.lower().partition("e")
    if abs(int(exponent)) > MOST_CHARACTERS:
        raise Unreadable(f"the exponent of {text} is too large")
    number = _number(mantissa, spaced)
    assert number.value is not None
    places = max((number.places or 0) - int(exponent), 0) or None
    return Token("number", text, spaced, number.value * Fraction(10) ** int(exponent), places)


def _repeating(text: str, spaced: bool) -> Token:
    digits, _, period = text.rstrip("}").partition("\\")
    period = re.sub(r"\D", "", period)
    number = _number(digits.rstrip(".") or "0", spaced)
    places = len(digits.partition(".")[2])
    assert number.value is not None
    value = number.value + Fraction(int(period), (10 ** len(period) - 1) * 10**places)
    return Token("number", text, spaced, value)


def _numeral(text: str, spaced: bool) -> Token:
    digits, _, base = text.strip("(").partition("_")
    digits, number = digits.strip("()"), re.sub(r"\D", "", base)
    return Token("numeral", f"{digits}_{number}", spaced)


def _word_numeral(text: str, spaced: bool) -> Token:
    digits, _, base = text.partition("_")
    return Token("numeral", f"{digits}_{_BASES.index(base[7:-2]) + 2}", spaced)


_NUMBERS = {
    "word_numeral": _word_numeral,
    "number": _number,
    "scientific": _scientific,
    "repeating": _repeating,
    "numeral": _numeral,
    "bracketed_numeral": _numeral,
    "based_numeral": _numeral,
}


def _commands(name: str, spaced: bool) -> list[Token]:
    r"""A command, or a command that lost the space before letters: `\pit` for `\pi t`."""
    if name not in _KNOWN and len(name) > 2:
        for end in range(len(name) - 1, 1, -1):
            if name[:end] in _GLUED_COMMANDS and len(name) - end <= _MOST_GLUED:
                letters = [Token("name", letter, False) for letter in name[end:]]
                return [_command(name[:end], spaced), *letters]
    return [_command(name, spaced)]


def _command(name: str, spaced: bool) -> Token:
    if name in _SIGNS:
        sign = _SIGNS[name]
        return Token("currency" if sign == "$" else sign, sign, spaced)
    if name in FUNCTIONS:
        return Token("function", name, spaced)
    if name in _CONSTANTS:
        return Token("constant", _CONSTANTS[name], spaced)
    if name in _GREEK:
        return Token("name", name, spaced)
    raise Unreadable(f"\\{name} is not a known command")


def _accented(accent: str, letter: str, spaced: bool) -> Token:
    """A letter under an accent, which makes a different name."""
    if letter.startswith("\\") and _command(letter[1:], spaced).kind != "name":
        raise Unreadable(f"an accent over {letter}")
    return Token("name", f"{_ACCENTS[accent]} {letter.lstrip(chr(92))}", spaced)


def _styled(content: str, style: str, spaced: bool) -> list[Token]:
    """The contents of `\\text{...}`: words, or an upright formula."""
    content = content.strip()
    labels = _LETTERS_IN_A_ROW.fullmatch(content) is not None
    if re.fullmatch(r"[A-Za-z]", content):
        return [Token("word" if find_unit(content) else "name", content, spaced)]
    if content in FUNCTIONS:
        return [Token("function", content, spaced)]
    tokens: list[Token] = []
    for match in re.finditer(r"[A-Za-z]+(?:[-'][a-z]+)*|\d+(?:\.\d+)?|\S", content):
        found = match[0]
        at_start = bool(tokens) or spaced
        if len(found) == 1 and found.isalpha() and (labels or not find_unit(found)):
            tokens.append(Token("name", found, at_start))
        elif found[0].isalpha():
            lower = found.lower()
            tokens.append(Token(lower if lower in ("and", "or") else "word", found, at_start))
        elif found[0].isdigit():
            tokens.append(_number(found, at_start))
        else:
            tokens.append(Token("currency" if found in _CURRENCIES else found, found, at_start))
    return tokens


def _letters(text: str, before: Token | None, spaced: bool, formula: bool) -> list[Token]:
    """Letters without a style: named functions and constants, words, or adjacent variables."""
    lower = text.lower()
    if lower in ("and", "or"):
        return [Token(lower, text, True)]
    if text == "min" and before is not None and before.kind in ("number", "/"):
        return [Token("word", text, spaced)]
    if text in FUNCTIONS:
        return [Token("function", text, spaced)]
    if text in _CONSTANTS:
        return [Token("constant", _CONSTANTS[text], spaced)]
    if text in ("DNE", "NaN"):
        return [Token("word", text, spaced)]
    if lower[:-1] in _GLUED and lower[-1] in "xyz":
        return [Token("function", lower[:-1], spaced), Token("name", text[-1], False)]
    after_number = _ends_number(before)
    if after_number and not spaced and len(text) > 3 and find_unit(text) is None:
        raise Unreadable(f"{text!r} after a number may be a word or a product")
    if len(text) == 1:
        is_unit = after_number and spaced and not formula and find_unit(text) is not None
        return [Token("word" if is_unit else "name", text, spaced)]
    if (
        len(text) > 3
        or "-" in text
        or (before is not None and (find_unit(text) or is_power_word(text)))
        or (spaced and _is_wordy(text))
        or (before is None and lower in _DENIALS)
    ):
        return [Token("word", text, spaced)]
    return [Token("name", letter, spaced and not i) for i, letter in enumerate(text)]


def _ends_number(before: Token | None) -> bool:
    """Whether a number, or something that may be one, ends here, so that a unit may follow."""
    return before is not None and before.kind in ("number", ")", "}", "constant")


def _is_wordy(text: str) -> bool:
    """Whether two or three letters after a space are more likely a word than variables."""
    return text.lower() in _SHORT_WORDS


_DENIALS = frozenset(["not", "no", "non", "ne"])
_SHORT_WORDS = frozenset(
    (
        "is if of to in at on by the for no not yes all any per day way men man box red one two "
        "six ten its it he she we you has had was are be as up off out cat dog pet egg car bus "
        "pie cup bag pen old new big how who a an pct"
    ).split()
)
