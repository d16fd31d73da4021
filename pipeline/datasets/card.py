"""The dataset card: a README.md that lets `load_dataset(OUT, "traces")` load the folder directly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.folder import RunFolder, stored_views
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import write_card
from pipeline.files.storage import is_local


def update_card(folder: RunFolder) -> None:
    """Writes the card for the folder's current state. Raises FolderError and StorageError."""
    write_card(folder.path, render_card(folder))


def render_card(folder: RunFolder) -> str:
    """The card for the folder's current state."""
    config, counts = folder.run["config"], folder.counts
    engine, problems = config["engine"], config["problems"]
    source = problems.get("path") or problems.get("dataset") or problems.get("task")
    facts = {
        "Model": ", ".join(one.get("model", one["use"]) for one in config.get("engines") or [engine]),
        "Problems": f"{source} ({problems['use']})",
        "Strategy": _section(config["strategy"]),
        "Verifier": config["verifier"]["use"],
        "Seed": config["seed"],
        "Config hash": folder.run["digest"],
        "berry": folder.run["versions"]["berry"],
        "State": "complete" if folder.complete is not None else "unfinished",
        "Problems done": counts.problems,
        "Rollouts": counts.rollouts,
        "Sampled tokens": counts.tokens,
        "Survivors": counts.kept,
        "Expected fraction of survivors with a wrong step": _percent(counts.flawed_fraction),
        "Licence of the problems": "(fill in)",
        "Licence of the model's output": "(fill in)",
    }
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_metadata(folder), sort_keys=False).strip(),
            "---",
            "# Verified reasoning traces",
            "",
            "Made by berry: rollouts of a language model on a problem set. A verifier checked each",
            "final answer.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            *(
                f"load_dataset({load_arguments(folder.path, view)})  # {VIEWS[view].about}"
                for view in _stored(folder)
            ),
            "```",
            "",
            "Before you publish this dataset, fill in the licences, which berry does not know, and set",
            "`license` at the top.",
            "",
        ]
    )


def render_view_card(path: Path, view: str, state: str, facts: Mapping[str, object]) -> str:
    """The card for a folder with one exported view; `state` must change with the data."""
    return "\n".join(
        [
            "---",
            yaml.safe_dump(
                {
                    "license": "unknown",
                    "tags": ["berry", "reasoning"],
                    "configs": [_view_metadata(view, state, default=True)],
                },
                sort_keys=False,
            ).strip(),
            "---",
            f"# {VIEWS[view].about[0].upper()}{VIEWS[view].about[1:]}",
            "",
            "Derived by `berry export` from the trees of a run.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            (
                f'load_dataset("{path}", split="train")'
                if is_local(path)
                else f'load_dataset({load_arguments(path, view)}, split="train")'
            ),
            "```",
            "",
        ]
    )


def _metadata(folder: RunFolder) -> dict[str, Any]:
    return {
        "license": "unknown",
        "tags": ["berry", "reasoning"],
        "configs": [
            _view_metadata(view, folder.state_digest(), default=view == "traces")
            for view in sorted(_stored(folder))
        ],
    }


def _view_metadata(view: str, state: str, *, default: bool) -> dict[str, object]:
    return {
        "config_name": view,
        "default": default,
        "data_files": f"data/{view}/part-*.parquet",
        # `datasets` caches a local folder by its name and this section. Without text that changes
        # with the data, it would load an earlier state or another run.
        "description": f"state {state}",
    }


def load_arguments(path: Path, view: str) -> str:
    """Arguments of `load_dataset` for a view of a run; it reads no cards in stores."""
    if is_local(path):
        return f'"{path}", "{view}"'
    return f'"parquet", data_files="{path}/data/{view}/part-*.parquet"'


def _stored(folder: RunFolder) -> list[str]:
    """Names of the views that the run's parts store; of a run without a part, those it will store."""
    for index in folder.parts:
        rows = folder.parts[index].rows
        return [view for view in VIEWS if view in rows]
    return stored_views(folder.run)


def _percent(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{fraction:.1%}"


def _section(section: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key}={value}" for key, value in section.items() if key != "use")
    return f"{section['use']} ({options})" if options else str(section["use"])
