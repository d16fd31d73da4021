"""Evaluates a run.

1. read the committed trees, except those of problems that a given model was trained on
2. score them with the given models, or use the run's stored scores
3. take each problem's samples: the whole rollouts of fixed number in the run's strategy, with equal
   answers grouped as in the run's own votes
4. compute accuracy as a function of N, and the quality of the scores as probabilities
5. write metrics.jsonl and the plots
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import read_rules
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.dispatch.scoring import ModelScorer, read_reward_model
from pipeline.evaluation.curves import accuracy_curves, sizes
from pipeline.evaluation.design import Design, design_of
from pipeline.evaluation.errors import EvaluationError
from pipeline.evaluation.outputs import STEPS, Figures, write_figures
from pipeline.evaluation.samples import Against, Samples, StepScores, score_tree, take_samples
from pipeline.evaluation.trained import read_trained
from pipeline.files.publishing import REPEAT, explained
from pipeline.labels.majority import Majority
from pipeline.labels.outcomes import has_gold
from pipeline.labels.step_labels import LabelConfig
from pipeline.records import Trace
from reward_models.aggregate import Aggregate
from reward_models.errors import RewardModelError
from reward_models.evaluation.first_errors import THRESHOLD, find_first_errors, threshold_curve
from reward_models.evaluation.quality import Quality, measure
from verifiers.plugins import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Settings of an evaluation."""

    methods: Sequence[str]
    prm: Part | None
    """Model to score with; None uses the run's own scores."""
    orm: Part | None
    ns: Sequence[int] | None
    """Sample counts; None for powers of two up to the number of samples."""
    seed: int
    aggregate: Aggregate
    against: Against | None = None
    """None for the label that the model was trained on, if known, else `right`."""
    threshold: float = THRESHOLD


@dataclass(slots=True)
class Evaluation:
    """Result of an evaluation."""

    figures: Figures
    files: Sequence[Path]
    left_out: Counter[str]
    """Reason -> number of excluded problems or samples."""
    warnings: Sequence[str]


@dataclass(slots=True)
class _Found:
    """Data read from the run."""

    steps: StepScores
    samples: list[Samples] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: set[str] = field(default_factory=set)


def evaluate(
    out: Path, output: Path, asked: Asked, advance: Callable[[], None] = lambda: None
) -> Evaluation:
    """Evaluates the run in `out` and writes to the folder `output`; calls `advance` for each problem.

    Raises EvaluationError, and FolderError for an unusable folder.
    """
    folder = RunFolder.read(out)
    RunReader(folder).require_parts()
    design = design_of(folder)
    try:
        found = asyncio.run(_read(folder, design, asked, advance))
    except RewardModelError as e:
        raise EvaluationError(str(e)) from e
    figures = _work_out(out, found, asked)
    with explained(output, cure=REPEAT):
        files = write_figures(figures, output)
    return Evaluation(
        figures=figures, files=files, left_out=found.left_out, warnings=sorted(found.warnings)
    )


async def _read(folder: RunFolder, design: Design, asked: Asked, advance: Callable[[], None]) -> _Found:
    known = _train_problems(asked)
    labels = read_rules(folder.run["config"]).labels
    found = _Found(steps=StepScores(asked.against or _learnt(asked.prm) or "p_correct"))
    async with AsyncExitStack() as closing:
        majority = Majority(labels.majority)
        closing.push_async_callback(majority.close)
        prm, orm = [await _scorer(part, closing) for part in (asked.prm, asked.orm)]
        for trace in RunReader(folder).traces():
            advance()
            if trace.problem.id in known:
                found.left_out["problems that a model was trained on"] += 1
            elif not has_gold(trace):
                found.left_out["problems without a gold answer"] += 1
            elif (leaves := design.samples(trace.tree)) is None:
                found.left_out[
                    f"problems without all {design.num_samples} whole rollouts (a budget ended the "
                    "search, or the engine rejected the problem)"
                ] += 1
            else:
                found.warnings.update(await score_tree(trace, prm, orm))
                samples = await take_samples(trace, leaves, majority.consensus, asked.aggregate)
                _take(trace, samples, found, labels, asked)
    return found


