"""What `berry vary` says: a table, and JSON values."""

import shlex
from dataclasses import asdict
from typing import Any

from pipeline.derive.varying.vary import PROBLEMS, Report


def describe(report: Report) -> str:
    """A line for each kind with the reasons of drops, and the next command if anything was kept."""
    lines = [
        f"{'originals':<11} {report.num_originals} problems of {report.run} with a verified solution, "
        f"{report.num_templates} with a template",
        "",
        f"{'kind':<11} {'made':>6} {'kept':>6} {'yield':>6}  dropped",
    ]
    for kind, made in report.candidates.items():
        kept = report.kept[kind]
        reasons = sorted(report.dropped[kind].items(), key=lambda one: (-one[1], one[0]))
        dropped = ", ".join(f"{number} {reason}" for reason, number in reasons) or "none"
        share = f"{kept / made:.0%}" if made else ""
        lines.append(f"{kind:<11} {made:>6} {kept:>6} {share:>6}  {dropped}")
    if not report.candidates:
        lines.append(
            "no candidates: no solution gave a template, and `kinds` has none that the model writes"
        )
    if not any(report.kept.values()):
        return "\n".join(lines)
    path = shlex.quote(f"{report.output}/{PROBLEMS}")
    lines += [
        "",
        "next:",
        f"  berry run CONFIG problems.path={path} problems.preset=plain problems.meta_fields=all",
    ]
    return "\n".join(lines)


def facts(report: Report) -> dict[str, Any]:
    """The same as JSON values; docs/json.md has the keys."""
    return asdict(report)
