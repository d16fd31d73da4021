"""The loop with SmolLM2-135M-Instruct on sums and word problems of one step."""

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.loop.setting import berry, write_yaml
from benchmarks.measure import CONFIGS, Measured
from pipeline.inspection.time_left import duration
from pipeline.loop.folder import LoopFolder
from pipeline.loop.records import RoundRecord

_NUM_PROBLEMS = 260
_NUM_ROUNDS = 1
"""A round takes some 40 minutes on one core without AVX-512."""
_NAMES = ("Ada", "Ben", "Clara", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas")
_THINGS = ("apples", "books", "coins", "stickers", "pencils", "shells", "stamps", "marbles")
_TEXTS = (
    "{name} has {a} {things} and buys {b} more {things}. How many {things} does {name} have now?",
    "{name} has {a} {things} and gets {b} more {things}. How many {things} are there now?",
    "There are {a} {things} on the table. {name} puts {b} more {things} there. How many are there now?",
)
_NUM_SUMS = 72
"""Of the 81 sums of two one-digit numbers."""
_TEXT = """### A language model
SmolLM2-135M-Instruct on {problems} problems, {sums} of them sums of two one-digit numbers and the
others word problems of one such sum, in the loop of `configs/loops/sums.yaml`: {rollouts} rollouts of
each problem in a round, then SFT of the base on all survivors. pass@1 on {held_out} held-out problems
with {eval_rollouts} samples each at the run's temperature, with its 95% interval over problems.

| round | pass@1 held out | coverage | survivors | tokens sampled | search | training | evaluation |
|---|---|---|---|---|---|---|---|
{rows}"""


def write_word_problems(path: Path, num: int, seed: int) -> Path:
    """Sums, then word problems of one, all different: `prompt` and `answer`."""
    draw = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < num:
        a, b = draw.randint(1, 9), draw.randint(1, 9)
        if len(rows) < _NUM_SUMS:
            prompt = f"State the final answer to the following arithmetic problem: {a} + {b} ="
        else:
            name, things = draw.choice(_NAMES), draw.choice(_THINGS)
            prompt = draw.choice(_TEXTS).format(name=name, things=things, a=a, b=b)
        rows[prompt] = a + b
    lines = [json.dumps({"prompt": prompt, "answer": str(answer)}) for prompt, answer in rows.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def language_model_in_a_loop() -> tuple[list[Measured], str]:
    """pass@1 on held-out problems before and after each round."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder))


def measure(folder: Path) -> tuple[list[Measured], str]:
    """Runs the loop in a folder, or goes on with the one that is there."""
    config: dict[str, Any] = yaml.safe_load((CONFIGS / "loops" / "sums.yaml").read_text())
    config["output"] = str(folder / "loop")
    config["run"]["config"] = str(CONFIGS / "quickstart.yaml")
    path = str(write_word_problems(folder / "problems.jsonl", _NUM_PROBLEMS, config["seed"]))
    config["run"]["problems"] = {"use": "file", "preset": "plain", "path": path}
    config["run"]["sampling"] = {"max_tokens": 96}
    config["evaluation"] |= {"held_out": 0.4, "limit": 120}
    config["rounds"] = _NUM_ROUNDS
    written = write_yaml(folder / "loop.yaml", config)
    berry("loop", str(written), log=folder / "loop.log", threads=None)
    rounds = LoopFolder.read(folder / "loop").rounds()
    return [_risen(rounds)], _section(config, rounds)


def _risen(rounds: Sequence[RoundRecord]) -> Measured:
    before, after = (_pass_at(one)[0] for one in (rounds[0], rounds[-1]))
    return Measured(
        what="loop, SmolLM2-135M-Instruct: held-out pass@1 before, after the last round",
        figures=f"{_with_interval(before)}; {_with_interval(after)}",
        ratio=f"{after['value'] - before['value']:+.3f}",
        goal="the intervals are apart",
        met=after["low"] > before["high"],
    )


def _section(config: Mapping[str, Any], rounds: Sequence[RoundRecord]) -> str:
    return _TEXT.format(
        problems=_NUM_PROBLEMS,
        sums=_NUM_SUMS,
        rollouts=config["run"]["strategy"]["rollouts"],
        held_out=next(rounds[0].by_use("evaluate")).figures["problems"],
        eval_rollouts=config["evaluation"]["rollouts"],
        rows="\n".join(_row(one) for one in rounds),
    )


def _row(record: RoundRecord) -> str:
    first, *_, last = _pass_at(record)
    search = next(iter(record.by_use("search")), None)
    survivors = f"{search.figures['survivors']:,}" if search else ""
    tokens = sum(one.figures.get("tokens", 0) for one in record.stages)
    times = [
        duration(found[0].seconds) if (found := list(record.by_use(use))) else ""
        for use in ("search", "policy", "evaluate")
    ]
    coverage = f"{last['value']:.3f} (k={last['k']})"
    cells = [record.round, _with_interval(first), coverage, survivors, f"{tokens:,}", *times]
    return f"| {' | '.join(map(str, cells))} |"


def _pass_at(record: RoundRecord) -> Sequence[Mapping[str, Any]]:
    points: Sequence[Mapping[str, Any]] = next(record.by_use("evaluate")).figures["pass@k"]
    return points


def _with_interval(point: Mapping[str, Any]) -> str:
    return f"{point['value']:.3f} ({point['low']:.3f} to {point['high']:.3f})"
