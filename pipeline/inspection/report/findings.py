"""What speaks against training on a run's data as it is, most serious first."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.chat import MessageMatch
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.inspection.report.intervals import Rate
from pipeline.inspection.report.trust import Hygiene, MistakeRate, Trust
from pipeline.inspection.report.wording import plural
from pipeline.inspection.shortfall import name_reasons
from pipeline.records import Status

_FLAWED, _FALSE, _ERRORS, _ABSTAINED, _TRUNCATED, _FALSE_PRUNE = 0.05, 0.01, 0.01, 0.2, 0.1, 0.1
"""Fractions above which a figure is a warning. They are chosen, not measured."""


class Level(StrEnum):
    """How serious a finding is."""

    STOP = "stop"
    """There is nothing to train on, or part of it cannot be read."""
    WARNING = "warning"
    """Look at it before training."""
    NOTE = "note"
    """Good to know, or not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know before training."""

    level: Level
    text: str
    command: str = ""
    """The command that mends or measures it, with words in capitals to be replaced; empty if none."""
    advice: str = ""
    """What the command does, or what else to do; empty if nothing."""


def find_concerns(folder: RunFolder, trust: Trust, damage: list[str]) -> list[Finding]:
    """All findings, the most serious first."""
    out = shlex.quote(str(folder.path))
    found = [
        *_state(folder, damage),
        *_quality(folder.counts, out),
        *_trust(trust, out),
        *_losses(folder.counts),
        *_intake(folder),
    ]
    order = list(Level)
    return sorted(found, key=lambda one: order.index(one.level))


def verdict(findings: Sequence[Finding]) -> tuple[Level, str]:
    """The worst finding's level, and whether to train on the data in a line."""
    levels = [one.level for one in findings]
    if Level.STOP in levels:
        return Level.STOP, "Do not train on this yet"
    if number := levels.count(Level.WARNING):
        return Level.WARNING, f"Look at {plural(number, 'warning')} before you train on this"
    return Level.NOTE, "Nothing was found that speaks against training on this"


def _state(folder: RunFolder, damage: list[str]) -> Iterator[Finding]:
    counts, path = folder.counts, folder.path
    if damage:
        yield Finding(
            level=Level.STOP,
            text=f"{len(damage)} missing or damaged files: {damage[0]}",
            command=f"berry check {shlex.quote(str(path))} --repair",
        )
    if not folder.parts:
        yield Finding(
            level=Level.STOP,
            text="Nothing is committed yet.",
            advice="Repeat the `berry run` command, or wait if it still runs.",
        )
    elif not counts.kept:
        yield Finding(
            level=Level.STOP,
            text="There is no survivor: nothing to train on.",
            advice="The funnel shows where the rollouts were lost.",
        )
    if folder.complete is None and folder.parts and "cleaned" not in folder.run:
        yield Finding(
            level=Level.WARNING,
            text="The run is unfinished: the figures are of the problems committed so far.",
            advice="Repeat the `berry run` command, or wait if it still runs.",
        )


def _quality(counts: Counts, out: str) -> Iterator[Finding]:
    flawed = counts.flawed_fraction
    if flawed is not None and flawed > _FLAWED:
        yield Finding(
            level=Level.WARNING,
            text=f"{flawed:.1%} of the survivors are expected to have a wrong step.",
            command=f"berry export {out} --as traces --output FOLDER prune.min_p_correct=0.9",
            advice="leaves out the doubtful ones.",
        )
    if flawed is None and counts.kept:
        yield Finding(
            level=Level.NOTE,
            text="How many survivors have a wrong step is unknown.",
            advice="A strategy that branches from the middle of answers measures it (docs/search.md).",
        )
    advice = "Train on prompt_token_ids and response_token_ids, not on messages."
    if other := counts.messages[MessageMatch.OTHER_TEXT]:
        yield Finding(
            level=Level.WARNING,
            text=f"The chat template changes the text of {other} survivors.",
            advice=advice,
        )
    if other := counts.messages[MessageMatch.OTHER_TOKENS]:
        yield Finding(
            level=Level.NOTE,
            text=f"The chat template gives {other} survivors the same text in other tokens.",
            advice=f"If that matters: {advice[0].lower()}{advice[1:]}",
        )
    if votes := counts.votes["pass"] + counts.votes["fail"]:
        yield Finding(
            level=Level.WARNING,
            text=f"{votes} verdicts are majority votes: their problems have no gold answer.",
        )
    if counts.explored_trials:
        rate = Rate.of(counts.explored_passes, counts.explored_trials)
        if (rate.high or 0.0) > _FALSE_PRUNE:
            yield Finding(
                level=Level.WARNING,
                text=f"Up to {rate.high:.1%} of the pruned rollouts would have been right.",
                advice="Lower branch_pruning.min_score.",
            )


