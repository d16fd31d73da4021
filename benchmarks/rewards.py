"""What reward models are worth: trained on one run's labels, used in others, on two solvers.

    1. a run of `adaptive` on many problems gives the labels; train a PRM and an ORM on them
    2. runs of `best_of_n` on other problems, three seeds: how often is the answer chosen right?
    3. the same with and without pruning by the PRM: traces kept for the tokens sampled

The solvers are the arithmetic model, whose reward models start from a deeper model of its tokenizer,
and SmolLM2-135M on easy problems of GSM8K. All goes through the `berry` command, as users would do it.
"""

import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.arithmetic.chains import make_chains, write_problems
from benchmarks.arithmetic.model import Recipe, train_model
from benchmarks.measure import CONFIGS, Measured, gsm8k_file, spread

_SEEDS = (0, 1, 2)
_N = 16
_METHODS = ("pass@k", "majority", "best by prm", "vote by prm", "best by orm", "vote by orm", "oracle")
_EASY = 2
"""Calculations in an easy problem's solution, at most."""
_LONG = 220
"""Characters of an easy problem, at most."""
_DEEPER = Recipe(num_layers=6, pass_rate=0.95, most_batches=2500)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solver:
    """A model that samples, and what is done with it."""

    name: str
    run: tuple[str, ...]
    """Settings of every run."""
    labels: tuple[str, ...]
    """Settings of the run that gives the labels."""
    base: str
    """What reward models are trained from."""
    training: Mapping[str, tuple[str, ...]]
    """Settings for `prm` and `orm`."""
    pruning: str
    write: Callable[[Path, int, int], Path]
    """Writes the problems of a set, all different from those of others: path, set, how many."""
    num_train: int
    num_eval: int


def reward_models() -> tuple[list[Measured], str]:
    """Accuracy of answers chosen from 16 samples, and traces kept with and without pruning."""
    rows, sections = [], ["## Reward models"]
    with tempfile.TemporaryDirectory() as folder:
        for make in (_arithmetic, *((_gsm8k,) if gsm8k_file() else ())):
            inside = Path(folder) / make.__name__
            inside.mkdir()
            measured, section = _measure(inside, make(inside))
            rows += measured
            sections.append(section)
    return rows, "\n\n".join(sections)


def _arithmetic(folder: Path) -> _Solver:
    train_model(folder / "solver", 0)
    train_model(folder / "base", 7, _DEEPER)
    training = ("require_chat_template=false", "learning_rate=5e-4", "batch_size=32")
    return _Solver(
        name="arithmetic model, chains of 5 to 8 operations",
        run=(
            "problems.preset=plain",
            'prompt.template="{problem}"',
            f"engine.model={folder / 'solver'}",
            "engine.max_model_len=192",
            "sampling.temperature=1.0",
            "sampling.max_tokens=128",
            "prune.max_tokens=128",
        ),
        labels=("strategy.rollouts=4", "strategy.hopeless_after=4", "strategy.probes=6"),
        base=str(folder / "base"),
        training={
            "prm": (*training, "new_layers=2", "epochs=5"),
            "orm": (*training, "max_steps=1000"),
        },
        pruning="{under: 0.5, explore: 0.1}",
        write=lambda path, which, number: write_problems(path, make_chains(number, f"rewards {which}")),
        num_train=4000,
        num_eval=200,
    )


def _gsm8k(_folder: Path) -> _Solver:
    training = ("freeze_layers=20", "learning_rate=1e-4", "batch_size=8")
    return _Solver(
        name="SmolLM2-135M-Instruct, easy problems of GSM8K",
        run=("engine.max_model_len=1024", "sampling.max_tokens=160", "prune.max_tokens=160"),
        labels=("strategy.rollouts=8", "strategy.hopeless_after=8", "strategy.probes=6"),
        base="SmolLM2-135M-Instruct",
        training={"prm": training, "orm": training},
        pruning="{under: 0.25, explore: 0.1}",
        write=_write_easy,
        num_train=80,
        num_eval=30,
    )


def _write_easy(path: Path, which: int, number: int) -> Path:
    """So many easy problems of the GSM8K file; `which` says from where on, in an order of chance."""
    source = gsm8k_file()
    assert source is not None, "the solver is left out without the file"
    lines = [
        line
        for line in source.read_text(encoding="utf-8").splitlines()
        if 0 < line.count("<<") <= _EASY and len(json.loads(line)["question"]) < _LONG
    ]
    random.Random(0).shuffle(lines)
    begin = which * 400
    path.write_text("\n".join(lines[begin : begin + number]) + "\n", encoding="utf-8")
    return path


