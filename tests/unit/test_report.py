"""What people read: progress, summaries, the doctor."""

import io
from collections import Counter

import pytest
from rich.console import Console

from pipeline.doctor import examine
from pipeline.progress import TerminalProgress, duration, figures
from pipeline.run import Snapshot


def snapshot(**values: object) -> Snapshot:
    counts = Counter({"problems": 5, "rollouts": 40, "verdict.pass": 1, "verdict.fail": 3, "kept": 1})
    made = Snapshot(counts=counts, total=10, seconds=4.0, new_tokens=400, new_problems=5)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_the_figures_follow_from_the_counts() -> None:
    shown = figures(snapshot())
    assert shown["problems"] == "5/10"
    assert shown["tokens/s"] == "100"
    assert shown["pass rate"] == "25.0%"
    assert shown["left"] == "4s"


def test_what_is_unknown_is_not_shown_as_zero() -> None:
    shown = figures(Snapshot())
    assert (shown["tokens/s"], shown["pass rate"], shown["left"]) == ("-", "-", "-")
    assert figures(snapshot(total=None))["problems"] == "5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.4, "59s"), (190, "3m10s"), (3599.7, "1h00m"), (7500, "2h05m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_terminal_there_are_plain_lines_and_not_too_many() -> None:
    out = io.StringIO()
    progress = TerminalProgress(Console(file=out, force_terminal=False))
    progress.message("Starting the engine")
    for _ in range(50):
        progress.update(snapshot())
    progress.close()
    progress.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "Starting the engine ..."
    assert len(lines) == 2
    assert "problems 5/10, rollouts 40" in lines[1]
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_one_line_is_redrawn() -> None:
    out = io.StringIO()
    progress = TerminalProgress(Console(file=out, force_terminal=True, width=120))
    progress.update(snapshot())
    progress.update(snapshot(new_tokens=800))
    progress.close()
    assert "\x1b" in out.getvalue()
    assert "200" in out.getvalue()


def test_the_doctor_finds_what_the_tests_need() -> None:
    findings = {finding.name: finding for finding in examine()}
    assert findings["vllm"].ok
    assert findings["model"].ok
    assert all(finding.text for finding in findings.values())
