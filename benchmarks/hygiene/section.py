"""Planted leaks and look-alikes among GSM8K's problems, and rates."""

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hygiene.leaks import Planter, template
from benchmarks.measure import Measured
from pipeline.hygiene.contamination import LeakFinder, Question
from pipeline.hygiene.duplicates import find_duplicates
from pipeline.hygiene.rules import ContaminationRule
from pipeline.hygiene.signatures import Compared, Signatures
from pipeline.prune.near_duplicates import normal_form
from tests.conftest import SHARED_DATA

_FILE = SHARED_DATA / "gsm8k_train.jsonl"
_PYTHON = "DATATROVE_PYTHON"
_TESTS, _PER_KIND, _LOOK_ALIKES = 1100, 100, 400
_SIZES = (8, 13)
_RATES = 3
_TEXT = """## Hygiene
{tests:,} problems of GSM8K's training set stand for a test set. {per_kind} of them are planted in each
of {kinds} forms among the {others:,} others, with {alike} texts that begin like a question of the test
set and go on like another problem, and {alike} questions of four templates that the test set has with
other numbers. A leak counts as found if it is attributed to its question. For comparison, a problem is
dropped if it shares {sizes} words in a row with a question.

| what | berry | 8-gram | 13-gram |
|---|---|---|---|
{rows}

Most of the other problems that berry finds are questions of the test set with other numbers or turned
around; all of them count as false here. Rates are those of one process{peer}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    kind: str
    text: str
    answer: str
    question: int | None
    """The question that it is; None for a look-alike or another problem."""


Find = Callable[[_Text], int | None]
"""The question that a text is taken for."""


def planted_leaks() -> tuple[list[Measured], str]:
    """Recall of each kind of leak, what is dropped by mistake, and rows a second."""
    if not _FILE.is_file():
        raise FileNotFoundError(f"{_FILE}: expected GSM8K's training set there")
    rows = [json.loads(line) for line in _FILE.open(encoding="utf-8")]
    random.Random(0).shuffle(rows)
    problems = [(row["question"], row["answer"].rpartition("####")[2].strip()) for row in rows]
    tests, others = problems[:_TESTS], problems[_TESTS:]
    draw = random.Random(1)
    tests += [(template(draw), str(draw.randint(1, 500))) for _ in range(100)]
    texts = _texts(tests, others)
    begun = time.perf_counter()
    finder = LeakFinder(
        (
            Question(test_set="test", id=str(number), text=text, answer=answer)
            for number, (text, answer) in enumerate(tests)
        ),
        ContaminationRule(),
    )
    for one in texts:
        finder.count(one.text, one.answer)

    def by_berry(text: _Text) -> int | None:
        leak = finder.leak(text.text, text.answer)
        return None if leak is None else int(leak.question.id)

    found = {"berry": list(map(by_berry, texts))}
    rate = len(texts) / (time.perf_counter() - begun)
    for size in _SIZES:
        found[f"{size}-gram"] = list(map(_by_ngrams(tests, size), texts))
    lines, recall, precision = _table(texts, found)
    dedup, peer_rate = _dedup_rates([text for text, _ in problems])
    measured = [
        Measured(
            what="planted leaks found: berry; by 8 and 13 words in a row",
            figures="; ".join(f"{recall[name]:.3f}" for name in found),
            ratio=f"precision {'; '.join(f'{precision[name]:.3f}' for name in found)}",
            goal="more of both than either",
            met=all(
                recall["berry"] > recall[name] and precision["berry"] > precision[name]
                for name in found
                if name != "berry"
            ),
        ),
        Measured(
            what=f"comparing problems with {len(tests):,} questions, one process",
            figures=f"{rate:,.0f} problems/s",
            ratio="-",
            goal="measured",
            met=True,
        ),
        Measured(
            what="near duplicates of questions, one process: berry beside datatrove",
            figures=f"{dedup:,.0f} and {_number(peer_rate)} rows/s",
            ratio="-" if peer_rate is None else f"{dedup / peer_rate:.1f}",
            goal="at least 1.0",
            met=peer_rate is not None and dedup >= peer_rate,
        ),
    ]
    text = _TEXT.format(
        tests=_TESTS,
        per_kind=_PER_KIND,
        kinds=len(Planter([text for text, _ in others]).kinds),
        others=len(others),
        alike=_LOOK_ALIKES,
        sizes=" or ".join(map(str, _SIZES)),
        rows="\n".join(lines),
        peer="" if peer_rate is not None else f"; datatrove was not measured, set {_PYTHON}",
    )
    return measured, text


def _number(rate: float | None) -> str:
    return "unmeasured" if rate is None else f"{rate:,.0f}"


def _texts(tests: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]) -> list[_Text]:
    planter, draw = Planter([text for text, _ in others]), random.Random(2)
    texts = []
    for place, (kind, change) in enumerate(planter.kinds.items()):
        for number in range(place * _PER_KIND, (place + 1) * _PER_KIND):
            text, answer = tests[number]
            answer = str(draw.randint(1, 500)) if "numbers" in kind else answer
            texts.append(_Text(kind=kind, text=change(text, draw), answer=answer, question=number))
    for _ in range(_LOOK_ALIKES):
        opening = planter.same_opening(draw.choice(tests[:_TESTS])[0], draw)
        texts.append(_Text(kind="same opening", text=opening, answer="7", question=None))
        alike = _Text(kind="template", text=template(draw), answer="7", question=None)
        if alike.text not in {text for text, _ in tests}:
            texts.append(alike)
    texts += [_Text(kind="other", text=text, answer=answer, question=None) for text, answer in others]
    return texts


def _by_ngrams(tests: Sequence[tuple[str, str]], size: int) -> Find:
    """Takes a text for the first question with which it shares so many words in a row."""
    having: dict[tuple[str, ...], int] = {}
    for number, (text, _) in enumerate(tests):
        for gram in _ngrams(text, size):
            having.setdefault(gram, number)

    def find(text: _Text) -> int | None:
        return next((having[gram] for gram in _ngrams(text.text, size) if gram in having), None)

    return find


def _ngrams(text: str, size: int) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return list(zip(*(words[start:] for start in range(size)), strict=False))


def _table(
    texts: Sequence[_Text], found: dict[str, list[int | None]]
) -> tuple[list[str], dict[str, float], dict[str, float]]:
    """The table's lines, and each rule's recall and precision."""
    lines, kinds = [], list(dict.fromkeys(one.kind for one in texts))
    for kind in kinds:
        places = [place for place, one in enumerate(texts) if one.kind == kind]
        is_leak = texts[places[0]].question is not None
        numbers = []
        for answers in found.values():
            right = sum(
                answers[place] == texts[place].question if is_leak else answers[place] is not None
                for place in places
            )
            numbers.append(f"{right / len(places):.3f}")
        what = "found" if is_leak else "dropped by mistake"
        lines.append(f"| {what}: {kind} ({len(places):,}) | {' | '.join(numbers)} |")
    leaks = [place for place, one in enumerate(texts) if one.question is not None]
    recall, precision = {}, {}
    for name, answers in found.items():
        right = sum(answers[place] == texts[place].question for place in leaks)
        recall[name] = right / len(leaks)
        precision[name] = right / sum(answer is not None for answer in answers)
    return lines, recall, precision


def _dedup_rates(texts: Sequence[str]) -> tuple[float, float | None]:
    """Rows a second of berry and of datatrove, in turn on the same rows; medians."""
    draw = random.Random(3)
    rows = [*texts, *(f"So: {text}" for text in draw.sample(texts, len(texts) // 10))]
    own, peers = [], []
    with tempfile.TemporaryDirectory(prefix="rows-") as name:
        with (Path(name) / "rows.jsonl").open("w", encoding="utf-8") as file:
            for number, text in enumerate(rows):
                file.write(json.dumps({"id": str(number), "text": text}) + "\n")
        for _ in range(_RATES):
            begun = time.perf_counter()
            with (Path(name) / "rows.jsonl").open(encoding="utf-8") as file:
                forms = (normal_form(json.loads(line)["text"]) for line in file)
                compared = (Compared(" ".join(f.words), f.words, f.calculation) for f in forms)
                find_duplicates(Signatures.of(compared), 0.8)
            own.append(len(rows) / (time.perf_counter() - begun))
            if (rate := _datatrove_rate(Path(name))) is not None:
                peers.append(rate)
    return statistics.median(own), statistics.median(peers) if peers else None


def _datatrove_rate(folder: Path) -> float | None:
    """None without a Python that has datatrove."""
    python = os.environ.get(_PYTHON)
    if python is None:
        return None
    script = Path(__file__).with_name("datatrove_peer.py")
    command = [python, str(script), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    return float(measured["rows"] / measured["seconds"])
