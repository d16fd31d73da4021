"""Stages of a user's own, for tests of the loop: they write what they do into the loop's folder."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pipeline.errors import PartlyDone, RunFailure
from pipeline.loop.work import Done, Work
from tests.patience import wait_until


class Noted:
    """Appends its name to a file; ends as it is told to."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        label: str = "noted"

    interrupt_at: ClassVar[int | None] = None
    """The call, from 0, that ends like Ctrl-C."""
    fail_at: ClassVar[int | None] = None
    calls: ClassVar[int] = 0

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, work: Work) -> Done:
        number = Noted.calls
        Noted.calls += 1
        if number == Noted.interrupt_at:
            raise KeyboardInterrupt
        if number == Noted.fail_at:
            raise RunFailure("no disk")
        note(work.folder.path, f"{work.round} {work.name}")
        figures = {"saw": [one.ends_with.generator for one in work.before]}
        made = f"{work.record.began_with.generator}+{work.round}"
        candidate = work.record.candidate.model_copy(update={"generator": made})
        return Done(figures=figures, candidate=candidate)


class Prepared(Noted):
    """Also does something before the first round."""

    def prepare(self, work: Work) -> Done:
        note(work.folder.path, f"prepare {work.name}")
        return Done(figures={"prepared": True})


class Counting:
    """Gives figures of several types."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        pass

    def run(self, work: Work) -> Done:
        return Done(figures={"enough": True, "share": 0.25, "found": 1200})


class EvenRounds:
    """Promotes what even rounds have made."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        pass

    def run(self, work: Work) -> Done:
        note(work.folder.path, f"{work.round} {work.name}")
        return Done(promoted=work.round % 2 == 0, why=f"round {work.round} is even or not")


class StopInRoundTwo(Noted):
    """Ends the loop there."""

    def run(self, work: Work) -> Done:
        if work.round == 2:
            raise PartlyDone("enough")
        return Done()


class AwaitNextSearch(Noted):
    """Waits until the run of the next round has begun."""

    def run(self, work: Work) -> Done:
        if work.round < work.config.rounds:
            following = work.folder.run_folder(work.round + 1) / "run.json"
            wait_until(following.exists)
        return Done()


class Broken(Noted):
    """Has a mistake."""

    def run(self, work: Work) -> Done:
        return 1 / 0  # type: ignore[return-value]


class Chatty(Noted):
    """Gives back something else than a Done."""

    def run(self, work: Work) -> Done:
        return "done"  # type: ignore[return-value]


def note(folder: Path, line: str) -> None:
    """Appends a line to the notes."""
    with (folder / "notes.txt").open("a") as file:
        file.write(f"{line}\n")


def notes(folder: Path) -> list[str]:
    """The lines in order."""
    return (folder / "notes.txt").read_text().split("\n")[:-1]


class Undecided:
    """A stage that decides, and fails."""

    decides: ClassVar[bool] = True

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        pass

    def run(self, work: Work) -> Done:
        raise RunFailure("no figures")
