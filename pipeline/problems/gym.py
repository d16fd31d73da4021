"""`reasoning_gym`: problems made by a generator of the reasoning-gym library, without any download."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import Field

from pipeline.problems import BadRow, ProblemError, SourceConfig, at_most
from pipeline.records import Problem
from verifiers import Target


class ReasoningGymSource:
    """One task, such as `chain_sum`, `basic_arithmetic` or `gsm_symbolic`."""

    class Config(SourceConfig):
        """Which task."""

        task: str
        size: int = Field(default=100, ge=1)
        """Problems to make."""
        seed: int | None = None
        """The run's seed if not given."""
        options: dict[str, Any] = Field(default_factory=dict)
        """The task's own options, such as `max_terms`."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = config
        self._seed = seed if config.seed is None else config.seed

    def size(self) -> int:
        """As many as the generator makes, duplicates included."""
        return at_most(self.config, self.config.size)

    def rows(self) -> Iterator[Problem | BadRow]:
        """The task's problems. Raises ProblemError for an unknown task or a bad option."""
        import reasoning_gym
        from reasoning_gym.factory import DATASETS

        config = self.config
        if config.task not in DATASETS:
            near = get_close_matches(config.task, DATASETS, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ProblemError(f"problems.task: reasoning-gym has no task {config.task!r}{hint}")
        try:
            entries = reasoning_gym.create_dataset(
                config.task, size=config.size, seed=self._seed, **config.options
            )
        except (TypeError, AssertionError, ValueError) as e:
            raise ProblemError(f"problems.options: {config.task} refuses them ({e})") from e
        for index in range(config.size):
            entry = entries[index]
            yield Problem.create(
                prompt=str(entry["question"]).strip(),
                # Some tasks have no one answer; a problem without gold is never judged wrong.
                target=Target(kind="math", value=_text(entry["answer"])),
                source=f"reasoning_gym/{config.task}",
                meta={"index": index, "seed": self._seed},
            )


def _text(answer: object) -> str | None:
    return None if answer is None else str(answer)
