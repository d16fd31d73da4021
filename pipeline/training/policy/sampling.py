"""How the runs of the data sampled: `ppo` compares probabilities of that distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.engines import Sampling
from pipeline.training.errors import TrainError
from pipeline.training.rows import is_run

_RAW = "raw_logprobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What a run sampled from."""

    temperature: float
    """1 for greedy runs, whose stored log-probabilities are those of temperature 1."""
    is_whole: bool
    """Whether every token could be sampled: with `top_p` or `top_k` the stored log-probabilities are
    those among the tokens that were left."""
    is_raw: bool
    """Whether the engine gave log-probabilities of temperature 1, without `top_p` and `top_k`."""

    def has_logprobs_at(self, temperature: float) -> bool:
        """Whether the stored log-probabilities are the model's own at this temperature."""
        if self.is_raw:
            return temperature == 1
        return self.is_whole and self.temperature == temperature


def sampled_by(folder: Path) -> Sampled | None:
    """How a run sampled; None for a folder that was exported. Raises FolderError and StorageError."""
    if not is_run(folder):
        return None
    config = config_with_sandbox(RunFolder.read(folder).run)
    sampling = Sampling.model_validate(config.get("sampling") or {})
    options = (config.get("engine") or {}).get("options") or {}
    return Sampled(
        temperature=sampling.temperature or 1.0,
        is_whole=sampling.top_p == 1 and not sampling.top_k,
        is_raw=options.get("logprobs_mode") == _RAW,
    )


def temperature_of(folders: Sequence[Path]) -> float:
    """The temperature that all runs among the folders sampled at; 1 if none is a run.

    Raises TrainError, FolderError and StorageError.
    """
    found = {one.temperature for folder in folders if (one := sampled_by(folder)) is not None}
    if len(found) > 1:
        raise TrainError(
            f"--data: expected runs that sampled at one temperature, got "
            f"{', '.join(f'{one:g}' for one in sorted(found))}; set temperature=T to compare "
            "probabilities at T"
        )
    return found.pop() if found else 1.0
