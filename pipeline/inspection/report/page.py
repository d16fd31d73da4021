"""The report as one HTML file that needs no network and runs no script.

All text of models, problems, verifiers and errors is data to the templates, which escape it; a content
security policy in the file forbids scripts and requests besides. Whatever the run, the file has at most
MOST_BYTES.
"""

import logging
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.datasets.cleaned import dropped_lines
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.versions import version
from pipeline.errors import named
from pipeline.files.publishing import REPEAT, explained, publish
from pipeline.inspection.report import charts, wording
from pipeline.inspection.report.choice import NUM_SAMPLES
from pipeline.inspection.report.drawing import describe_lost, draw
from pipeline.inspection.report.figures import Figures, report_figures
from pipeline.inspection.report.findings import verdict
from pipeline.inspection.report.samples import Sample

_log = logging.getLogger(__name__)

NAME = "report.html"
"""The file's name in a run folder."""
MOST_BYTES = 3_000_000
_MOST_CONFIG = 60_000
"""Most characters of the config that are shown."""
_MOST_ENGINES = 32
"""Engines in the table; of more, the slowest."""

_MOST_QUEUES = 12
"""Queues in the table; a file that was edited by hand may name any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A report that was written."""

    path: Path
    num_bytes: int
    figures: Figures


def write_report(
    folder: RunFolder, output: Path | None = None, advance: Callable[[], None] = lambda: None
) -> Written:
    """Writes the report of a run to `output`, by default into its folder.

    Raises FolderError, StorageError, and ConfigError if the run's rules cannot be read.
    """
    figures = report_figures(folder, advance)
    content = render(figures)
    path = folder.path / NAME if output is None else output
    with explained(path, cure=REPEAT):
        publish(path, content, durable=False)
    return Written(path=path, num_bytes=len(content), figures=figures)


def report_or_warn(folder: RunFolder, warn: Callable[[str], None]) -> None:
    """Writes the report of a run that is complete; an error becomes a line for `warn` and a log entry,
    since the run's data is there without it."""
    try:
        write_report(folder)
    except Exception as e:  # noqa: BLE001 - a report must not make a run fail
        _log.exception("the report cannot be written")
        warn(f"warning: the report cannot be written ({named(e)}); the run is complete without it")


def render(figures: Figures) -> bytes:
    """The page. Samples are left out from the end if it would be too large."""
    for number in (NUM_SAMPLES, 12, 8, 4, 2, 1, 0):
        # Text from JSON may hold halves of surrogate pairs, which UTF-8 cannot write.
        text: str = _template().render(_context(figures, figures.samples[:number]))
        page = text.encode(errors="replace")
        if len(page) <= MOST_BYTES:
            return page
    raise AssertionError(f"a report without samples has at most {MOST_BYTES} bytes")


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("pipeline.inspection.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": wording.number,
        "dec": wording.decimal,
        "pct": wording.percent,
        "rate": wording.rate,
        "secs": wording.seconds,
        "moment": wording.moment,
    }
    environment.globals |= {
        "interval": wording.interval,
        "plural": wording.plural,
        "lost": describe_lost,
        "chart_width": charts.WIDTH,
        "chart_height": charts.HEIGHT,
    }
    return environment.get_template("report.html.jinja")


def _context(figures: Figures, samples: list[Sample]) -> dict[str, Any]:
    engines = sorted(figures.timeline.engines, key=lambda one: one.tokens_per_second or 0.0)
    return {
        "figures": figures,
        "out": shlex.quote(figures.path),
        "reasons_named": figures.reasons,
        "counts": figures.counts,
        "trees": figures.trees,
        "trust": figures.trust,
        "charts": draw(figures),
        "verdict": verdict(figures.findings),
        "samples": samples,
        "engines": engines[:_MOST_ENGINES],
        "num_engines": len(engines),
        "queue_names": sorted({name for one in figures.timeline.intervals for name in one.queues})[
            :_MOST_QUEUES
        ],
        "config": _config_text(figures),
        "cleaned": [line for step in figures.cleaned for line in dropped_lines(step["dropped"])],
        "version": version("berry-pipeline"),
    }


def _config_text(figures: Figures) -> str:
    text = yaml.safe_dump(figures.config, sort_keys=False, allow_unicode=True)
    if len(text) <= _MOST_CONFIG:
        return text
    return f"{text[:_MOST_CONFIG]}\n... ({len(text) - _MOST_CONFIG} more characters: see run.json)"
