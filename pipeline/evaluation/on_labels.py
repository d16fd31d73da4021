"""Evaluates step scores on responses whose first wrong step people have labelled.

1. read the responses, with published scores if required
2. without published scores, score the steps with a process reward model
3. compute how well the scores find first errors, for all responses and for each subset

A model trained by berry reads token ids, but these responses are only text: the problem goes through
the tokenizer's chat template, and each step is tokenised with a line break after it. The prompt
template of the model's run is unknown; if problems need it, include it in their text.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dispatch.scoring import ModelScorer
from pipeline.evaluation.labelled import Labelled, LabelledError, read_labelled
from pipeline.evaluation.trained import model_folder, read_trained
from reward_models import Steps
from reward_models.aggregate import Aggregate, aggregate
from reward_models.errors import RewardModelError
from reward_models.evaluation.bootstrap import Interval, bootstrap, mean_of
from reward_models.evaluation.first_errors import (
    FirstErrors,
    Marked,
    find_first_errors,
    threshold_curve,
)
from reward_models.evaluation.quality import Quality, measure
from verifiers.plugins import Part

_AT_ONCE = 64
ALL = "all"
SCORES = "scores"
"""Default column of published scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOnLabels:
    """Settings of an evaluation."""

    files: Sequence[Path]
    prm: Part | None
    """Model to score with; None uses the published scores."""
    scores: str | None
    """Column of the published scores."""
    threshold: float
    aggregate: Aggregate
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flawed:
    """Responses with a right final answer, which a check of the answer alone accepts."""

    number: int
    num_flawed: int
    """Number of these that still have a wrong step."""
    share: float
    interval: Interval | None
    """Confidence interval of the fraction, over problems."""
    found: float | None
    """Fraction of the flawed responses whose first wrong step the scores find."""
    auc: float | None
    """AUC of one score per response for separating the others from the flawed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLabels:
    """Figures of one set of responses."""

    of: str
    """`all`, or the name of a subset."""
    first_errors: FirstErrors
    curve: Sequence[FirstErrors]
    best: FirstErrors
    """The point of the curve with the greatest F1; slightly optimistic, because it is selected on the
    same responses."""
    by_chance: float | None
    """F1 of naming a random step, or none. Calling every step right has an F1 of 0."""
    steps: Quality
    """Quality of the scores of steps up to the first wrong one."""
    flawed: Flawed | None
    """None if no final answer is known to be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLabelsEvaluation:
    """Result of an evaluation."""

    figures: Sequence[OnLabels]
    """Figures of all responses and, if there are several subsets, of each."""
    num_unscored: int
    """Number of responses excluded because a step has no score."""
    warnings: Sequence[str]


def evaluate_on_labels(
    asked: AskedOnLabels, advance: Callable[[], None] = lambda: None
) -> OnLabelsEvaluation:
    """Computes the figures; calls `advance` for each response. Raises LabelledError."""
    responses = [
        one for path in asked.files for one in read_labelled(path, None if asked.prm else asked.scores)
    ]
    if not responses:
        raise LabelledError(f"{asked.files[0]}: expected at least one labelled response, got none")
    warnings = set[str]()
    try:
        scores = asyncio.run(_score(responses, asked.prm, warnings, advance))
    except RewardModelError as e:
        raise LabelledError(str(e)) from e
    known = [(one, of) for one, of in zip(responses, scores, strict=True) if of is not None]
    if not known:
        why = "; ".join(sorted(warnings)) or f"of {len(responses)}"
        raise LabelledError(f"{asked.files[0]}: expected responses with scores, got none ({why})")
    subsets = dict.fromkeys(one.subset for one, _ in known)
    sets = [(ALL, known)]
    if len(subsets) > 1:
        sets += [(name, [pair for pair in known if pair[0].subset == name]) for name in subsets]
    return OnLabelsEvaluation(
        figures=[_figures(name, pairs, asked) for name, pairs in sets],
        num_unscored=len(responses) - len(known),
        warnings=sorted(warnings),
    )


