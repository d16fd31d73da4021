"""Text of models, problems and errors in a terminal.

A terminal obeys control characters: they move its cursor, change its title, or write to the clipboard.
"""

import re

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for line breaks and tabs, line separators, those that reverse the direction of
text, and halves of surrogate pairs, which no encoding can write."""


def visible(text: str) -> str:
    r"""The text with each character that a terminal would obey as an escape, such as `\x1b`."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
