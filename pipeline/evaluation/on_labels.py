"""Evaluates scores of steps on responses whose first wrong step people have labelled.

1. read the responses, and published scores or none
2. without published scores let a process reward model score the steps
3. work out how well they find first errors, of all responses and of each subset

A model that was trained here reads token ids. Here there are only texts: the problem is put into its
tokenizer's chat template and each step is tokenised with a line end behind it. Whatever prompt template
the model's run had is not known, so problems that want one should have it in their text.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.labelled import Labelled, LabelledError, read_labelled
from pipeline.evaluation.trained import model_folder, read_trained
from pipeline.scoring import ModelScorer
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
"""Column of published scores if no other is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOnLabels:
    """What is to be evaluated, and how."""

    files: Sequence[Path]
    prm: Part | None
    """None takes the published scores."""
    scores: str | None
    """Their column."""
    threshold: float
    aggregate: Aggregate
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flawed:
    """Responses whose final answer is right: what a check of the answer alone lets through."""

    number: int
    num_flawed: int
    """Those that have a wrong step all the same."""
    share: float
    interval: Interval | None
    """Of the share, by problems."""
    found: float | None
    """Share of the flawed whose first wrong step the scores name."""
    auc: float | None
    """How the scores, one for each response, rank the others over the flawed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLabels:
    """Figures of one set of responses."""

    of: str
    """`all`, or the subset."""
    first_errors: FirstErrors
    curve: Sequence[FirstErrors]
    best: FirstErrors
    """Of the curve, the one with the greatest F1: chosen on the same responses, so a bit too good."""
    by_chance: float | None
    """F1 of naming one of the steps, or none, by chance. Calling all right has an F1 of 0."""
    steps: Quality
    """Of the scores of steps up to the first wrong one."""
    flawed: Flawed | None
    """None where no final answer is known to be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLabelsEvaluation:
    """What came of it."""

    figures: Sequence[OnLabels]
    """Of all responses and, if there are several subsets, of each."""
    num_unscored: int
    """Responses left out since a step of theirs has no score."""
    warnings: Sequence[str]


def evaluate_on_labels(
    asked: AskedOnLabels, advance: Callable[[], None] = lambda: None
) -> OnLabelsEvaluation:
    """The figures; `advance` is called for each response. Raises LabelledError."""
    responses = [
        one for path in asked.files for one in read_labelled(path, None if asked.prm else asked.scores)
    ]
    if not responses:
        raise LabelledError(f"{asked.files[0]}: expected one labelled response or more, got none")
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
    """For each response a score of every step; None where one is missing."""
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
    """How a response is put to the model: one of its own tokenizer's ids only if it reads such."""
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
    """Of a model that was trained here; None for others, which read text. Raises RewardModelError."""
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
        Marked(scores=scores, first_wrong=one.first_wrong, problem=one.problem) for one, scores in pairs
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
    """Of the steps up to the first wrong one: what comes behind it is neither right nor wrong."""
    steps = [
        (score, place != one.first_wrong, one.problem)
        for one, scores in pairs
        for place, score in enumerate(scores)
        if one.first_wrong is None or place <= one.first_wrong
    ]
    scores, right, problems = zip(*steps, strict=True)
    return measure(scores, right, problems=problems, seed=seed)


def _flawed(pairs: Pairs, asked: AskedOnLabels) -> Flawed | None:
    if not pairs:
        return None
    flawed = [one.first_wrong is not None for one, _ in pairs]
    problems = [one.problem for one, _ in pairs]
    found = [
        Marked(scores=scores, first_wrong=one.first_wrong).finds(asked.threshold)
        for one, scores in pairs
        if one.first_wrong is not None
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
    shares: dict[bool, list[float]] = {True: [], False: []}
    for one in responses:
        shares[one.first_wrong is None].append(1 / (len(one.steps) + 1))
    if not shares[True] or not shares[False]:
        return None
    on_right, on_wrong = (sum(of) / len(of) for of in (shares[True], shares[False]))
    return 2 * on_right * on_wrong / (on_right + on_wrong)
