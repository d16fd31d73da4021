"""Which problems get less of the next round: those solved nearly always or never in the last one.

They teach little: on the first the model is right already, on the others no search finds a survivor.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.datasets.reader import RunReader
from pipeline.loop.config import DifficultyConfig
from pipeline.loop.problems import key_of

_COLUMNS = ("problem", "num_samples", "num_right")


def taught_out(runs: Sequence[Path], config: DifficultyConfig) -> list[str]:
    """The keys of the problems that were solved nearly always or never in the last run that had them.

    `runs` are the run folders of earlier rounds, in order. Raises FolderError.
    """
    rates: dict[str, float] = {}
    for run in runs:
        for row in RunReader.open(run).rows("problems", _COLUMNS):
            if row["num_samples"]:
                rates[key_of(row["problem"])] = posterior_mean(row["num_right"], row["num_samples"])
    return sorted(key for key, rate in rates.items() if rate > config.easy or rate < config.hard)


def posterior_mean(right: int, trials: int) -> float:
    """Mean of a pass rate's posterior under the Jeffreys prior, Beta(1/2, 1/2)."""
    return (right + 0.5) / (trials + 1)
