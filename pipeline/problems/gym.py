"""`reasoning_gym`: problems from a generator of the reasoning-gym library, without any download."""

import dataclasses
import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import Field

from pipeline.datasets.versions import version
from pipeline.extras import missing
from pipeline.files.ranges import EVERY_ROW, Ranges, overlap
from pipeline.hashing import derive_seed
from pipeline.problems import BadRow, ProblemError, SourceConfig, at_most
from pipeline.records import Problem
from verifiers import Target
from verifiers.code.inside.values import encode
from verifiers.mistakes import shown
from verifiers.reasoning_gym import REFUSED

_VARIES = frozenset({"isomorphic_strings", "knight_swap", "ransom_note", "word_ladder"})
"""Tasks that iterate over sets of texts, whose order differs in every process."""


_MOST_SEED = 2**31
"""Some generators take no larger seeds."""


class ReasoningGymSource:
    """One task, such as `chain_sum`, `basic_arithmetic` or `gsm_symbolic`."""

    class Config(SourceConfig):
        """The task and its options."""

        task: str
        """A task of reasoning-gym, such as `chain_sum`."""
        size: int = Field(default=100, ge=1)
        """Number of problems to generate."""
        seed: int | None = None
        """Seed of the generator; default: the run's seed."""
        options: dict[str, Any] = Field(default_factory=dict)
        """Options of the task, such as `max_terms`."""
        scorer: Literal["math", "own"] = "math"
        """Judge: `math` compares with the entry's answer; `own` makes targets for the verifier
        `reasoning_gym`, which uses the task's own scorer."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = config
        self._seed = seed if config.seed is None else config.seed
        self._again: dict[int, Any] = {}
        """Seed of variants -> the task's entries."""

    def size(self) -> int:
        """Number of generated problems, including duplicates."""
        return at_most(self.config, self.config.size)

    def rows(self) -> Iterator[Problem | BadRow]:
        """The task's problems. Raises ProblemError for an unknown task or a bad option."""
        return self.rows_in(EVERY_ROW)

    def fingerprint(self) -> str:
        """The library's version and the seed; the rest is in the config."""
        return f"reasoning-gym {version('reasoning-gym')}, seed {self._seed}"

    def rows_in(self, ranges: Ranges) -> Iterator[Problem | BadRow]:
        """The problems with these numbers; no others are generated."""
        entries = self._entries(self._seed)
        for wanted in overlap(ranges, range(self.config.size)):
            for index in wanted:
                yield self._problem(entries[index], index, self._seed)

    def variants_of(self, problem: Problem, number: int) -> list[Problem]:
        """The task's entries at the same place for other seeds. Raises ProblemError like `rows`."""
        made, index = list[Problem](), problem.meta["index"]
        assert isinstance(index, int)
        for variant in range(number):
            seed = derive_seed(self._seed, "variant", variant) % _MOST_SEED
            if seed not in self._again:
                self._again[seed] = self._entries(seed)
            made.append(self._problem(self._again[seed][index], index, seed))
        return made

    def _problem(self, entry: dict[str, Any], index: int, seed: int) -> Problem:
        return Problem.create(
            prompt=str(entry["question"]).strip(),
            target=self._target(entry),
            source=f"reasoning_gym/{self.config.task}",
            meta={"index": index, "seed": seed},
        )

    def _entries(self, seed: int) -> Any:
        if why := missing("reasoning_gym", "problems.use=reasoning_gym"):
            raise ProblemError(why)
        import reasoning_gym
        from reasoning_gym.factory import DATASETS

        config = self.config
        if config.task not in DATASETS:
            near = get_close_matches(config.task, DATASETS, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ProblemError(f"problems.task: reasoning-gym has no task {config.task!r}{hint}")
        if config.scorer == "own" and config.task in REFUSED:
            raise ProblemError(
                f"problems.scorer=own: expected scorer=math or another task, because "
                f"{config.task} cannot be judged by its own scorer: {REFUSED[config.task]}"
            )
        if config.task in _VARIES and os.environ.get("PYTHONHASHSEED", "random") == "random":
            raise ProblemError(
                f"problems.task: {config.task} generates different problems in every process, so a run "
                "could not be resumed; set PYTHONHASHSEED=0 in the environment"
            )
        _check_names(config.task, config.options, DATASETS[config.task][1])
        try:
            return reasoning_gym.create_dataset(
                config.task, size=config.size, seed=seed, **config.options
            )
        except (AssertionError, ValueError) as e:
            raise ProblemError(f"problems.options: {config.task} rejects them ({e})") from e
        except TypeError as e:
            raise ProblemError(
                f"problems.options: {config.task} rejects them, expected other types of values, got "
                f"{shown(config.options)}"
            ) from e

    def _target(self, entry: dict[str, Any]) -> Target:
        # Some tasks have no single answer; `math` never judges a problem without gold as wrong.
        value = _text(entry["answer"])
        if self.config.scorer == "math":
            return Target(kind="math", value=value)
        # The entry's index does not describe the problem, and would hide duplicates.
        metadata = {k: v for k, v in entry["metadata"].items() if k != "source_index"}
        # Scorers compare tuples and look up integers in dicts, which JSON does not have.
        encoded = encode({**entry, "metadata": metadata})
        tests = {"dataset": self.config.task, "entry": encoded, "options": self.config.options}
        return Target(kind="reasoning_gym", value=value, tests=tests)


def _check_names(task: str, options: dict[str, Any], known: type[Any]) -> None:
    """Raises ProblemError for an option that the task does not have."""
    names = [field.name for field in dataclasses.fields(known) if field.name not in ("seed", "size")]
    for name in options:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
            raise ProblemError(f"problems.options.{name}: unknown option of {task}; {hint}")


def _text(answer: object) -> str | None:
    return None if answer is None else str(answer)
