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

_NUM_PROBLEMS = 300
_NAMES = ("Ada", "Ben", "Clara", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas")
_THINGS = ("apples", "books", "coins", "stickers", "pencils", "shells", "stamps", "marbles")
_ADDED = (
    "{name} has {a} {things} and buys {b} more. How many {things} does {name} have now?",
    "{name} counts {a} {things} in one box and {b} in another. How many {things} are there in all?",
    "There are {a} {things} on the table. {name} puts {b} more there. How many are on the table now?",
)
_TAKEN = (
    "{name} has {a} {things} and gives {b} of them away. How many {things} does {name} have left?",
    "A shop has {a} {things} and sells {b} of them to {name}. How many {things} are left in the shop?",
    "{name} needs {a} {things} and has {b}. How many more {things} does {name} need?",
)
_TEXT = """### A language model
SmolLM2-135M-Instruct on {problems} problems, half of them sums of two numbers up to 20 (`13 + 8 = ?`)
and half word problems of one step (an addition or a subtraction), in the loop of
`configs/loops/sums.yaml`: {rollouts} rollouts of each problem in a round, then SFT of the base on all
survivors. pass@1 on {held_out} held-out problems with {eval_rollouts} samples each at the run's
temperature, with its 95% interval over problems.

| round | pass@1 held out | coverage | survivors | tokens sampled | search | training | evaluation |
|---|---|---|---|---|---|---|---|
{rows}"""


def write_word_problems(path: Path, num: int, seed: int) -> Path:
    """Sums and word problems of one step, in turn, as rows of `prompt` and `answer`; all different."""
    draw = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < num:
        prompt, answer = _sum(draw) if len(rows) % 2 else _word_problem(draw)
        rows[prompt] = answer
    lines = [json.dumps({"prompt": prompt, "answer": str(answer)}) for prompt, answer in rows.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def _sum(draw: random.Random) -> tuple[str, int]:
    a, b = draw.randint(1, 20), draw.randint(1, 20)
    return f"{a} + {b} = ?", a + b


def _word_problem(draw: random.Random) -> tuple[str, int]:
    adds = draw.random() < 0.5
    a, b = draw.randint(2, 15), draw.randint(1, 10)
    a, b = (a, b) if adds else (a + b, b)
    text = draw.choice(_ADDED if adds else _TAKEN)
    prompt = text.format(name=draw.choice(_NAMES), things=draw.choice(_THINGS), a=a, b=b)
    return prompt, a + b if adds else a - b


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
    config["evaluation"] |= {"held_out": 0.35, "limit": 120}
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
