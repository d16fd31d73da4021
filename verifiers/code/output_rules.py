"""Rules by which printed text is compared with expected text. Each says why they differ, or None."""

from collections.abc import Callable


def exact(printed: str, expected: str, tolerance: float) -> str | None:
    """Character for character."""
    return None if printed == expected else _difference(printed, expected)


def whitespace(printed: str, expected: str, tolerance: float) -> str | None:
    """Line for line, whatever white space lies between words, at line ends and after the last line."""
    if _words(printed) == _words(expected):
        return None
    return _difference(printed, expected)


def numbers(printed: str, expected: str, tolerance: float) -> str | None:
    """The same, and words that are numbers are equal within an absolute or relative tolerance."""
    left, right = _words(printed), _words(expected)
    if len(left) == len(right) and all(
        len(line) == len(wanted)
        and all(_equal(a, b, tolerance) for a, b in zip(line, wanted, strict=True))
        for line, wanted in zip(left, right, strict=True)
    ):
        return None
    return _difference(printed, expected)


PRINTED_RULES: dict[str, Callable[[str, str, float], str | None]] = {
    "exact": exact,
    "whitespace": whitespace,
    "numbers": numbers,
}


def _words(text: str) -> list[list[str]]:
    lines = [line.split() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _equal(word: str, wanted: str, tolerance: float) -> bool:
    if word == wanted:
        return True
    try:
        # Words such as 1_000 and "infinity" are numbers for Python only.
        left, right = float(word.replace("_", "?")), float(wanted.replace("_", "?"))
    except ValueError:
        return False
    if _is_integer(word) and _is_integer(wanted):
        return int(word) == int(wanted)
    if left == right:
        return True
    return abs(left - right) <= tolerance * max(1.0, abs(right)) < float("inf")


def _is_integer(word: str) -> bool:
    return len(word) < 4000 and word.lstrip("+-").isdecimal()


def _difference(printed: str, expected: str) -> str:
    got, wanted = printed.splitlines(), expected.splitlines()
    for number in range(max(len(got), len(wanted))):
        left = got[number] if number < len(got) else None
        right = wanted[number] if number < len(wanted) else None
        if left is None or right is None or left.split() != right.split():
            return f"line {number + 1}: expected {_short(right)}, got {_short(left)}"
    return "other white space"


def _short(line: str | None) -> str:
    if line is None:
        return "no such line"
    return repr(line) if len(line) <= 80 else repr(f"{line[:77]}...")
