"""Sections of the dataset card: trust, drops, verdicts, pass rates, sample rows, columns and limits."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.datasets.cleaned import cleaned_section
from pipeline.datasets.counts import PASS_RATES, Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.section import cell, trust_section
from pipeline.datasets.views.table import VIEWS
from pipeline.records import Stage

_SAMPLES = 3
_LONGEST = 600
_BAR = 30
"""Width of the longest bar of the histogram."""
_DROPPED = {
    Stage.PRUNED: "a reward model's score ended the rollout midway",
    Stage.TRUNCATED: "reached the token limit",
    Stage.UNFINISHED: "paused after a step, and the search went on elsewhere",
    Stage.ENGINE_ERROR: "the engine aborted it",
    Stage.NOT_JUDGED: "complete, without a verdict",
    Stage.FAILED: "the verifier judged the answer wrong",
    Stage.ABSTAINED: "the verifier could not decide",
    Stage.VERIFIER_ERROR: "the verifier failed or ran out of time",
    Stage.MAJORITY_ONLY: "only a majority vote accepted it",
    Stage.TOO_LONG: "more tokens than `prune.max_tokens`",
    Stage.NO_REASONING: "fewer words than `prune.quality.min_words`",
    Stage.LOOPS: "repeats passages in a row (`prune.quality.max_looped`)",
    Stage.MIXED_LANGUAGES: "letters of a script that the prompt does not use",
    Stage.NO_END: "ends in the middle of something (`prune.quality.finished`)",
    Stage.LOW_SCORE: "a score under `prune.min_score`",
    Stage.DOUBTFUL_PREFIX: "continues a prefix that is probably wrong",
    Stage.DOUBTFUL: "one of its steps is probably wrong",
    Stage.DUPLICATE: "the same text as a survivor of its problem",
    Stage.NEAR_DUPLICATE: "nearly the same text as a survivor of its problem",
    Stage.PROBLEM_FAILED: "the problem failed before pruning could decide",
    Stage.BEYOND_MAX: "its problem has `prune.max_per_problem` survivors",
    Stage.REPEATED: "`berry clean` found the same text in an earlier problem",
}
_LIMITS = """The verifier checked final answers (or programs, or proofs), not the reasoning. A survivor
can have a wrong step, and the first table says how many are expected to. Problems that the model never
solved have no survivor, so easy problems are over-represented. Texts were sampled from a language model
and may repeat what it was trained on."""


def sections(folder: RunFolder, views: Sequence[str]) -> Iterator[str]:
    """The lines of all sections. Raises FolderError and StorageError."""
    yield ""
    yield from trust_section(folder)
    yield from cleaned_section(folder)
    yield from _dropped(folder.counts)
    yield from _verdicts(folder.counts)
    yield from _pass_rates(folder.counts)
    if folder.complete is not None and folder.parts:
        yield from _samples(folder)
    yield from _columns(views)
    yield from ("", "## Limits", "", _LIMITS)


def _dropped(counts: Counts) -> Iterator[str]:
    yield from (
        "",
        "## What was dropped, and why",
        "",
        "| responses | rule | meaning |",
        "|---|---|---|",
    )
    yield f"| {counts.kept} | kept | the survivors |"
    for stage in Stage:
        if number := counts.dropped.get(stage, 0):
            yield f"| {number} | `{stage}` | {_DROPPED[stage]} |"


def _verdicts(counts: Counts) -> Iterator[str]:
    total = sum(counts.verdicts.values())
    yield from ("", "## Verdicts", "", "| verdict | responses | most common reasons |", "|---|---|---|")
    for outcome in ("pass", "fail", "abstain", "error"):
        number = counts.verdicts.get(outcome, 0)
        reasons = (f"{cell(text)} ({count})" for text, count in counts.most_common(outcome))
        fraction = f" ({number / total:.1%})" if total else ""
        yield f"| {outcome} | {number}{fraction} | {'; '.join(reasons)} |"
    if votes := sum(counts.votes.values()):
        yield f"| by a majority vote | {votes} | the problem has no gold answer |"


def _pass_rates(counts: Counts) -> Iterator[str]:
    """A histogram over problems with a gold answer."""
    most = max(counts.pass_rates.values(), default=0)
    if not most:
        return
    yield from ("", "## Pass rates of the problems", "", "```")
    for name in PASS_RATES:
        number = counts.pass_rates.get(name, 0)
        yield f"{name:>8}  {'#' * round(_BAR * number / most):<{_BAR}} {number}"
    yield "```"


def _samples(folder: RunFolder) -> Iterator[str]:
    """The first rows of `traces`."""
    columns = ["problem", "response", "extracted", "target_value"]
    rows = RunReader(folder).rows("traces", columns)
    found = [row for _, row in zip(range(_SAMPLES), rows, strict=False)]
    if not found:
        return
    yield from ("", "## Sample rows")
    for row in found:
        yield from ("", "```json", json.dumps(_shortened(row), ensure_ascii=False, indent=1), "```")


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: f"{value[:_LONGEST]}..." if isinstance(value, str) and len(value) > _LONGEST else value
        for key, value in row.items()
    }


def _columns(views: Sequence[str]) -> Iterator[str]:
    yield from ("", "## Columns")
    for view in views:
        yield from ("", "<details>", f"<summary><code>{view}</code>: {VIEWS[view].about}</summary>", "")
        yield from ("| column | type |", "|---|---|")
        for field in VIEWS[view].schema:
            yield f"| `{field.name}` | `{field.type}` |"
        yield from ("", "</details>")
