"""Labelled responses for training tiny reward models, and training settings that suit them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reward_models.training.examples import Labelled
from reward_models.training.records import Trained
from reward_models.training.settings import TrainSettings
from reward_models.training.train import train

PROMPT = "What is 12 + 7? Work it out."
STEPS = ("First we add 12 and 7.\n", "That gives 19.\n", "So x² - 1 ≥ 0 …\n", "The answer is 19.")


def labelled(
    tokenizer: Any,
    targets: Sequence[float | None],
    problem: str = "p",
    texts: Sequence[str] = STEPS,
    weights: Sequence[float] | None = None,
) -> Labelled:
    return Labelled(
        problem_id=problem,
        prompt_token_ids=tuple(tokenizer.encode(PROMPT)),
        step_token_ids=tuple(tuple(tokenizer.encode(text)) for text in texts),
        texts=tuple(texts),
        targets=tuple(targets),
        weights=tuple(weights or [1.0] * len(texts)),
    )


def responses(tokenizer: Any, number: int = 40) -> list[Labelled]:
    """Responses to this many problems; those with an even number are right."""
    return [
        labelled(
            tokenizer,
            [1.0, float(n % 2 == 0), float(n % 2 == 0)],
            f"problem {n}",
            ["First we add.\n", f"That gives {19 if n % 2 == 0 else 12}.\n", "The answer is x."],
        )
        for n in range(number)
    ]


def outcomes(tokenizer: Any, number: int = 40) -> list[Labelled]:
    """The same responses with only their outcomes known."""
    return [
        Labelled(
            problem_id=one.problem_id,
            prompt_token_ids=one.prompt_token_ids,
            step_token_ids=one.step_token_ids,
            texts=one.texts,
            targets=(None, None, one.targets[-1]),
            weights=one.weights,
        )
        for one in responses(tokenizer, number)
    ]


def settings(**options: Any) -> TrainSettings:
    given = {"learning_rate": 3e-3, "epochs": 4, "batch_size": 4, "held_out": 0.25, "warmup": 0.0}
    return TrainSettings(**(given | options))


def run(
    base: Path, data: Sequence[Labelled], output: Path, kind: Any = "prm", **options: Any
) -> Trained:
    return train(
        kind, str(base), data, output, settings(**options), data="test", advance=lambda _: None
    )
