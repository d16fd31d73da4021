"""A run whose problems cost next to nothing, so that what is left is berry's own work."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.config import RunConfig, load_config

_CONFIG = {
    "seed": 0,
    "problems": {"use": "file"},
    "engine": {"use": "simulated", "min_steps": 1, "max_steps": 1},
    "strategy": {"use": "best_of_n", "rollouts": 1},
    "verifier": {"use": "exact"},
    "dataset": {"problems_per_part": 1000},
    "cluster": {"workers": 1, "verifier_actors": 0},
}
NOTE = "on a machine of 2 cores that other work shared at the time"


def write_config(folder: Path, problems: Path) -> Path:
    """The run's config file; its data goes to `folder`/out."""
    path = folder / "tiny.yaml"
    config = {**_CONFIG, "output": str(folder / "out")}
    config["problems"] = {"use": "file", "path": str(problems)}
    path.write_text(yaml.safe_dump(config))
    return path


def tiny_config(folder: Path, problems: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The run's config, loaded."""
    return load_config(write_config(folder, problems), list(overrides))


def write_sums(path: Path, count: int) -> Path:
    """A file of problems with texts as long as those of GSM8K (235 characters on average)."""
    story = (
        "A shop counts its stock before it opens. There are {n} boxes on the left shelf, and the clerk "
        "brings another {m} from the cellar, which nobody has counted before. Customers come only "
        "after that. How many boxes are there on the shelf?"
    )
    with path.open("w") as file:
        for n in range(count):
            row = {"question": story.format(n=n, m=n % 97), "answer": f"#### {n + n % 97}"}
            file.write(json.dumps(row) + "\n")
    return path
