"""A weak model, its problems, and the exact probability that a model is right."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.arithmetic.chains import Chain, Split, make_chains, write_problems
from benchmarks.arithmetic.check import MAX_MODEL_LEN, MAX_TOKENS
from benchmarks.arithmetic.model import Recipe, load_model, measure_probabilities, train_model
from benchmarks.arithmetic.truth import true_steps
from pipeline.datasets.reader import RunReader

NUM_HELD_OUT = 300
PER_ROUND = 400
"""Problems of a round."""
NUM_ROUNDS = 3
_BASE_RATE = 0.25
"""The base is trained until it gives the right response this often."""
TRAINING: Mapping[str, Any] = {
    "learning_rate": 3e-4,
    "epochs": 3,
    "batch_size": 32,
    "precision": "float32",
}
"""Options of every training of the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A base model and problems, for one seed."""

    folder: Path
    seed: int
    held_out: Sequence[Chain]
    train: Sequence[Chain]

    @classmethod
    def make(cls, folder: Path, seed: int) -> "Setting":
        """Trains the base, if it is not there, and writes the problems."""
        folder.mkdir(parents=True, exist_ok=True)
        found = cls(
            folder=folder,
            seed=seed,
            held_out=make_chains(NUM_HELD_OUT, f"{seed} loop", Split.TEST),
            train=make_chains(PER_ROUND * NUM_ROUNDS, f"{seed} loop", Split.TRAIN),
        )
        if not (found.base / "config.json").is_file():
            train_model(found.base, seed, Recipe(pass_rate=_BASE_RATE))
        write_problems(folder / "train.jsonl", list(found.train))
        write_problems(folder / "held-out.jsonl", list(found.held_out))
        return found

    @property
    def base(self) -> Path:
        """The folder of the model that every arm begins with."""
        return self.folder / "base"

    def pass_rate(self, model: Path | str) -> float:
        """Mean probability of the right response to the held-out problems, at temperature 1."""
        return measure_probabilities(*load_model(Path(model)), list(self.held_out))[0]

    def run_config(self, **sections: Any) -> dict[str, Any]:
        """The config of a run with the base on the training problems."""
        return {
            "problems": {
                "use": "file",
                "preset": "plain",
                "path": str(self.folder / "train.jsonl"),
            },
            "engine": {
                "use": "vllm",
                "model": str(self.base),
                "max_model_len": MAX_MODEL_LEN,
                "cpu_kv_cache_gib": 1,
                "logprobs": True,
            },
            "sampling": {"temperature": 1.0, "max_tokens": MAX_TOKENS},
            "steps": {"at": "newline"},
            "verifier": {"use": "math"},
            "dataset": {"views": ["traces"]},
            # A response has one line for each operation: all right ones are alike.
            "prune": {"max_similarity": 1},
            **sections,
        }


def berry(*arguments: str, log: Path, threads: int | None = 1) -> None:
    """Runs a command of berry. Raises RuntimeError if it fails.

    One thread of torch is faster for the small model than two.
    """
    environment = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    with log.open("ab") as file:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            stdout=file,
            stderr=file,
            check=False,
            env={**os.environ, **environment},
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"berry {' '.join(arguments)} failed: see {log}")


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    """Writes a config."""
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivors:
    """What a run gives a training."""

    num_kept: int
    num_flawed: int
    """Of those, the ones with a wrong step."""
    num_wrong_answers: int
    """And the ones whose answer is wrong, which only a lying verifier lets through."""
    num_problems: int

    @property
    def flawed(self) -> float:
        """Fraction with a wrong step."""
        return self.num_flawed / self.num_kept if self.num_kept else 0.0

    @property
    def wrong_answers(self) -> float:
        """Fraction with a wrong answer."""
        return self.num_wrong_answers / self.num_kept if self.num_kept else 0.0


def survivors(runs: Iterable[Path]) -> Survivors:
    """Counts the survivors of runs by the truth."""
    columns = ["problem", "response"]
    return count_survivors(row for run in runs for row in RunReader.open(run).rows("traces", columns))


def count_survivors(rows: Iterable[Mapping[str, Any]]) -> Survivors:
    """Counts responses, rows with `problem` and `response`, by the truth."""
    kept = flawed = wrong = 0
    problems = set()
    for row in rows:
        kept += 1
        problems.add(row["problem"])
        flawed += not all(true_steps(row["problem"], row["response"]))
        wrong += not row["response"].endswith(f"#### {Chain.parse(row['problem']).answer}")
    return Survivors(
        num_kept=kept, num_flawed=flawed, num_wrong_answers=wrong, num_problems=len(problems)
    )


def train_on(folder: Path, data: Path, base: Path, seed: int) -> Path:
    """Trains a model on a run, or on exported `traces`, if that is not done; returns its folder."""
    if (folder / "config.json").is_file():
        return folder
    options = [f"{key}={json.dumps(value)}" for key, value in TRAINING.items()]
    berry(
        "train", "policy", "--data", str(data), "--base", str(base), "--output", str(folder),
        *options, f"seed={seed}", "held_out=0", "eval_rollouts=0",
        log=folder.with_name(f"{folder.name}.log"),
    )  # fmt: skip
    return folder
