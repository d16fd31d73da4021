"""What stages of a user's own give back, and print."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from pipeline.errors import UserMistake
from pipeline.loop.border import call
from pipeline.loop.stages.kinds import STAGE
from pipeline.loop.work import Done


class Given:
    """Gives back what the test has set."""

    class Config(BaseModel):
        """Has no options."""

    done: ClassVar[Any] = None

    def __init__(self, config: Config) -> None:
        pass

    def run(self, work: Any) -> Any:
        print("working")
        if isinstance(self.done, BaseException):
            raise self.done
        return self.done


def _call(done: Any, monkeypatch: pytest.MonkeyPatch) -> Done | None:
    monkeypatch.setattr(Given, "done", done)
    work: Any = None
    return call(STAGE.part({"use": f"{__name__}:Given"}), "run", work)


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (Done(figures={"where": Path("x")}), "Done.figures: where: expected a JSON value, got"),
        (Done(figures={"loss": float("nan")}), "Done.figures: loss: expected a JSON value, got NaN"),
        (Done(figures={1: 2}), "Done.figures: expected names and values"),  # type: ignore[dict-item]
        (Done(figures=None), "Done.figures: expected names and values"),  # type: ignore[arg-type]
        (Done(candidate="m"), "Done.candidate: expected a Bundle"),  # type: ignore[arg-type]
        (Done(problems="x.jsonl"), "Done.problems: expected a Path"),  # type: ignore[arg-type]
        (Done(problems=Path("none.jsonl")), "Done.problems: expected a file, got none.jsonl"),
        (Done(promoted="yes"), "Done.promoted: expected True or False"),  # type: ignore[arg-type]
        (Done(why=3), "Done.why: expected a text, got 3"),  # type: ignore[arg-type]
        (True, "expected a Done of pipeline.loop.work, got true"),
        (SystemExit(0), r"run\(\) raised SystemExit"),
    ],
)
def test_what_cannot_be_written_down_is_one_line(
    done: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserMistake, match=message) as error:
        _call(done, monkeypatch)
    assert "\n" not in str(error.value)


def test_what_a_stage_prints_is_not_among_the_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(Done(figures={"n": 1}), monkeypatch) == Done(figures={"n": 1})
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "working\n")
