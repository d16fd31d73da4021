"""The loop with one strategy and another, at equal sampled tokens, and true solutions beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.loop.setting import (
    NUM_ROUNDS,
    PER_ROUND,
    TRAINING,
    Setting,
    Survivors,
    berry,
    survivors,
    train_on,
    write_yaml,
)
from benchmarks.loop.true_solutions import write_true_solutions
from pipeline.loop.folder import LoopFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to search in each round."""

    name: str
    run: Mapping[str, Any]
    """Sections of the runs' config."""
    stages: Sequence[Mapping[str, Any]] = ()
    """Stages between the search and the training of the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an arm came to, for one seed."""

    pass_rates: Sequence[float]
    """Of the base, and after each round."""
    tokens: Sequence[int]
    """Sampled in each round."""
    kept: Survivors
    """Of all rounds."""
    seconds: Mapping[str, float]
    """Stage -> wall time of all rounds."""


def best_of_n(rollouts: int) -> Arm:
    """Plain rejection sampling: no tree, no reward model."""
    return Arm(
        name=f"best_of_n, n = {rollouts}", run={"strategy": {"use": "best_of_n", "rollouts": rollouts}}
    )


_SUREST = {"score_by": "steps", "max_per_problem": 1, "min_score": 0.85}
"""Of a problem's survivors, the one whose least sure step the solver was surest of, if that is sure."""


def _by_confidence(name: str, strategy: Mapping[str, Any]) -> Arm:
    """A strategy whose survivors the solver's own confidence prunes."""
    return Arm(
        name=f"{name}, pruned by step scores",
        run={
            "strategy": strategy,
            "reward_models": [{"use": "confidence"}],
            "prune": {"max_similarity": 1, **_SUREST},
        },
    )


ADAPTIVE = _by_confidence(
    "adaptive", {"use": "adaptive", "rollouts": 3, "hopeless_after": 8, "probes": 4}
)
SURVIVORS = _by_confidence("survivors", {"use": "survivors"})


def run_arm(setting: Setting, arm: Arm) -> Result:
    """Runs the loop with an arm, and measures each round's model."""
    folder = setting.folder / arm.name.replace(" ", "").replace(",", "-").replace("=", "")
    config = {
        "output": str(folder),
        "rounds": NUM_ROUNDS,
        "seed": setting.seed,
        "run": setting.run_config(**arm.run),
        "problems_per_round": PER_ROUND,
        # The held-out problems are those of another file, and are measured exactly.
        "evaluation": {"problems": str(setting.folder / "held-out.jsonl")},
        "stages": [{"use": "search"}, *arm.stages, {"use": "policy", **TRAINING}],
    }
    path = write_yaml(setting.folder / f"{folder.name}.yaml", config)
    berry("loop", str(path), log=setting.folder / f"{folder.name}.log")
    rounds = LoopFolder.read(folder).rounds()
    seconds: dict[str, float] = {}
    for stage in (stage for one in rounds for stage in one.stages):
        seconds[stage.name] = seconds.get(stage.name, 0.0) + stage.seconds
    models = [setting.base, *(one.ends_with.generator for one in rounds[1:])]
    return Result(
        pass_rates=[setting.pass_rate(model) for model in models if model is not None],
        tokens=[stage.figures["tokens"] for one in rounds for stage in one.by_use("search")],
        kept=survivors(folder / f"round-{number}" for number in range(1, NUM_ROUNDS + 1)),
        seconds=seconds,
    )


def true_solutions(setting: Setting, num: int) -> float:
    """pass@1 after training on this many true solutions, no more than there are problems."""
    name = f"true-{num}"
    data = write_true_solutions(setting.folder / name, setting.train[:num])
    model = train_on(setting.folder / f"{name}-model", data, setting.base, setting.seed)
    return setting.pass_rate(model)
