r"""Gold answers of public sets, each against itself in other layouts and with one sign changed.

    python -m benchmarks.answer_sets FOLDER [SAMPLE]

FOLDER has a jsonl file for each set, whose rows have the gold answer in `answer`, or in the last box
of `solution`. It prints for each set how many of its golds pass in a layout, and how many changed ones
pass for berry and for math-verify. A change that leaves the value as it is, such as -0, counts too:
look at what is printed before it is called a false pass.
"""

import asyncio
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.verifiers import judge_by_math_verify_in_time
from verifiers import Outcome
from verifiers.answers import last_box
from verifiers.math.verifier import MathVerifier

Pair = tuple[str, str]
"""Gold answer and answer."""
_SAMPLE = 200
_SIGNS_WITH_SPACE = re.compile(r"(?<![_^{(\\eE])[+=]")
_SHORT_SCRIPT = re.compile(r"([_^])\{([0-9a-z])\}")
_SPOTS = re.compile(r"\d|(?<![_^{(\\eE])[-+](?=[^}])|(?<![a-zA-Z\\{])[a-zA-Z](?![a-zA-Z}])")
_OTHER_SIGN = str.maketrans("0123456789+-", "1234567890-+")


def _spaced(space: str) -> Callable[[str], str]:
    return lambda gold: _SIGNS_WITH_SPACE.sub(lambda m: f"{space}{m[0]}{space} ", gold)


def _growing(gold: str) -> str:
    if r"\left" in gold or gold.count("(") != gold.count(")"):
        return gold
    return gold.replace("(", r"\left( ").replace(")", r" \right)")


_LAYOUTS: tuple[Callable[[str], str], ...] = (
    lambda gold: f"${gold}$",
    lambda gold: rf"\displaystyle {gold}",
    lambda gold: gold.replace(r"\frac", r"\dfrac"),
    _growing,
    _spaced(" "),
    _spaced(r"\,"),
    lambda gold: gold if "\\\\" in gold else gold.replace("\\", "\\\\"),
    lambda gold: _SHORT_SCRIPT.sub(r"\1\2 ", gold),
    lambda gold: gold.replace(r"\text{", r"\mathrm{"),
)


def layouts(gold: str) -> list[str]:
    """The gold answer in other layouts; those that have no place in it are left out."""
    return [written for one in _LAYOUTS if (written := one(gold)) != gold]


def changes(gold: str) -> list[str]:
    """The gold answer with one digit, sign or letter changed."""
    return [gold[: m.start()] + _other(m[0]) + gold[m.end() :] for m in _SPOTS.finditer(gold)]


def _other(sign: str) -> str:
    return chr(ord(sign) ^ 3) if sign.isalpha() else sign.translate(_OTHER_SIGN)


def golds_in(path: Path) -> Iterator[str]:
    """The gold answers of a file, each once, without the dollars around them."""
    seen: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gold = row.get("answer") or last_box(str(row.get("solution", "")))
        gold = str(gold[0] if isinstance(gold, list) else gold or "").strip().strip("$").strip()
        if gold and "$" not in gold and gold not in seen:
            seen.add(gold)
            yield gold


async def _passed(verifier: MathVerifier, pairs: list[Pair]) -> list[Pair]:
    found = await asyncio.gather(*(verifier.compare("", gold, answer) for gold, answer in pairs))
    return [pair for pair, one in zip(pairs, found, strict=True) if one.outcome is Outcome.PASS]


async def _measure(path: Path, size: int) -> None:
    golds = list(golds_in(path))
    draw = random.Random(0)
    golds = draw.sample(golds, min(size, len(golds)))
    written = [(gold, answer) for gold in golds for answer in layouts(gold)]
    changed = [(gold, draw.choice(others)) for gold in golds if (others := changes(gold))]
    verifier = MathVerifier(MathVerifier.Config())
    same, wrong = await _passed(verifier, written), await _passed(verifier, changed)
    await verifier.close()
    theirs = await judge_by_math_verify_in_time([(gold, f"${other}$") for gold, other in changed])
    print(
        f"{path.stem}: {len(golds)} golds, {len(same)} of {len(written)} pass in another layout; "
        f"of {len(changed)} changed {len(wrong)} pass, with math-verify {theirs.count(True)}"
    )
    for gold, other in wrong:
        print(f"    {gold}    {other}")


def main(arguments: list[str]) -> None:
    """Measures every jsonl file of a folder."""
    if not arguments or not Path(arguments[0]).is_dir():
        sys.exit(
            f"answer_sets: expected a folder with jsonl files, got {' '.join(arguments) or 'nothing'}"
        )
    size = int(arguments[1]) if len(arguments) > 1 else _SAMPLE
    for path in sorted(Path(arguments[0]).glob("*.jsonl")):
        asyncio.run(_measure(path, size))


if __name__ == "__main__":
    main(sys.argv[1:])
