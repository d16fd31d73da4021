"""The gate: what it decides with little or nothing measured."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.loop.records import Bundle, RoundRecord
from pipeline.loop.stages import gate
from pipeline.loop.stages.kinds import STAGE
from pipeline.loop.work import Done, Work
from pipeline.training.policy.manifest import Measurement

_MANY = {f"p{n}": 0.5 for n in range(20)}


def _decide(
    before: dict[str, float] | None,
    after: dict[str, float] | None,
    monkeypatch: pytest.MonkeyPatch,
    **options: Any,
) -> Done:
    measured = {"before": before, "after": after}

    def read(run: str) -> Measurement:
        return Measurement(
            step=0, accuracies=(), per_problem=measured[run] or {}, num_left_out=0, seconds=0.0
        )

    monkeypatch.setattr(gate, "_read", read)
    bundles = [
        Bundle(name=name, generator=name, evaluations={"evaluate": name} if found else {})
        for name, found in measured.items()
    ]
    anything: Any = None
    work = Work(
        name="gate",
        folder=anything,
        config=anything,
        run_config=anything,
        before=(),
        record=RoundRecord(round=1, began_with=bundles[0], candidate=bundles[1]),
        commands=anything,
        tell=print,
    )
    found: Done = STAGE.part({"use": "gate", **options}).build().run(work)
    return found


@pytest.mark.parametrize(
    ("before", "after", "require", "promoted"),
    [
        (_MANY, dict.fromkeys(_MANY, 1.0), "better", True),
        (_MANY, dict.fromkeys(_MANY, 0.1), "not_worse", False),
        (_MANY, _MANY, "not_worse", True),
        (_MANY, _MANY, "better", False),
        # Of a single problem nothing is sure.
        ({"p": 0.0}, {"p": 1.0}, "better", False),
        ({"p": 0.0}, {"p": 1.0}, "not_worse", True),
        ({"p": 1.0}, {"p": 0.0}, "not_worse", False),
    ],
)
def test_the_interval_decides(
    before: dict[str, float],
    after: dict[str, float],
    require: str,
    promoted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = _decide(before, after, monkeypatch, require=require)
    assert done.promoted is promoted
    if len(before) == 1:
        assert (done.figures["low"], done.figures["high"]) == (None, None)
        assert "on a single problem" in (done.why or "")


def test_what_was_not_measured_does_not_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    done = _decide(_MANY, None, monkeypatch)
    assert (done.promoted, done.why) == (False, "evaluate has not measured the candidate")
    done = _decide(None, _MANY, monkeypatch)
    assert (done.promoted, done.why) == (False, "evaluate has not measured the models of before")


def test_the_runs_are_read_by_their_names(tmp_path: Path) -> None:
    from pipeline.files.storage import FolderError

    with pytest.raises(FolderError, match="expected a run folder"):
        gate._read(str(tmp_path))
