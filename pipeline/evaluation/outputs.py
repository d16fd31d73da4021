"""What an evaluation leaves behind: a table, metrics.jsonl and two plots."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from pipeline.evaluation.curves import Point
from reward_models.evaluation.bootstrap import Interval
from reward_models.evaluation.first_errors import FirstErrors
from reward_models.evaluation.quality import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that was measured."""

    points: Sequence[Point]
    qualities: Mapping[str, Quality]
    """What was scored by which model, such as `orm responses`, -> how well."""
    first_errors: FirstErrors | None
    """Of the process reward model."""
    curve: Sequence[FirstErrors] = ()
    """The same at other thresholds."""


def write_figures(figures: Figures, folder: Path) -> list[Path]:
    """The files: metrics.jsonl, and plots of what there is to draw. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = [{"figure": "accuracy", **asdict(one)} for one in figures.points]
    rows += [{"figure": "quality", "of": of, **asdict(q)} for of, q in figures.qualities.items()]
    if figures.first_errors is not None:
        rows.append({"figure": "first_errors", **asdict(figures.first_errors)})
    rows += [{"figure": "first_errors_curve", **asdict(one)} for one in figures.curve]
    metrics = folder / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    written = [metrics]
    if figures.points:
        written.append(_plot_accuracy(figures.points, folder / "accuracy.png"))
    if any(quality.reliability for quality in figures.qualities.values()):
        written.append(_plot_reliability(figures.qualities, folder / "reliability.png"))
    return written


def tables(figures: Figures) -> Group:
    """For the terminal."""
    parts: list[Table] = []
    if figures.points:
        parts.append(_accuracy_table(figures.points))
    if figures.qualities:
        steps = [of for of in figures.qualities if of.startswith("prm steps")]
        parts.append(quality_table(figures.qualities, dict.fromkeys(steps, figures.first_errors)))
    return Group(*parts)


def _accuracy_table(points: Sequence[Point]) -> Table:
    ns = sorted({point.n for point in points})
    table = Table("accuracy", *(f"N={n}" for n in ns), "problems", box=None, pad_edge=False)
    for method in dict.fromkeys(point.method for point in points):
        of_method = {point.n: point for point in points if point.method == method}
        cells = [_with_interval(of_method[n]) for n in ns]
        table.add_row(method, *cells, str(next(iter(of_method.values())).num_problems))
    return table


def _with_interval(point: Point) -> str:
    if point.accuracy is None:
        return "-"
    between = "" if point.interval is None else f" [{point.interval[0]:.1%}, {point.interval[1]:.1%}]"
    return f"{point.accuracy:.1%}{between}"


def quality_table(
    qualities: Mapping[str, Quality], first_errors: Mapping[str, FirstErrors | None]
) -> Table:
    """Rows by what was scored; `first_errors` has the same names, of those that have any."""
    names = (
        "scores",
        "number",
        "AUC",
        "within problems",
        "av. precision",
        "calibration error",
        "Brier",
    )
    table = Table(*names, "first errors F1", box=None, pad_edge=False)
    for of, quality in qualities.items():
        errors = first_errors.get(of)
        table.add_row(
            of,
            str(quality.number),
            between(quality.auc, quality.intervals.get("auc")),
            between(quality.auc_within, quality.intervals.get("auc_within")),
            between(quality.average_precision, None),
            between(quality.calibration_error, quality.intervals.get("calibration_error")),
            between(quality.brier, quality.intervals.get("brier")),
            "-" if errors is None else between(errors.f1, errors.intervals.get("f1")),
        )
    return table


def between(value: float | None, interval: Interval | None) -> str:
    """A figure and its interval, if they are known."""
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]")


def _plot_accuracy(points: Sequence[Point], path: Path) -> Path:
    figure, axes = _new_plot()
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
    axes.set_ylabel("share of problems answered right")
    return _save(figure, axes, path)


def _plot_reliability(qualities: Mapping[str, Quality], path: Path) -> Path:
    figure, axes = _new_plot()
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
    axes.set_xlabel("mean score in the bin (area of a dot: how much is in it)")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return _save(figure, axes, path)


def _new_plot() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, axes: Any, path: Path) -> Path:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    # Without the version in it, so that the same figures are the same bytes.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    return path
