"""Output of an evaluation on people's labels: a table, metrics.jsonl and a plot."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.evaluation.on_labels import Flawed, OnLabels
from pipeline.evaluation.outputs import new_plot, save_plot, with_interval


def label_rows(figures: Sequence[OnLabels]) -> list[dict[str, Any]]:
    """The figures as JSON, one row for each set of responses."""
    return [asdict(one) for one in figures]


def write_label_figures(figures: Sequence[OnLabels], folder: Path) -> list[Path]:
    """Writes metrics.jsonl and a plot over thresholds; returns the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = folder / "metrics.jsonl"
    lines = [json.dumps({"figure": "on_labels", **row}) + "\n" for row in label_rows(figures)]
    metrics.write_text("".join(lines), encoding="utf-8")
    return [metrics, _plot(figures[0], folder / "thresholds.png")]


def label_tables(figures: Sequence[OnLabels]) -> Table:
    """A table for the terminal, with a column for each set of responses."""
    sets = (escape(one.of) for one in figures)
    table = Table("first errors, 95%", *sets, box=None, pad_edge=False)
    for name, cell in _ROWS.items():
        table.add_row(name, *map(cell, figures))
    if any(one.flawed is not None for one in figures):
        for name, of_flawed in _FLAWED_ROWS.items():
            table.add_row(
                name, *("-" if one.flawed is None else of_flawed(one.flawed) for one in figures)
            )
    return table


def _fraction(name: str) -> Callable[[OnLabels], str]:
    def cell(one: OnLabels) -> str:
        errors = one.first_errors
        return with_interval(getattr(errors, name), errors.intervals.get(name))

    return cell


def _best(one: OnLabels) -> str:
    return "-" if one.best.f1 is None else f"{one.best.f1:.3f} at {one.best.threshold:g}"


_ROWS: Mapping[str, Callable[[OnLabels], str]] = {
    "wrong responses": lambda one: str(one.first_errors.num_wrong),
    "  first error found": _fraction("on_wrong"),
    "right responses": lambda one: str(one.first_errors.num_right),
    "  left alone": _fraction("on_right"),
    "F1": _fraction("f1"),
    "  by chance": lambda one: with_interval(one.by_chance),
    "  best of the curve": _best,
    "AUC of steps": lambda one: with_interval(one.steps.auc, one.steps.intervals.get("auc")),
}
_FLAWED_ROWS: Mapping[str, Callable[[Flawed], str]] = {
    "right final answers": lambda one: str(one.number),
    "  with a wrong step": lambda one: with_interval(one.share, one.interval),
    "  of those found": lambda one: with_interval(one.found),
    "  AUC of responses": lambda one: with_interval(one.auc),
}


def _plot(one: OnLabels, path: Path) -> Path:
    figure, axes = new_plot()
    thresholds = [point.threshold for point in one.curve]
    for name, label in (("on_wrong", "first errors found"), ("on_right", "left alone"), ("f1", "F1")):
        values = [getattr(point, name) for point in one.curve]
        if None not in values:
            axes.plot(thresholds, values, marker="o", markersize=3, label=label)
    axes.set_xlabel("threshold: a step with a lower score counts as wrong")
    axes.set_ylabel("fraction of responses")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return save_plot(figure, axes, path)
