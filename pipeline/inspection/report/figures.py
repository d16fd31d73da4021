"""The numbers of a run's report, in the order in which a reader needs them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.config import read_labels
from pipeline.datasets.counts import PASS_RATES
from pipeline.datasets.damage import find_damage
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import read_lines
from pipeline.datasets.reader import RunReader
from pipeline.evaluation.design import Design, design_of
from pipeline.evaluation.errors import EvaluationError
from pipeline.files.publishing import FolderError, explained
from pipeline.inspection.cluster_state import ClusterState
from pipeline.inspection.facts import count_facts
from pipeline.inspection.funnel import funnel
from pipeline.inspection.report.choice import Choice
from pipeline.inspection.report.findings import Finding, find_concerns
from pipeline.inspection.report.intervals import Rate
from pipeline.inspection.report.reasons import Reason, explain_reasons
from pipeline.inspection.report.samples import Sample, read_samples
from pipeline.inspection.report.timeline import Timeline, read_timeline
from pipeline.inspection.report.trees.coverage import Coverage, coverage
from pipeline.inspection.report.trees.depths import DepthFigures, depth_figures
from pipeline.inspection.report.trees.flat_trees import FlatTrees
from pipeline.inspection.report.trees.lengths import Histogram, Lengths, describe_lengths, histogram
from pipeline.inspection.report.trees.scores import Reliability, reliability
from pipeline.inspection.report.trees.tally import CERTAINTIES, FATES, TreeTally
from pipeline.inspection.report.trust import Trust, read_measurements
from pipeline.labels.calibration import Calibration, read_calibration
from pipeline.labels.step_labels import LabelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Problems of one range of pass rates, and what was spent on them."""

    pass_rate: str
    problems: int
    rollouts: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFigures:
    """What follows from the trees of the committed parts."""

    problems_with_pass: int
    """Problems with a response that passed."""
    coverage: list[Coverage]
    no_coverage: str | None
    """Why there is no pass@k; None if there is."""
    left_out: dict[str, int]
    """Problems that pass@k leaves out: `without_gold`, `incomplete` (samples are missing) and `unknown`
    (too few of the samples have a known outcome)."""
    depths: list[DepthFigures]
    effort: list[Effort]
    tokens: list[Lengths]
    token_histogram: Histogram | None
    steps: list[Lengths]
    certainty: list[int]
    """Survivors by the probability that all their steps are right, in ranges of a tenth."""
    step_scores: Reliability | None
    """A process reward model's scores, against rollouts that start at the scored steps."""
    final_scores: Reliability | None
    """A process reward model's scores of whole responses, against their outcomes."""
    response_scores: Reliability | None
    """An outcome reward model's scores, against outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All numbers of a report."""

    path: str
    state: str
    """`complete` or `unfinished`."""
    created: str | None
    total: int | None
    """Problems of the set; None if unknown."""
    findings: list[Finding]
    damage: list[str]
    """Files of the run that are missing or damaged, and left out of these figures."""
    counts: dict[str, Any]
    """As `committed` of `berry status --json`."""
    reasons: list[Reason]
    """What the reasons of the funnel mean."""
    false_prunes: Rate
    """Rollouts that went on as a check and were right, of those that would have been pruned."""
    trust: Trust
    calibration: Calibration | None
    trees: TreeFigures
    timeline: Timeline
    final: dict[str, Any] | None
    cluster: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, Any]
    """Package -> its version, or None without it."""
    cleaned: list[dict[str, Any]]
    """What `berry clean` dropped, a step for each cleaning; empty for other runs."""
    samples: list[Sample]

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values, with the samples' ids in the place of their trees."""
        chosen = [{"kind": one.kind, "problem_id": one.problem_id} for one in self.samples]
        return {**asdict(self), "samples": chosen}


def report_figures(folder: RunFolder, advance: Callable[[], None] = lambda: None) -> Figures:
    """Reads a run; calls `advance` after each part. A part that cannot be read is left out and named in
    the findings.

    Raises FolderError, StorageError, and ConfigError if the run's rules cannot be read.
    """
    reader, counts = RunReader(folder), folder.counts
    labels = read_labels(folder.run["config"])
    design, no_design = _design(folder)
    tally = TreeTally(design=design, truncated_fails=labels.truncated_fails)
    choice, damage = Choice(), find_damage(folder)
    for part in reader.parts:
        try:
            trees = FlatTrees.read(reader, part)
        except FolderError as e:
            damage.append(str(e))
        else:
            tally.add(trees)
            choice.add(part, trees)
        advance()
    samples = read_samples(reader, choice, labels, damage)
    damage = list(dict.fromkeys(damage))
    trust, last = read_measurements(folder), folder.last_metrics()
    with explained(folder.path):
        timeline = read_timeline(read_lines(folder.path, "metrics"))
    return Figures(
        path=str(folder.path),
        state="unfinished" if folder.complete is None else "complete",
        created=folder.run.get("created"),
        total=None if last is None else last.total,
        findings=find_concerns(folder, trust, damage),
        damage=damage,
        counts=count_facts(counts),
        reasons=explain_reasons(funnel(counts)),
        false_prunes=Rate.of(counts.explored_passes, counts.explored_trials),
        trust=trust,
        calibration=read_calibration(counts.calibration),
        trees=_tree_figures(tally, labels, folder.run.get("seed") or 0, no_design),
        timeline=timeline,
        final=None if folder.complete is None else dict(folder.complete),
        cluster=ClusterState.read(folder.path).to_json(),
        config=folder.run["config"],
        versions=folder.run.get("versions") or {},
        cleaned=folder.run.get("cleaned") or [],
        samples=samples,
    )


def _design(folder: RunFolder) -> tuple[Design | None, str | None]:
    """The samples for pass@k, or why there are none."""
    try:
        return design_of(folder), None
    except EvaluationError as e:
        return None, str(e)
    except KeyError:
        return None, f"{folder.path}: has a config of another version of berry"


def _tree_figures(
    tally: TreeTally, labels: LabelConfig, seed: int, no_design: str | None
) -> TreeFigures:
    curve = coverage(tally.samples, seed)
    if no_design is None and not curve:
        no_design = "no problem has a gold answer and all its samples"
    return TreeFigures(
        problems_with_pass=tally.with_pass,
        coverage=curve,
        no_coverage=no_design,
        left_out={
            "without_gold": tally.without_gold,
            "incomplete": tally.incomplete,
            "unknown": tally.samples.total() - (curve[0].problems if curve else 0),
        },
        depths=depth_figures(tally.depths, tally.labels, labels.interval),
        effort=[
            Effort(
                pass_rate=name,
                problems=tally.effort[name]["problems"],
                rollouts=tally.effort[name]["rollouts"],
                kept=tally.effort[name]["kept"],
            )
            for name in PASS_RATES
            if name in tally.effort
        ],
        tokens=describe_lengths({fate: tally.tokens.get(fate, {}) for fate in FATES}),
        token_histogram=histogram({fate: tally.tokens.get(fate, {}) for fate in FATES}),
        steps=describe_lengths({fate: tally.steps.get(fate, {}) for fate in FATES}),
        certainty=[tally.certainty[place] for place in range(CERTAINTIES)] if tally.certainty else [],
        step_scores=reliability(tally.step_scores),
        final_scores=reliability(tally.final_scores),
        response_scores=reliability(tally.response_scores),
    )
