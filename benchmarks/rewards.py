"""What reward models are worth on the arithmetic model: trained on one run's labels, used in others.

    1. train the solver, and a deeper model of the same tokenizer to make reward models of
    2. a run of `adaptive` on many chains gives the labels; train a PRM and an ORM on them
    3. runs of `best_of_n` on other chains, three seeds: how often is the answer right that they choose?
    4. the same with and without pruning by the PRM: traces kept for the tokens sampled

Everything goes through the `berry` command, as a user would do it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.arithmetic.chains import make_chains, write_problems
from benchmarks.arithmetic.model import Recipe, train_model
from benchmarks.measure import CONFIGS, Measured, spread

_SEEDS = (0, 1, 2)
_NUM_TRAIN, _NUM_EVAL = 4000, 200
_N = 16
_DEEPER = Recipe(num_layers=4, pass_rate=0.93, most_batches=2500)
_TRAINING = (
    "require_chat_template=false",
    "learning_rate=1e-3",
    "epochs=1",
    "batch_size=32",
    "held_out=0.05",
)
_METHODS = ("pass@k", "majority", "best by prm", "vote by prm", "best by orm", "vote by orm", "oracle")
_PRUNING = "branch_pruning={under: 0.25, explore: 0.1, aggregate: min}"


def reward_models() -> tuple[list[Measured], str]:
    """Accuracy of answers chosen from 16 samples, and traces kept with and without pruning."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> tuple[list[Measured], str]:
    train_model(folder / "solver", 0)
    train_model(folder / "base", 7, _DEEPER)
    labels = (
        "strategy.use=adaptive",
        "strategy.rollouts=4",
        "strategy.hopeless_after=4",
        "strategy.probes=6",
    )
    _run(folder, "train", _NUM_TRAIN, "rewards", *labels)
    for kind, more in (("prm", ["labels=right"]), ("orm", [])):
        _berry(
            "train",
            kind,
            "--data",
            folder / "train",
            "--base",
            folder / "base",
            "--output",
            folder / kind,
            *_TRAINING,
            *more,
        )
    figures, yields = [], []
    sampling = ("strategy.use=best_of_n", f"strategy.n={_N}")
    for seed in _SEEDS:
        out = _run(folder, f"eval{seed}", _NUM_EVAL, f"rewards {seed}", *sampling, f"seed={seed}")
        _berry(
            "eval",
            out,
            "--with",
            "pass@k,majority,orm,prm,oracle",
            "--prm",
            folder / "prm",
            "--orm",
            folder / "orm",
            "--n",
            _N,
        )
        figures.append([json.loads(line) for line in (out / "eval" / "metrics.jsonl").open()])
        model = f"reward_models=[{{use: prm, model: {folder / 'prm'}}}]"
        pruned = _run(
            folder,
            f"pruned{seed}",
            _NUM_EVAL,
            f"rewards {seed}",
            *sampling,
            f"seed={seed}",
            model,
            _PRUNING,
        )
        yields.append((_facts(out), _facts(pruned)))
    return _report(figures, yields)


def _report(
    figures: Sequence[Sequence[Mapping[str, Any]]],
    yields: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> tuple[list[Measured], str]:
    accuracy = {
        (method, n): [_accuracy(one, method, n) for one in figures]
        for method in _METHODS
        for n in (1, _N)
    }
    rows = [
        f"| {method} | {spread(accuracy[method, 1], 3)} | {spread(accuracy[method, _N], 3)} |"
        for method in _METHODS
    ]
    qualities = [
        f"| {of} | {spread([_quality(one, of) for one in figures], 3)} |"
        for of in ("prm responses", "prm steps", "orm responses")
    ]
    plain, pruned = ([_kept_per_million(facts) for facts in side] for side in zip(*yields, strict=True))
    seen = [(facts["explored_passes"], facts["explored_trials"]) for _, facts in yields]
    gains = [
        best - one for best, one in zip(accuracy["best by prm", _N], accuracy["pass@k", 1], strict=True)
    ]
    noise = stdev(accuracy["pass@k", 1])
    measured = [
        Measured(
            what=f"best of {_N} by a PRM, over pass@1, on the arithmetic model",
            figures=f"{spread(accuracy['best by prm', _N], 3)} against "
            f"{spread(accuracy['pass@k', 1], 3)}",
            ratio=f"+{mean(gains):.3f}, where pass@1 varies by {noise:.3f} over seeds",
            goal="more than the spread",
            met=mean(gains) > noise,
        ),
        Measured(
            what="traces kept for a million tokens, pruned by the PRM against not",
            figures=f"{spread(pruned)} against {spread(plain)}",
            ratio=spread([a / b for a, b in zip(pruned, plain, strict=True)], 2),
            goal="over 1",
            met=mean(pruned) > mean(plain),
        ),
    ]
    section = "\n\n".join(
        [
            "## Reward models",
            f"On the arithmetic model, {_NUM_EVAL} chains for each of {len(_SEEDS)} seeds, none of "
            "which the models have seen: share of right answers, chosen from N samples.",
            "| chosen by | N = 1 | N = 16 |\n|---|---|---|\n" + "\n".join(rows),
            "| area under the ROC curve | |\n|---|---|\n" + "\n".join(qualities),
            f"Of the branches that the PRM would have ended (`{_PRUNING}`) and that went on to be "
            f"seen, {sum(p for p, _ in seen)} of {sum(t for _, t in seen)} turned out right.",
        ]
    )
    return measured, section


def _run(folder: Path, name: str, number: int, seed: str, *overrides: str) -> Path:
    """A run of the solver on chains of a seed."""
    problems = write_problems(folder / f"{name}.jsonl", make_chains(number, seed))
    _berry(
        "run",
        CONFIGS / "gsm8k.yaml",
        f"output={folder / name}",
        "problems.use=file",
        "problems.preset=plain",
        f"problems.path={problems}",
        'prompt.template="{problem}"',
        f"engine.model={folder / 'solver'}",
        "engine.max_model_len=192",
        "sampling.temperature=1.0",
        "sampling.max_tokens=128",
        "prune.max_tokens=128",
        "prune.max_per_problem=null",
        "budget.tokens=null",
        *overrides,
    )
    return folder / name


def _berry(*arguments: object) -> None:
    command = [str(Path(sys.executable).parent / "berry"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"berry {arguments[0]} failed: {done.stderr.strip().splitlines()[-1]}")


def _facts(out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "journal" / "complete.json").read_text())
    return facts


def _kept_per_million(facts: Mapping[str, Any]) -> float:
    return float(facts["kept"] / facts["tokens"] * 1e6)


def _accuracy(figures: Sequence[Mapping[str, Any]], method: str, n: int) -> float:
    (found,) = (one for one in figures if (one.get("method"), one.get("n")) == (method, n))
    return float(found["accuracy"])


def _quality(figures: Sequence[Mapping[str, Any]], of: str) -> float:
    (found,) = (one for one in figures if one.get("of") == of)
    return float(found["auc"])
