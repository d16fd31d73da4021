"""The dataset card: a README.md that lets `load_dataset(OUT, "traces")` load the folder directly."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.card_sections import sections
from pipeline.datasets.folder import FolderError, RunFolder, stored_views
from pipeline.datasets.trust.section import renew_section, trust_section
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import explained, write_card
from pipeline.files.storage import exists, is_local, read_bytes

_FENCE = "---"
_LOADS = re.compile(r'load_dataset\("[^"]*", "\w+"\)|load_dataset\("parquet", ')
"""The beginning of a line of the card that loads a view."""


def update_card(folder: RunFolder) -> None:
    """Writes the card for the folder's current state. Raises FolderError and StorageError."""
    write_card(folder.path, render_card(folder))


def renew_views(folder: RunFolder, added: str, *, has_changed: bool) -> None:
    """Renews the views and the trust report in the folder's card, if the views have changed or `added`
    is missing there.

    Keeps what the card's user has written; writes a new card if there is none that can be read. Raises
    FolderError and StorageError.
    """
    text = _read_card(folder)
    if not has_changed and f"config_name: {added}\n" in text:
        return
    try:
        text = current_card(folder, text, folder.path, sorted(stored_in(folder)))
    except CardError:
        text = render_card(folder)
    write_card(folder.path, text)


def renew_trust(folder: RunFolder) -> None:
    """Renews the trust report in the folder's card; writes a new card if there is none.

    Keeps what the card's user has written. Raises FolderError and StorageError.
    """
    text = _read_card(folder)
    write_card(folder.path, renew_section(text, trust_section(folder)) if text else render_card(folder))


def current_card(folder: RunFolder, text: str, name: Path | str, views: Sequence[str]) -> str:
    """A card that its user may have edited, for the folder's state. Raises CardError, FolderError and
    StorageError."""
    renewed = renew_card(text, name, folder.state_digest(), views)
    return renew_section(renewed, trust_section(folder))


def _read_card(folder: RunFolder) -> str:
    """The text of the folder's card; empty without one."""
    readme = folder.path / "README.md"
    with explained(readme):
        return read_bytes(readme).decode(errors="replace") if exists(readme) else ""


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
        "Licence of the problems": _licence(folder, "problems"),
        "Licence of the model": _licence(folder, "model"),
    }
    stored = stored_in(folder)
    return "\n".join(
        [
            _FENCE,
            yaml.safe_dump(_metadata(folder), sort_keys=False).strip(),
            _FENCE,
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
                for view in stored
            ),
            "```",
            *sections(folder, stored),
            "",
        ]
    )


def _loads(name: Path | str, views: Sequence[str]) -> list[str]:
    """The lines that load the views."""
    return [f"load_dataset({load_arguments(name, view)})  # {VIEWS[view].about}" for view in views]


def _licence(folder: RunFolder, what: str) -> str:
    """A licence as the config names it."""
    return _licences(folder).get(what) or f"missing (set dataset.licenses.{what})"


def _licences(folder: RunFolder) -> Mapping[str, Any]:
    return folder.run.get("licenses") or {}


class CardError(FolderError):
    """A card cannot be read; the message is one line for the user."""


def renew_card(text: str, name: Path | str, state: str, views: Sequence[str]) -> str:
    """A card that its user may have edited, for these views and this state of the data.

    Only the list of views at the top and the lines that load them change; `name` is what they load: the
    run's folder, or a name on the Hub. Raises CardError if the top is not YAML.
    """
    head, body = split_card(text)
    head["configs"] = [view_metadata(view, state, default=view == views[0]) for view in views]
    if "traces" in views:
        for one in head["configs"]:
            one["default"] = one["config_name"] == "traces"
    lines = body.splitlines()
    places = [number for number, line in enumerate(lines) if _LOADS.match(line)]
    if places:
        kept = [line for number, line in enumerate(lines) if number not in places]
        lines = [*kept[: places[0]], *_loads(name, views), *kept[places[0] :]]
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip()
    return "\n".join([_FENCE, front, _FENCE, *lines, ""])


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """The YAML at the top of a card, and its text. Raises CardError."""
    parts = text.split(f"{_FENCE}\n", 2)
    try:
        head = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        head = None
    if not isinstance(head, dict):
        raise CardError(
            "README.md: expected YAML between two lines of --- at its top; correct it, or delete it"
        )
    return head, parts[2]


def render_view_card(
    path: Path,
    views: Mapping[str, str],
    state: str,
    facts: Mapping[str, object],
    trust: Sequence[str] = (),
) -> str:
    """The card for a folder with exported views, of which the first is the default.

    `views` says what each has rows of; `state` must change with the data, and `trust` is the trust
    report of the run.
    """
    first, about = next(iter(views.items()))
    return "\n".join(
        [
            "---",
            yaml.safe_dump(
                {
                    "license": "unknown",
                    "tags": ["berry", "reasoning"],
                    "configs": [view_metadata(view, state, default=view == first) for view in views],
                },
                sort_keys=False,
            ).strip(),
            "---",
            f"# {about[0].upper()}{about[1:]}",
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
            *(
                f'load_dataset("{path}", split="train")'
                if is_local(path) and len(views) == 1
                else f'load_dataset({load_arguments(path, view)}, split="train")'
                for view in views
            ),
            "```",
            *(("", *trust) if trust else ()),
            "",
        ]
    )


def _metadata(folder: RunFolder) -> dict[str, Any]:
    return {
        "license": _licences(folder).get("dataset") or "unknown",
        "tags": ["berry", "reasoning"],
        "configs": [
            view_metadata(view, folder.state_digest(), default=view == "traces")
            for view in sorted(stored_in(folder))
        ],
    }


def view_metadata(view: str, state: str, *, default: bool) -> dict[str, object]:
    """A view's entry in the list of views at the top of a card."""
    return {
        "config_name": view,
        "default": default,
        "data_files": f"data/{view}/part-*.parquet",
        # `datasets` caches a local folder by its name and this section. Without text that changes
        # with the data, it would load an earlier state or another run.
        "description": f"state {state}",
    }


def load_arguments(path: Path | str, view: str) -> str:
    """Arguments of `load_dataset` for a view of a run, or of a dataset of the Hub by its name.

    `load_dataset` reads no cards in stores.
    """
    if isinstance(path, str) or is_local(path):
        return f'"{path}", "{view}"'
    return f'"parquet", data_files="{path}/data/{view}/part-*.parquet"'


def stored_in(folder: RunFolder) -> list[str]:
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