def _measure(folder: Path, solver: _Solver) -> tuple[list[Measured], str]:
    problems = solver.write(folder / "train.jsonl", 0, solver.num_train)
    labelled = _run(solver, problems, folder / "train", "strategy.use=adaptive", *solver.labels)
    for kind, options in solver.training.items():
        model = ("--base", solver.base, "--output", folder / kind)
        _berry("train", kind, "--data", labelled, *model, *options)
    figures, yields = [], []
    for seed in _SEEDS:
        problems = solver.write(folder / f"eval{seed}.jsonl", seed + 1, solver.num_eval)
        sampling = ("strategy.use=best_of_n", f"strategy.rollouts={_N}", f"seed={seed}")
        out = _run(solver, problems, folder / f"eval{seed}", *sampling)
        models = ("--prm", folder / "prm", "--orm", folder / "orm")
        _berry("eval", out, "--with", "pass@k,majority,orm,prm,oracle", *models, "--n", f"1,{_N}")
        figures.append([json.loads(line) for line in (out / "eval" / "metrics.jsonl").open()])
        by_prm = (
            f"reward_models=[{{use: prm, model: {folder / 'prm'}}}]",
            f"branch_pruning={solver.pruning}",
        )
        pruned = _run(solver, problems, folder / f"pruned{seed}", *sampling, *by_prm)
        yields.append((_facts(out), _facts(pruned)))
    return _report(solver, figures, yields)


def _run(solver: _Solver, problems: Path, out: Path, *overrides: str) -> Path:
    whole = ("prune.max_per_problem=null", "budget.tokens=null")
    source = ("problems.use=file", f"problems.path={problems}", f"output={out}")
    _berry("run", CONFIGS / "gsm8k.yaml", *source, *whole, *solver.run, *overrides)
    return out


def _berry(*arguments: object) -> None:
    command = [str(Path(sys.executable).parent / "berry"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"berry {arguments[0]} failed: {done.stderr.strip().splitlines()[-1]}")


def _facts(out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "journal" / "complete.json").read_text())
    return facts


def _report(
    solver: _Solver,
    figures: Sequence[Sequence[Mapping[str, Any]]],
    yields: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> tuple[list[Measured], str]:
    accuracy = {
        (method, n): [_figure(one, "accuracy", method=method, n=n) for one in figures]
        for method in _METHODS
        for n in (1, _N)
    }
    rows = [
        f"| {method} | {spread(accuracy[method, 1], 3)} | {spread(accuracy[method, _N], 3)} |"
        for method in _METHODS
    ]
    qualities = [
        f"| {of} | {spread([_figure(one, 'auc', of=of) for one in figures], 3)} |"
        for of in ("prm responses", "prm steps", "orm responses")
    ]
    plain, pruned = ([_kept_per_million(facts) for facts in side] for side in zip(*yields, strict=True))
    explored = [(facts["explored_passes"], facts["explored_trials"]) for _, facts in yields]
    single, best = accuracy["pass@k", 1], accuracy["best by prm", _N]
    ratios = [a / b for a, b in zip(pruned, plain, strict=True)]
    gains, noise = [b - s for b, s in zip(best, single, strict=True)], stdev(single)
    measured = [
        Measured(
            what=f"{solver.name}: share right of the best of {_N} by a PRM, of one sample",
            figures=f"{spread(best, 3)}; {spread(single, 3)}",
            ratio=f"{mean(gains):+.3f}; one sample's varies by {noise:.3f} over seeds",
            goal="more than that over it",
            met=mean(gains) > noise,
        ),
        Measured(
            what=f"{solver.name}: traces kept for a million tokens, pruned by the PRM, not pruned",
            figures=f"{spread(pruned)}; {spread(plain)}",
            ratio=spread(ratios, 2),
            goal="over 1 with every seed",
            met=min(ratios) > 1,
        ),
    ]
    section = "\n\n".join(
        [
            f"### {solver.name[0].upper()}{solver.name[1:]}",
            f"Trained on a run on {solver.num_train} problems. On {solver.num_eval} others for each of "
            f"{len(_SEEDS)} seeds the share of right answers, chosen from N samples:",
            f"| chosen by | N = 1 | N = {_N} |\n|---|---|---|\n" + "\n".join(rows),
            "| area under the ROC curve | |\n|---|---|\n" + "\n".join(qualities),
            f"Of the rollouts that the PRM would have ended (`branch_pruning={solver.pruning}`) and "
            f"that went on to be seen, {sum(passes for passes, _ in explored)} of "
            f"{sum(trials for _, trials in explored)} turned out right.",
        ]
    )
    return measured, section


def _figure(figures: Sequence[Mapping[str, Any]], name: str, **having: object) -> float:
    """NaN where the evaluation says that the figure cannot be had."""
    (found,) = (one for one in figures if name in one and having.items() <= one.items())
    return math.nan if found[name] is None else float(found[name])


def _kept_per_million(facts: Mapping[str, Any]) -> float:
    return float(facts["kept"] / facts["tokens"] * 1e6)
