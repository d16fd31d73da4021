"""`gate`: the candidate takes over only if it is not worse on problems that no round trains on."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.errors import UserMistake
from pipeline.loop.work import Done, Work
from pipeline.training.policy.evaluate import read_measurement
from pipeline.training.policy.manifest import Measurement, change_of_pass_at_1


class Gate:
    """Compares pass@1 of candidate and current generator on the same problems."""

    class Config(BaseModel):
        """The rule."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        by: str = "evaluate"
        """Name of the stage whose evaluations are compared."""
        require: Literal["not_worse", "better"] = "not_worse"
        """`not_worse`: the 95% interval of the change may not lie below 0. `better`: it has to lie
        above 0."""

    decides: ClassVar[bool] = True

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, work: Work) -> None:
        """Raises UserMistake if no stage measures what is compared."""
        names = [work.config.name_of(part) for part in work.config.stages]
        if self.config.by not in names[: names.index(work.name)]:
            raise UserMistake(
                f"stages: {work.name}: expected a stage {self.config.by!r} before it, got "
                f"{', '.join(names)}; set `by`, or remove {work.name} to promote every candidate"
            )

    def run(self, work: Work) -> Done:
        """Decides. Raises FolderError and RunFailure."""
        record, by = work.record, self.config.by
        if record.candidate.generator == record.began_with.generator:
            # Nothing to compare: reward models take over, as berry does not warn about them.
            has_others = record.candidate.scorers != record.began_with.scorers
            return Done(promoted=True, why="the generator is the same") if has_others else Done()
        before = record.began_with.evaluations.get(by)
        after = record.candidate.evaluations.get(by)
        if after is None or before is None:
            # The evaluation is optional and has failed.
            which = "the candidate" if before else "the models of before"
            return Done(promoted=False, why=f"{by} has not measured {which}")
        change = change_of_pass_at_1(_read(before), _read(after))
        if change is None:
            raise UserMistake(f"{before} and {after}: expected problems that both have, got none")
        mean, interval = change
        strict = self.config.require == "better"
        if interval is None:
            # Of a single problem nothing is sure.
            low, high, bounds = None, None, " on a single problem"
            promoted = not strict and mean >= 0
        else:
            low, high = interval
            bounds = f" (95% {low:+.3f} to {high:+.3f})"
            promoted = low > 0 if strict else high >= 0
        verdict = "" if promoted else ": not surely better" if strict else ": worse than before"
        return Done(
            figures={"change": mean, "low": low, "high": high},
            promoted=promoted,
            why=f"pass@1 changed by {mean:+.3f}{bounds}{verdict}",
        )


def _read(run: str) -> Measurement:
    return read_measurement(Path(run), 0, 0.0)
