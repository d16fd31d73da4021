"""Evaluates a run.

1. read the committed trees, all but those of problems that a given model was trained on
2. score them by the given models, or take the scores that the run has stored
3. take each problem's whole rollouts from its start as samples, equal answers put together
4. work out accuracy against N, and how good the scores are as chances
5. write metrics.jsonl and the plots
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import read_rules
from pipeline.datasets.damage import part_traces
from pipeline.datasets.files import explained
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.errors import UserMistake
from pipeline.evaluation.curves import accuracy_curves, sizes
from pipeline.evaluation.outputs import Figures, write_figures
from pipeline.evaluation.samples import Samples, StepScores, has_gold, score_tree, take_samples
from pipeline.labels import LabelConfig
from pipeline.records import Trace
from pipeline.scoring import ModelScorer
from reward_models.aggregate import Aggregate
from reward_models.errors import RewardModelError
from reward_models.evaluation.quality import Quality, find_first_errors, measure
from reward_models.trained import TrainedModel
from verifiers.consensus import Consensus
from verifiers.plugins import Part


class EvaluationError(UserMistake):
    """What was asked for cannot be worked out; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be evaluated, and how."""

    methods: Sequence[str]
    prm: Part | None
    """A model to score with; None takes the run's own scores."""
    orm: Part | None
    ns: Sequence[int] | None
    """None for powers of two as far as there are samples."""
    seed: int
    aggregate: Aggregate


@dataclass(slots=True)
class Evaluation:
    """What came of it."""

    figures: Figures
    files: Sequence[Path]
    left_out: Counter[str]
    """Why -> problems, or samples, that were left out."""
    warnings: Sequence[str]


@dataclass(slots=True)
class _Found:
    """What was read."""

    samples: list[Samples] = field(default_factory=list)
    steps: StepScores = field(default_factory=StepScores)
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: set[str] = field(default_factory=set)


def evaluate(
    out: Path, output: Path, asked: Asked, advance: Callable[[], None] = lambda: None
) -> Evaluation:
    """Evaluates the run in `out` into the folder `output`; `advance` is called for each problem.

    Raises EvaluationError, and FolderError for a folder that cannot be used.
    """
    folder = RunFolder.read(out)
    if not folder.parts:
        raise FolderError(f"{out}: expected a run with a committed part, found none yet")
    try:
        found = asyncio.run(_read(folder, asked, advance))
    except RewardModelError as e:
        raise EvaluationError(str(e)) from e
    figures = _work_out(out, found, asked)
    with explained(output):
        files = write_figures(figures, output)
    return Evaluation(
        figures=figures, files=files, left_out=found.left_out, warnings=sorted(found.warnings)
    )


async def _read(folder: RunFolder, asked: Asked, advance: Callable[[], None]) -> _Found:
    found = _Found()
    known = _train_problems(asked)
    labels = read_rules(folder.run["config"]).labels
    async with AsyncExitStack() as closing:
        consensus = Consensus(Consensus.Config())
        closing.push_async_callback(consensus.close)
        prm, orm = [await _scorer(part, closing) for part in (asked.prm, asked.orm)]
        for trace in _traces(folder):
            advance()
            if trace.problem.id in known:
                found.left_out["problems that a model was trained on"] += 1
            elif not has_gold(trace):
                found.left_out["problems that do not say what is right"] += 1
            else:
                found.warnings.update(await score_tree(trace, prm, orm))
                await _take(trace, found, consensus, labels, asked)
    return found


async def _take(
    trace: Trace, found: _Found, consensus: Consensus, labels: LabelConfig, asked: Asked
) -> None:
    samples = await take_samples(trace, consensus, asked.aggregate)
    if samples.num_unknown:
        found.left_out["samples whose verdict is an error, or that were ended mid-way"] += (
            samples.num_unknown
        )
    if samples.known:
        found.samples.append(samples)
    else:
        found.left_out["problems without a whole rollout from the start"] += 1
    if "prm" in asked.methods:
        found.steps.add(trace.tree, labels, asked.aggregate)


def _traces(folder: RunFolder) -> Iterator[Trace]:
    for index in sorted(folder.parts):
        yield from part_traces(folder, index)


def _train_problems(asked: Asked) -> set[str]:
    """Ids of problems that a given model has seen. Raises RewardModelError for a broken folder."""
    seen: set[str] = set()
    for part in (asked.prm, asked.orm):
        model = None if part is None else getattr(part.options, "model", None)
        if model is None:
            continue
        try:
            trained = TrainedModel.read(Path(model))
        except ValueError as e:
            raise RewardModelError(str(e)) from e
        seen.update(trained.train_problems if trained is not None else ())
    return seen


async def _scorer(part: Part | None, closing: AsyncExitStack) -> ModelScorer | None:
    if part is None:
        return None
    scorer = ModelScorer([part.build()], outcomes=getattr(part.cls, "scores_outcomes", False))
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
            raise EvaluationError(
                f"--with {model}: expected scores of responses, {out} has none; name a model by "
                f"--{model} FOLDER{_because(found)}"
            )
    ns = list(asked.ns) if asked.ns is not None else sizes(found.samples)
    enough = [one for one in found.samples if len(one.known) >= max(ns)]
    if not enough:
        most = max(len(one.known) for one in found.samples)
        raise EvaluationError(f"--n {max(ns)}: expected at most {most}, the samples that problems have")
    if len(enough) < len(found.samples):
        found.left_out[f"problems with under {max(ns)} samples"] += len(found.samples) - len(enough)
    return Figures(
        points=accuracy_curves(found.samples, asked.methods, ns, asked.seed),
        qualities=_qualities(found, asked),
        first_errors=find_first_errors(found.steps.responses) if "prm" in asked.methods else None,
    )


def _qualities(found: _Found, asked: Asked) -> dict[str, Quality]:
    qualities = {}
    for model in ("orm", "prm"):
        if model in asked.methods:
            pairs = _scores(found, model)
            qualities[f"{model} responses"] = measure(*zip(*pairs, strict=True))
    if "prm" in asked.methods:
        steps = found.steps
        qualities["prm steps"] = measure(steps.scores, steps.pass_rates, steps.trials)
    return qualities


def _scores(found: _Found, model: str) -> list[tuple[float, bool]]:
    """Score and outcome of every scored sample that was judged."""
    return [
        (score, sample.right)
        for one in found.samples
        for sample in one.known
        if sample.is_judged and (score := sample.orm if model == "orm" else sample.prm) is not None
    ]


def _because(found: _Found) -> str:
    return f" ({sorted(found.warnings)[0]})" if found.warnings else ""
