"""Numbers in words: `forty-two`, `three thousand`."""

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
}
PARTS = {
    name + plural: value
    for name, value in (
        ("third", 3), ("fourth", 4), ("fifth", 5), ("sixth", 6), ("seventh", 7), ("eighth", 8),
        ("ninth", 9), ("tenth", 10), ("hundredth", 100), ("thousandth", 1000),
    )
    for plural in ("", "s")
} | {"half": 2, "halves": 2}  # fmt: skip
"""What a whole is divided into by the words for fractions."""
_UNITS = "|".join(_SMALL[1:10])
_LONGEST_FIRST = "|".join(sorted(_SMALL, key=len, reverse=True))
PATTERN = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[-\s](?:{_UNITS}))?|{_LONGEST_FIRST})"
    rf"(?:\s(?:{'|'.join(SCALES)}))?"
)
"""A regular expression for what `number_in_words` reads, in small letters."""
_NUMBER = re.compile(PATTERN)


def number_in_words(words: str) -> int | None:
    """The value of a number below a hundred, with `hundred`, `thousand`, `million` after it or not."""
    if not _NUMBER.fullmatch(words):
        return None
    value, factor = 0, 1
    for word in words.replace("-", " ").split():
        if word in SCALES:
            factor = SCALES[word]
        elif word in _TENS:
            value += 20 + 10 * _TENS.index(word)
        else:
            value += _SMALL.index(word)
    return value * factor