def _take(trace: Trace, samples: Samples, found: _Found, labels: LabelConfig, asked: Asked) -> None:
    if samples.num_unknown:
        found.left_out["samples with an unknown outcome"] += samples.num_unknown
    if samples.known:
        found.samples.append(samples)
    else:
        found.left_out["problems without a sample of known outcome"] += 1
    if "prm" in asked.methods:
        found.steps.add(trace.problem.id, trace.tree, labels)


def _learnt(part: Part | None) -> Against | None:
    """The label that the model was trained on, from its folder; None if unknown."""
    trained = read_trained(part)
    return None if trained is None or trained.labels == "outcome" else trained.labels


def _train_problems(asked: Asked) -> set[str]:
    """Ids of the problems that a given model has seen. Raises RewardModelError for a broken folder."""
    trained = map(read_trained, (asked.prm, asked.orm))
    return {problem for one in trained if one is not None for problem in one.train_problems}


async def _scorer(part: Part | None, closing: AsyncExitStack) -> ModelScorer | None:
    if part is None:
        return None
    scorer = ModelScorer([part.build()], outcomes=read_reward_model(part).scores_outcomes)
    closing.push_async_callback(scorer.close)
    await scorer.start()
    return scorer


def _work_out(out: Path, found: _Found, asked: Asked) -> Figures:
    if not found.samples:
        why = ", ".join(f"{number} {what}" for what, number in found.left_out.items())
        raise EvaluationError(
            f"{out}: expected problems to evaluate, got none ({why or 'no problems'})"
        )
    for model in ("orm", "prm"):
        if model in asked.methods and not any(_scores(found, model)):
            raise EvaluationError(_unscored(out, found, model, getattr(asked, model)))
    ns = list(asked.ns) if asked.ns is not None else sizes(found.samples)
    enough = [one for one in found.samples if len(one.known) >= max(ns)]
    if not enough:
        most = max(len(one.known) for one in found.samples)
        raise EvaluationError(
            f"--n {max(ns)}: expected at most {most}, the number of samples per problem"
        )
    if len(enough) < len(found.samples):
        found.left_out[f"problems with under {max(ns)} samples"] += len(found.samples) - len(enough)
    return _figures(found, asked, ns)


def _figures(found: _Found, asked: Asked, ns: Sequence[int]) -> Figures:
    has_steps = "prm" in asked.methods
    if has_steps and found.steps.num_unknown:
        found.left_out["scored responses whose first wrong step is unknown"] = found.steps.num_unknown
    responses = found.steps.responses
    return Figures(
        points=accuracy_curves(found.samples, asked.methods, ns, asked.seed),
        qualities=_qualities(found, asked),
        first_errors=find_first_errors(responses, asked.threshold, asked.seed) if has_steps else None,
        curve=threshold_curve(responses) if has_steps else (),
        against=found.steps.against if has_steps else None,
    )


def _qualities(found: _Found, asked: Asked) -> dict[str, Quality]:
    qualities = {}
    for model in ("orm", "prm"):
        if model in asked.methods:
            scores, right, problems = zip(*_scores(found, model), strict=True)
            qualities[f"{model} responses"] = measure(scores, right, problems=problems, seed=asked.seed)
    if "prm" in asked.methods:
        steps = found.steps
        qualities[STEPS] = measure(
            steps.scores, steps.targets, problems=steps.problems, seed=asked.seed
        )
    return qualities


def _scores(found: _Found, model: str) -> list[tuple[float, bool, str]]:
    """Score, outcome and problem of every scored sample."""
    return [
        (score, sample.right, one.problem_id)
        for one in found.samples
        for sample in one.known
        if (score := sample.orm if model == "orm" else sample.prm) is not None
    ]


def _unscored(out: Path, found: _Found, model: str, part: Part | None) -> str:
    """A message about why there are no scores."""
    if part is None:
        return (
            f"--with {model}: expected scores of responses, but {out} has none; name a model with "
            f"--{model} FOLDER"
        )
    if read_reward_model(part).needs_logprobs:
        return f"--{model} {part.use}: expected a run with log-probabilities, but {out} has none"
    because = f" ({sorted(found.warnings)[0]})" if found.warnings else ""
    return f"--{model} {part.use}: expected scores of responses, got none{because}"
