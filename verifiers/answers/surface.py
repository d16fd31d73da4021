r"""Normalizes a response's text to what a person would read, before the search for an answer.

    1. special tokens such as `<|im_end|>` are removed, and everything after the end of the turn is
       dropped; `<|begin_of_box|>` and `<ANSWER>` become `<answer>`
    2. equivalent signs of other scripts become ASCII: full-width letters and punctuation, digits of
       other alphabets, the Chinese full stop
    3. LaTeX that was escaped once too often, as in JSON, is unescaped: `\\boxed{\\frac{1}{2}}`

The run time is linear in the text's length, and negligible if nothing needs to change.
"""

import re
import unicodedata

_TURN_ENDS = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|eom_id|end_of_text|end_of_turn|endofturn|return|im_start\|>\s*user"
    r"|start_header_id\|>\s*user)(?:\|>)?"
    r"|</s>|<(?:end_of_turn|eos|eos_token|eoa)>",
    re.IGNORECASE,
)
_TOKEN = (
    r"<\|im_start\|>\s*assistant|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>"
    r"|<\|\w{1,30}\|>|<\uff5c[\w\u2581]{1,30}\uff5c>|</?s>"
    r"|<(?:end_of_turn|[be]os|(?:eos|bos|pad)_token|eo[aesh]|pad|unk)>"
)
_TOKENS = re.compile(_TOKEN, re.IGNORECASE)
_OPENING = re.compile(rf"(?:\s|{_TOKEN})*+", re.IGNORECASE)
_TAGS = re.compile(
    r"<\|(begin|end)_of_box\|>|<\s?(/?)\s?(?:answer|final_answer|ans)\s?>", re.IGNORECASE
)
_DIGIT_ZEROS = "\u0660\u06f0\u0966\u09e6\u0c66\u0e50"
"""Zeros of the Arabic, Persian, Devanagari, Bengali, Telugu and Thai digits."""
_SIGNS: dict[int, str | None] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **{ord(zero) + value: str(value) for zero in _DIGIT_ZEROS for value in range(10)},
    0x3000: " ",  # a full-width space
    0x3001: ",",  # a comma between items
    0x3002: ".",  # a full stop
    0xFF61: ".",
    0x0964: ".",  # the full stop of Hindi
    0x06D4: ".",  # of Urdu
    0x060C: ",",  # the comma of Arabic
    0x061B: ";",
    0x061F: "?",
    0x066A: "%",
    0x066B: ".",  # the decimal point of Arabic
    0x066C: ",",
    # Ticks and pictures next to an answer.
    **dict.fromkeys([0x2611, 0x2705, 0x2713, 0x2714, 0x2728, 0x2B50, 0xFE0F, *range(0x1F300, 0x1FB00)]),
}
_NO_SPACE_BEHIND = re.compile(r"(?<=[\uff0c\uff1b\uff1a\uff1f\uff01\u3001\u3002\u0964])(?=\S)")
"""Signs that include their own space, unlike the ASCII ones."""
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:boxed|fbox|[dtc]?frac|sqrt|text(?:bf|rm|it)?|mathrm|mathbf|mathbb|left|right|begin|end"
    r"|pi|infty|times|cdot|leq?|geq?|neq|approx|pm|sin|cos|tan|ln|log|circ|cup|cap|in|theta|alpha|beta"
    r"|binom|overline|quad|dots|ldots|angle|sum|int|lim)(?![A-Za-z]))"
)
_SINGLE_COMMAND = re.compile(r"(?<!\\)\\(?![nt](?![a-z]))[A-Za-z]")
_ESCAPED_LINE_END = re.compile(r"(?<!\\)\\n(?![a-z])")


def plain_text(response: str) -> str:
    """The response without special tokens, in common signs, with LaTeX escaped once."""
    text = _without_tokens(response) if "<" in response else response
    if not text.isascii():
        text = _NO_SPACE_BEHIND.sub(" ", unicodedata.normalize("NFC", text)).translate(_SIGNS)
    return _unescaped(text) if "\\\\" in text else text


def _without_tokens(text: str) -> str:
    text = _TAGS.sub(
        lambda tag: "</answer>" if tag[1] in ("end", "End", "END") or tag[2] else "<answer>", text
    )
    # Tokens at the very beginning open the turn.
    start = _OPENING.match(text)
    if end := _TURN_ENDS.search(text, start.end() if start else 0):
        text = text[: end.start()]
    return _TOKENS.sub("\n", text)


def _unescaped(text: str) -> str:
    if not _DOUBLED.search(text):
        return text
    if _SINGLE_COMMAND.search(text):
        # Mixed escaping: a doubled backslash elsewhere may end a row.
        return _DOUBLED.sub(r"\\", text)
    return _ESCAPED_LINE_END.sub("\n", text.replace("\\\\", "\\"))
