"""Output of an evaluation: a table, metrics.jsonl and two plots."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from pipeline.evaluation.curves import Point
from pipeline.evaluation.samples import Against
from reward_models.evaluation.bootstrap import Interval
from reward_models.evaluation.first_errors import FirstErrors
from reward_models.evaluation.quality import Quality

_WIDE = 160
STEPS = "prm steps"
"""Name of the process reward model's step scores."""
_QUALITIES = {
    "auc": "AUC",
    "auc_within": "AUC within problems",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
    "brier": "Brier",
}
"""Field of a Quality -> name of its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All results of an evaluation."""

    points: Sequence[Point]
    qualities: Mapping[str, Quality]
    """Model and what it scored, such as `orm responses` -> quality of the scores."""
    first_errors: FirstErrors | None
    """First errors found by the process reward model."""
    curve: Sequence[FirstErrors] = ()
    """The same at other thresholds."""
    against: Against | None = None
    """The label that its step scores are compared with."""


def figure_rows(figures: Figures) -> list[dict[str, Any]]:
    """The figures as JSON, as in metrics.jsonl."""
    rows: list[dict[str, Any]] = [{"figure": "accuracy", **asdict(one)} for one in figures.points]
    for of, quality in figures.qualities.items():
        against = {"against": figures.against} if of == STEPS else {}
        rows.append({"figure": "quality", "of": of, **against, **asdict(quality)})
    if figures.first_errors is not None:
        rows.append({"figure": "first_errors", **asdict(figures.first_errors)})
    rows += [{"figure": "first_errors_curve", **asdict(one)} for one in figures.curve]
    return rows


def write_figures(figures: Figures, folder: Path) -> list[Path]:
    """Writes metrics.jsonl and the plots that have data; returns the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = figure_rows(figures)
    metrics = folder / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    written = [metrics]
    if figures.points:
        written.append(_plot_accuracy(figures.points, folder / "accuracy.png"))
    if any(quality.reliability for quality in figures.qualities.values()):
        written.append(_plot_reliability(figures.qualities, folder / "reliability.png"))
    return written


def console() -> Console:
    """Standard output; wide enough for every column if it is not a terminal."""
    made = Console()
    return made if made.is_terminal else Console(width=_WIDE)


def tables(figures: Figures) -> Group:
    """The tables for the terminal."""
    parts: list[Table] = []
    if figures.points:
        parts.append(_accuracy_table(figures.points))
    if figures.qualities:
        parts.append(_quality_table(figures))
    return Group(*parts)


def _accuracy_table(points: Sequence[Point]) -> Table:
    ns = sorted({point.n for point in points})
    table = Table("accuracy, 95%", *(f"N={n}" for n in ns), "problems", box=None, pad_edge=False)
    for method in dict.fromkeys(point.method for point in points):
        of_method = {point.n: point for point in points if point.method == method}
        cells = [_accuracy(of_method[n]) for n in ns]
        table.add_row(method, *cells, str(next(iter(of_method.values())).num_problems))
    return table


def _accuracy(point: Point) -> str:
    if point.accuracy is None:
        return "-"
    low, high = point.interval or (None, None)
    between = "" if low is None or high is None else f" {100 * low:.0f}-{100 * high:.0f}"
    return f"{point.accuracy:.1%}{between}"


def _quality_table(figures: Figures) -> Table:
    of_steps = f"{STEPS} ({figures.against})"
    names = [of_steps if of == STEPS else of for of in figures.qualities]
    table = Table("scores, 95%", *names, box=None, pad_edge=False)
    qualities = figures.qualities.values()
    table.add_row("number", *(str(one.number) for one in qualities))
    for name, row in _QUALITIES.items():
        cells = (with_interval(getattr(one, name), one.intervals.get(name)) for one in qualities)
        table.add_row(row, *cells)
    if (errors := figures.first_errors) is not None:
        f1 = with_interval(errors.f1, errors.intervals.get("f1"))
        table.add_row("first errors F1", *(f1 if of == STEPS else "-" for of in figures.qualities))
    return table


def with_interval(value: float | None, interval: Interval | None = None) -> str:
    """A figure and its interval as text; `-` if unknown."""
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if interval is None else f" {interval[0]:.2f}-{interval[1]:.2f}")


def _plot_accuracy(points: Sequence[Point], path: Path) -> Path:
    figure, axes = new_plot()
    known = [point for point in points if point.accuracy is not None]
    for method in dict.fromkeys(point.method for point in known):
        of_method = [point for point in known if point.method == method]
        ns = [point.n for point in of_method]
        axes.plot(ns, [p.accuracy for p in of_method], marker="o", markersize=4, label=method)
        low, high = zip(*((p.interval or (p.accuracy, p.accuracy)) for p in of_method), strict=True)
        axes.fill_between(ns, low, high, alpha=0.12)
    ns = sorted({point.n for point in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ns, [str(n) for n in ns])
    axes.set_xlabel("samples of each problem (N)")
    axes.set_ylabel("fraction of problems answered right")
    return save_plot(figure, axes, path)


def _plot_reliability(qualities: Mapping[str, Quality], path: Path) -> Path:
    figure, axes = new_plot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="calibrated")
    for of, quality in qualities.items():
        bins = quality.reliability
        sizes = [12 + 150 * one.weight / sum(b.weight for b in bins) for one in bins]
        (line,) = axes.plot(
            [one.mean_score for one in bins], [one.share_right for one in bins], linewidth=1, label=of
        )
        axes.scatter(
            [one.mean_score for one in bins],
            [one.share_right for one in bins],
            s=sizes,
            color=line.get_color(),
        )
    axes.set_xlabel("mean score in the bin (the area of a dot shows the bin's weight)")
    axes.set_ylabel("fraction that is right")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return save_plot(figure, axes, path)


def new_plot() -> tuple[Any, Any]:
    """A new matplotlib figure and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    return figure, figure.subplots()


def save_plot(figure: Any, axes: Any, path: Path) -> Path:
    """Writes the figure; the same figure gives the same bytes. Raises OSError."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    # The default metadata contains the version.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    return path
