"""Numbers in words: `forty-two`, `three thousand`."""

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
_UNITS = "|".join(_SMALL[1:10])
_LONGEST_FIRST = "|".join(sorted(_SMALL, key=len, reverse=True))
PATTERN = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[-\s](?:{_UNITS}))?|{_LONGEST_FIRST})"
    rf"(?:\s(?:{'|'.join(_SCALES)}))?"
)
"""A regular expression for what `number_in_words` reads, in small letters."""
_NUMBER = re.compile(PATTERN)


def number_in_words(words: str) -> int | None:
    """The value of a number below a hundred, with `hundred`, `thousand`, `million` after it or not."""
    if not _NUMBER.fullmatch(words):
        return None
    value, factor = 0, 1
    for word in words.replace("-", " ").split():
        if word in _SCALES:
            factor = _SCALES[word]
        elif word in _TENS:
            value += 20 + 10 * _TENS.index(word)
        else:
            value += _SMALL.index(word)
    return value * factor
