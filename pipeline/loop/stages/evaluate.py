"""`evaluate`: pass@1 and pass@k of the candidate's generator on problems that no round trains on."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.config.overrides import change
from pipeline.datasets.folder import RunFolder
from pipeline.loop.commands import wait_for_writer
from pipeline.loop.overlap import EVALUATION_SEED, evaluation_section
from pipeline.loop.records import Bundle
from pipeline.loop.stages.search import problems_of, require_complete
from pipeline.loop.work import Done, Work
from pipeline.training.policy.evaluate import read_measurement

_PLAIN = ("labels", "prune", "budget", "branch_pruning", "views")
"""Sections of a run that an evaluation has at their defaults."""


class Evaluate:
    """Samples whole rollouts with `berry run` (`best_of_n`), and reads pass@k from it."""

    class Config(BaseModel):
        """Has no options: the section `evaluation` of the loop has them."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, work: Work) -> Done:
        """Measures the base. Raises BerryError."""
        return self.run(work)

    def run(self, work: Work) -> Done:
        """Measures the candidate. Raises BerryError."""
        candidate = work.record.candidate
        if (there := candidate.evaluations.get(work.name)) is not None:
            # The round has made no other generator: nothing is sampled.
            return self._done(work, candidate, Path(there), tokens=0)
        output = work.folder.evaluation_folder(work.round, work.name)
        config = work.folder.write_config(
            f"{work.name}-{work.round}", _config_of(work, candidate.generator, output)
        )
        wait_for_writer(output, work.tell)
        log = work.folder.log(work.round, work.name)
        work.commands.berry(["run", str(config)], log, fine=(0, 1))
        require_complete(output, log)
        tokens = RunFolder.read(output).counts.tokens
        return self._done(work, candidate, output, tokens=tokens)

    @staticmethod
    def _done(work: Work, candidate: Bundle, output: Path, *, tokens: int) -> Done:
        found = read_measurement(output, work.round, 0.0)
        evaluations = {**candidate.evaluations, work.name: str(output)}
        return Done(
            figures={
                "problems": len(found.per_problem),
                "left_out": found.num_left_out,
                "tokens": tokens,
                "pass@k": [one.model_dump() for one in found.accuracies],
            },
            candidate=candidate.model_copy(update={"evaluations": evaluations}),
        )


def _config_of(work: Work, generator: str | None, output: Path) -> dict[str, Any]:
    asked = work.config.evaluation
    run = work.run_of(output, generator)
    given = evaluation_section(work.config, work.run_config)
    for name in _PLAIN:
        run.pop(name, None)
    run |= {
        "seed": EVALUATION_SEED,
        "problems": given or problems_of(work, "held_out") | {"limit": asked.limit},
        "strategy": {"use": "best_of_n", "rollouts": asked.rollouts},
        "reward_models": [],
        "dataset": {"problems_per_part": 16, "views": []},
    }
    change(run, asked.run)
    return run
