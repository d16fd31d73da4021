"""The runs in between: one that lets the model write, one that lets it answer.

Each is a `berry run` of its own, with the engine, prompt, sampling and steps of the run that the
problems come from. So it uses the same machines, and an interrupted one resumes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import load_config
from pipeline.derive.varying.lines import write_lines
from pipeline.derive.varying.settings import VarySettings
from pipeline.errors import UserMistake
from pipeline.templates import Template
from pipeline.training.policy.evaluate import Run, run_apart

_TAKEN = ("prompt", "engine", "engines", "sampling", "steps", "sandbox", "cluster")
"""Sections of the run's config that both runs share."""
_LEAST_FRACTION = 0.01
"""The check decides how many have to agree; a tie is no majority."""


def berry_run(config: Path, overrides: Sequence[str], log: Path) -> None:
    """Runs `berry run`, or resumes it. Raises RunFailure if it does not end with a complete run."""
    run_apart(config, overrides, log, what="the run", advice="repeat the command to go on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How the runs are made."""

    folder: Path
    stored: Mapping[str, Any]
    """The config of the run that the problems come from, from its run.json."""
    settings: VarySettings
    run: Run

    def check(self) -> None:
        """Raises UserMistake for a run whose problems need more than their text."""
        template = str((self.stored.get("prompt") or {}).get("template", "{problem}"))
        if columns := Template(template).columns:
            raise UserMistake(
                f"expected a run whose prompt.template uses {{problem}} alone, got one with "
                f"{{{next(iter(columns))}}}, which new problems do not have"
            )

    def propose(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        """The run in which the model writes problems; its responses are the replies."""
        system = (self.stored.get("prompt") or {}).get("system")
        sampling = {
            **(self.stored.get("sampling") or {}),
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
            "stop": [],
        }
        more = {"prompt": {"system": system}, "sampling": sampling}
        return self._run("propose", rows, self.settings.per_problem, more, votes=False)

    def answer(self, prompts: Sequence[str]) -> Path:
        """The run in which the model answers the candidates, without any gold answer."""
        rows = ({"prompt": prompt} for prompt in dict.fromkeys(prompts))
        return self._run("check", rows, self.settings.samples, {}, votes=True)

    def _run(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        num_rollouts: int,
        more: Mapping[str, Any],
        *,
        votes: bool,
    ) -> Path:
        problems, output = self.folder / f"{name}.jsonl", self.folder / name
        write_lines(problems, rows)
        vote = {"use": "plain", "min_fraction": _LEAST_FRACTION} if votes else {"use": "off"}
        config = {
            **{key: self.stored[key] for key in _TAKEN if key in self.stored},
            **more,
            "seed": self.settings.seed,
            "output": str(output),
            "problems": {"use": "file", "path": str(problems), "answers": "none", "preset": "plain"},
            "strategy": {"use": "best_of_n", "rollouts": num_rollouts},
            "verifier": {"use": "math"},
            "labels": {"majority": vote},
            "dataset": {"problems_per_part": 16, "views": []},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        overrides = [f"{key}={json.dumps(value)}" for key, value in self.settings.config.items()]
        load_config(path, overrides)
        self.run(path, overrides, self.folder / f"{name}.log")
        return output