async def _score(
    responses: Sequence[Labelled],
    prm: Part | None,
    warnings: set[str],
    advance: Callable[[], None],
) -> list[Sequence[float] | None]:
    """Scores of every step for each response; None if any is missing."""
    if prm is None:
        return [one.scores for one in responses]
    encode = await asyncio.to_thread(_encoder, prm)
    scorer = ModelScorer([prm.build()])
    found: list[Sequence[float] | None] = []
    async with AsyncExitStack() as closing:
        closing.push_async_callback(scorer.close)
        await scorer.start()
        for start in range(0, len(responses), _AT_ONCE):
            batch = responses[start : start + _AT_ONCE]
            scored = await scorer.score([encode(one) for one in batch])
            for values in scored.values:
                advance()
                known = [value for value in values if value is not None]
                found.append(known if len(known) == len(values) else None)
            warnings.update(scored.warnings)
    return found


def _encoder(prm: Part) -> Callable[[Labelled], Steps]:
    """Returns the encoder of responses for the model: with token ids if it reads them, else as text."""
    tokenizer = _tokenizer(prm)

    def ids(text: str) -> tuple[int, ...]:
        return () if tokenizer is None else tuple(tokenizer.encode(text, add_special_tokens=False))

    def prompt_ids(problem: str) -> tuple[int, ...]:
        if tokenizer is None or tokenizer.chat_template is None:
            return ids(problem)
        messages = [{"role": "user", "content": problem}]
        return ids(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def encode(one: Labelled) -> Steps:
        texts = [*(f"{step.rstrip()}\n" for step in one.steps[:-1]), one.steps[-1]]
        return Steps(
            prompt=one.problem,
            prompt_token_ids=prompt_ids(one.problem),
            texts=tuple(texts),
            token_ids=tuple(map(ids, texts)),
        )

    return encode


def _tokenizer(prm: Part) -> Any:
    """Tokenizer of a model trained by berry; None for others, which read text. Raises
    RewardModelError."""
    if read_trained(prm) is None:
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model_folder(prm))
    except (OSError, ValueError) as e:
        raise RewardModelError(str(e)) from e


Pairs = Sequence[tuple[Labelled, Sequence[float]]]


def _figures(name: str, pairs: Pairs, asked: AskedOnLabels) -> OnLabels:
    marked = [
        Marked(scores=scores, first_error=one.first_error, problem=one.problem) for one, scores in pairs
    ]
    curve = threshold_curve(marked)
    return OnLabels(
        of=name,
        first_errors=find_first_errors(marked, asked.threshold, asked.seed),
        curve=curve,
        best=max(curve, key=lambda one: one.f1 or 0.0),
        by_chance=_by_chance([one for one, _ in pairs]),
        steps=_of_steps(pairs, asked.seed),
        flawed=_flawed([pair for pair in pairs if pair[0].final_right], asked),
    )


def _of_steps(pairs: Pairs, seed: int) -> Quality:
    """Quality on the steps up to the first wrong one: later steps are neither right nor wrong."""
    steps = [
        (score, place != one.first_error, one.problem)
        for one, scores in pairs
        for place, score in enumerate(scores)
        if one.first_error is None or place <= one.first_error
    ]
    scores, right, problems = zip(*steps, strict=True)
    return measure(scores, right, problems=problems, seed=seed)


def _flawed(pairs: Pairs, asked: AskedOnLabels) -> Flawed | None:
    if not pairs:
        return None
    flawed = [one.first_error is not None for one, _ in pairs]
    problems = [one.problem for one, _ in pairs]
    found = [
        Marked(scores=scores, first_error=one.first_error).finds(asked.threshold)
        for one, scores in pairs
        if one.first_error is not None
    ]
    whole = [aggregate(asked.aggregate, scores) for _, scores in pairs]
    return Flawed(
        number=len(pairs),
        num_flawed=sum(flawed),
        share=sum(flawed) / len(pairs),
        interval=bootstrap(mean_of(flawed), problems, asked.seed),
        found=sum(found) / len(found) if found else None,
        auc=measure(whole, [not one for one in flawed]).auc,
    )


def _by_chance(responses: Iterable[Labelled]) -> float | None:
    fractions: dict[bool, list[float]] = {True: [], False: []}
    for one in responses:
        fractions[one.first_error is None].append(1 / (len(one.steps) + 1))
    if not fractions[True] or not fractions[False]:
        return None
    on_right, on_wrong = (sum(of) / len(of) for of in (fractions[True], fractions[False]))
    return 2 * on_right * on_wrong / (on_right + on_wrong)
