"""The dataset card: a README.md by which `load_dataset(OUT, "traces")` works on the folder as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.views import ABOUT, SCHEMAS, flawed_share


def render_card(folder: RunFolder) -> str:
    """The card of the folder's present state."""
    config, counts = folder.run["config"], folder.counts
    engine, problems = config["engine"], config["problems"]
    source = problems.get("path") or problems.get("dataset") or problems.get("task")
    facts = {
        "Model": engine.get("model", engine["use"]),
        "Problems": f"{source} ({problems['use']})",
        "Strategy": _section(config["strategy"]),
        "Verifier": config["verifier"]["use"],
        "Seed": config["seed"],
        "Config hash": folder.run["digest"],
        "berry": folder.run["versions"]["berry"],
        "State": "complete" if folder.complete is not None else "unfinished",
        "Problems done": counts["problems"],
        "Rollouts": counts["rollouts"],
        "Sampled tokens": counts["tokens"],
        "Survivors": counts["kept"],
        "Expected share of survivors with a wrong step": _percent(flawed_share(counts)),
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
            "Made by berry: rollouts of a language model on a problem set, each final answer checked",
            "by a verifier.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            *(f'load_dataset("{folder.path}", "{view}")  # {ABOUT[view]}' for view in ABOUT),
            "```",
            "",
            "Licences are not known to the program: fill them in here, and set `license` at the top,",
            "before you publish this.",
            "",
        ]
    )


def render_view_card(path: Path, view: str, state: str, facts: Mapping[str, object]) -> str:
    """The card of a folder of one view that was derived from a run; `state` changes with its data."""
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
            f"# {ABOUT[view][0].upper()}{ABOUT[view][1:]}",
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
            f'load_dataset("{path}", split="train")',
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
            for view in sorted(SCHEMAS)
        ],
    }


def _view_metadata(view: str, state: str, *, default: bool) -> dict[str, object]:
    return {
        "config_name": view,
        "default": default,
        "data_files": f"data/{view}/part-*.parquet",
        # `datasets` caches a local folder by its name and this section alone: without a text that
        # changes with the data, it would serve an earlier state or another run.
        "description": f"state {state}",
    }


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _section(section: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key}={value}" for key, value in section.items() if key != "use")
    return f"{section['use']} ({options})" if options else str(section["use"])