def _trust(trust: Trust, out: str) -> Iterator[Finding]:
    if trust.audit is None:
        yield Finding(
            level=Level.NOTE,
            text="How often the verifier is wrong was not measured.",
            command=f"berry audit-verifier {out}",
            advice="measures it.",
        )
    else:
        yield from _mistakes(trust.audit.false_passes, "wrong answers passed")
        yield from _mistakes(trust.audit.false_fails, "right answers failed")
    if trust.people.false_passes:
        yield Finding(
            level=Level.WARNING,
            text=f"People call {trust.people.false_passes} of "
            f"{trust.people.agree + trust.people.differ} responses wrong that the verifier passed.",
            command=f"berry ui {out}",
            advice="shows them.",
        )
    yield from _hygiene(trust.hygiene, out)
    for names, what in (
        (trust.outdated, "of an earlier state of the data"),
        (trust.damaged, "damaged"),
    ):
        if names:
            yield Finding(
                level=Level.NOTE,
                text=f"Measurements that are {what}: {', '.join(names)}.",
                advice="Measure again (docs/trust.md).",
            )


def _hygiene(found: Hygiene | None, out: str) -> Iterator[Finding]:
    clean = f"berry clean {out} --output FOLDER"
    look = f"{clean} --against FILE --record"
    looks = "looks for both; FILE has the questions of a test set."
    if found is None:
        yield Finding(
            level=Level.WARNING,
            text="Not checked: whether questions of test sets are among the problems, and whether "
            "problems or responses nearly repeat each other.",
            command=look,
            advice=looks,
        )
        return
    if found.contaminated is None:
        yield Finding(
            level=Level.WARNING,
            text="Not checked: whether questions of test sets are among the problems.",
            command=look,
            advice=looks,
        )
    elif found.contaminated and not found.dropped:
        yield Finding(
            level=Level.WARNING,
            text=f"{found.contaminated} problems are questions of {', '.join(found.test_sets)}.",
            command=f"{clean} --against FILE",
            advice="writes a run without them.",
        )
    if found.duplicate_problems is None:
        yield Finding(
            level=Level.WARNING,
            text="Not checked: whether problems or responses nearly repeat each other.",
            command=look,
            advice=looks,
        )
    elif found.duplicate_problems + (found.repeated_responses or 0) and not found.dropped:
        yield Finding(
            level=Level.WARNING,
            text=f"{found.duplicate_problems} problems and {found.repeated_responses} responses repeat "
            "an earlier one.",
            command=clean,
            advice="writes a run without them.",
        )


def _mistakes(rate: MistakeRate, what: str) -> Iterator[Finding]:
    if rate.rate is not None and rate.rate > _FALSE:
        yield Finding(
            level=Level.WARNING,
            text=f"{rate.rate:.1%} of {rate.judged} {what}, in an audit of the verifier.",
            advice="The audit's examples name the rule to change (docs/trust.md).",
        )


def _losses(counts: Counts) -> Iterator[Finding]:
    verdicts = counts.verdicts.total()
    for key, kind, most, what in (
        ("error", "error", _ERRORS, "are errors of the verifier"),
        ("abstain", "abstain", _ABSTAINED, "are abstentions"),
    ):
        if verdicts and counts.verdicts[key] > most * verdicts:
            reasons = name_reasons(counts, kind) if counts.most_common(kind) else ""
            yield Finding(
                level=Level.WARNING,
                text=f"{counts.verdicts[key] / verdicts:.1%} of the verdicts {what}.",
                advice=f"Most common: {reasons}" if reasons else "",
            )
    if counts.statuses[Status.TRUNCATED] > _TRUNCATED * counts.rollouts:
        fraction = counts.statuses[Status.TRUNCATED] / counts.rollouts
        yield Finding(
            level=Level.WARNING,
            text=f"{fraction:.1%} of the rollouts reached the token limit: long answers are missing.",
            advice="Raise sampling.max_tokens.",
        )
    if counts.problems_failed:
        yield Finding(
            level=Level.WARNING,
            text=f"{counts.problems_failed} problems could not be fully explored.",
            advice=f"Most common: {name_reasons(counts, 'failed')}"
            if counts.most_common("failed")
            else "",
        )
    if unscored := counts.unscored + counts.unscored_outcomes:
        yield Finding(
            level=Level.NOTE,
            text=f"Reward models left {unscored} steps or responses unscored.",
            advice="The verifiers decided alone there.",
        )


def _intake(folder: RunFolder) -> Iterator[Finding]:
    facts = folder.complete or {}
    for key, what in (
        ("doubtful_golds", "gold answers look wrong (berry check names them)"),
        ("conflicts", "problems have the same text as an earlier one but another gold answer"),
        ("bad_rows", "rows of the problem set could not be read and were left out"),
    ):
        number = facts.get(key)
        # Runs of earlier versions did not count all of them.
        if isinstance(number, int) and number > 0:
            yield Finding(level=Level.WARNING, text=f"{number} {what}.")
    missing = [
        name for name in ("problems", "model") if not (folder.run.get("licenses") or {}).get(name)
    ]
    if missing:
        yield Finding(
            level=Level.NOTE,
            text=f"No licence is named for the {' or the '.join(missing)}.",
            advice="Set dataset.licenses.",
        )
