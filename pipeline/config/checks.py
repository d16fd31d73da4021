"""Checks that a run's config has what its strategy, reward models and pruning need."""

from typing import TYPE_CHECKING

from pipeline.dispatch.scoring import read_reward_model
from pipeline.engines.border import read_engine
from pipeline.rollouts.steps import StepSplitter

if TYPE_CHECKING:
    from pipeline.config.run_config import RunConfig


def check_pauses(config: "RunConfig", who: str) -> None:
    """Raises ValueError if an engine cannot pause after each step."""
    if not StepSplitter(config.steps).pauses:
        raise ValueError(
            f"{who}: expected `steps.at: newline` or `blank_line`, strings at which an engine can "
            f"pause after a step, got {config.steps.at}"
        )
    if breaks := [stop for stop in config.sampling.stop if "\n" in stop]:
        raise ValueError(
            f"{who}: expected `sampling.stop` without line breaks, since it samples up to one at a "
            f"time, got {breaks[0]!r}"
        )


def check_logprobs(config: "RunConfig", who: str) -> None:
    """Raises ValueError for an engine without log-probabilities."""
    for engine in config.all_engines:
        if not read_engine(engine).gives_logprobs:
            raise ValueError(
                f"{who}: expected an engine that gives log-probabilities, got "
                f"engine.use={engine.use}; vllm gives them with engine.logprobs=true"
            )


def check_scores_steps(config: "RunConfig", who: str) -> None:
    """Raises ValueError without a process reward model."""
    if all(read_reward_model(part).scores_outcomes for part in config.reward_models):
        got = ", ".join(part.use for part in config.reward_models)
        raise ValueError(
            f"{who}: expected a process reward model in `reward_models` to score steps, got "
            f"{got or 'none'}; for example reward_models='[{{use: prm, model: FOLDER}}]'"
        )
