"""What people read: progress, summaries, the doctor."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.doctor import examine
from pipeline.cli.terminal import TerminalProgress
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.engines.metered import Usage
from pipeline.inspection.live_table import figures
from pipeline.inspection.terminal_report import summary
from pipeline.inspection.time_left import duration
from pipeline.progress import Snapshot
from reward_models.manifest import TrainedModel
from verifiers.code.languages import LANGUAGES


def snapshot(**values: object) -> Snapshot:
    counts = Counts(problems=5, rollouts=40, right=1, not_right=3, kept=1)
    made = Snapshot(counts=counts, total=10, seconds=4.0, new_problems=5)
    made.usage = Usage(num_tokens=400, num_rollouts=44)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_the_figures_follow_from_the_counts() -> None:
    shown = figures(snapshot(eta_seconds=4.0))
    assert shown["problems"] == "5/10"
    assert shown["tokens/s"] == "100"
    assert shown["pass rate"] == "25.0%"
    assert shown["left"] == "4s"


def test_rollouts_and_tokens_under_way_count_as_those_of_earlier_processes_do() -> None:
    usage = Usage(num_tokens=400, num_unanswered_tokens=100, num_rollouts=44)
    shown = figures(snapshot(usage=usage, counts_before=Counts(rollouts=6, tokens=50)))
    assert (shown["rollouts"], shown["tokens"], shown["tokens/s"]) == ("50", "550", "125")


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
    progress.message("Starting the engine ...")
    for _ in range(50):
        progress.update(snapshot())
    progress.close()
    progress.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "Starting the engine ..."
    assert len(lines) == 2
    assert "problems 5/10, rollouts 44" in lines[1]
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_one_line_is_redrawn() -> None:
    out = io.StringIO()
    progress = TerminalProgress(Console(file=out, force_terminal=True, width=120))
    progress.update(snapshot())
    progress.update(snapshot(usage=Usage(num_tokens=800)))
    progress.close()
    assert "\x1b" in out.getvalue()
    assert "200" in out.getvalue()


def prefix_lines(**facts: Any) -> list[str]:
    """What the summary of a complete run says about prefixes."""
    folder = RunFolder(Path("runs/some"), {})
    speed = {"tokens_per_second": 1.0, "seconds": 1.0, "load_seconds": 1.0, "restarts": 0}
    folder.complete = {
        "duplicates": 0,
        "bad_rows": 0,
        "problems": 5,
        "new_problems": 5,
        **speed,
        **facts,
    }
    return [line for line in summary(folder).splitlines() if line.startswith("prefixes")]


def test_the_summary_says_what_sharing_prefixes_saved() -> None:
    facts = {"new_prompt_tokens": 1_234_567, "new_prompt_tokens_cached": 1_100_000}
    expected = (
        "prefixes   1,234,567 prompt tokens: 1,100,000 (89%) from cache, 134,567 computed; "
        "without sharing, all would have been computed"
    )
    assert prefix_lines(**facts) == [expected]
    assert prefix_lines(**facts, new_problems=2) == [f"{expected} (since the run was resumed)"]


@pytest.mark.parametrize("cached", [None, 0])
def test_a_cache_without_hits_is_not_the_same_as_an_engine_that_does_not_say(
    cached: int | None,
) -> None:
    lines = prefix_lines(new_prompt_tokens=10, new_prompt_tokens_cached=cached)
    assert [("0 (0%) from cache, 10 computed" in line) for line in lines] == [True] * (cached == 0)


def test_folders_from_before_prefixes_were_counted_can_be_read() -> None:
    assert prefix_lines() == []


def message_lines(**counts: int) -> list[str]:
    """What the summary says about the column `messages`."""
    folder = RunFolder(Path("runs/some"), {})
    folder.counts = Counts(messages=Counter(counts))
    return [line for line in summary(folder).splitlines() if line.startswith("messages")]


def test_the_summary_says_which_traces_cannot_be_trained_on_as_messages() -> None:
    (line,) = message_lines(exact=3, other_text=10, other_tokens=1)
    assert line.startswith(
        "messages   the chat template reproduces 3 of 14 traces exactly, 10 with different text, 1 "
        "with the same text in different tokens: train on prompt_token_ids and response_token_ids, or "
        "use a template "
    )
    (line,) = message_lines(exact=3, other_tokens=1)
    assert line.endswith("train on prompt_token_ids and response_token_ids if that matters")
    assert message_lines(exact=3) == message_lines() == []


def test_the_summary_says_how_many_survivors_are_expected_to_be_flawed() -> None:
    folder = RunFolder(Path("runs/some"), {})
    assert "flawed" not in summary(folder)
    folder.counts = Counts(kept=10, weighed=8, flawed_thousandths=600)
    assert "flawed     7.5% of 8 survivors are expected to have a wrong step" in summary(folder)


def test_the_last_line_of_the_summary_counts_what_was_lost_with_actors() -> None:
    folder = RunFolder(Path("runs/some"), {})
    folder.counts = Counts(
        reasons={
            "error": Counter({"the batch was lost (ActorDiedError)": 3, "ValueError: x": 2}),
            "unscored": Counter(
                {
                    "reward model prm: the batch was lost (TimeoutError)": 4,
                    "reward model prm: disabled after 8 lost batches in a row": 5,
                }
            ),
        }
    )
    last = summary(folder).splitlines()[-1]
    assert last.startswith("lost       3 verdicts, and scores of up to 9 problems, because")
    folder.counts = Counts(reasons={"error": Counter({"ValueError: x": 2})})
    assert "lost" not in summary(folder)


def test_the_doctor_finds_what_the_tests_need() -> None:
    findings = {finding.name: finding for finding in examine()}
    assert findings["vllm"].ok
    assert findings["model"].ok
    for language in LANGUAGES.values():
        assert findings[language.name].ok is not bool(language.missing())
    assert all(finding.text for finding in findings.values())


def trained(num_problems: int, num_responses: int | None, auc: float | None) -> TrainedModel:
    return TrainedModel(
        kind="prm",
        labels="p_correct",
        base="tiny",
        tokenizer="x",
        train_problems=tuple(map(str, range(num_problems))),
        num_responses=num_responses,
        held_out={"auc": auc},
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (trained(5, 87, None), ["under 100 problems", "under 1000 responses", "not measured"]),
        (trained(500, 4000, 0.55), ["hardly better than chance"]),
        (trained(500, None, 0.55), ["hardly better than chance"]),
    ],
)
def test_a_reward_model_that_rests_on_little_says_so(model: TrainedModel, said: list[str]) -> None:
    assert model.weakness is not None
    assert all(reason in model.weakness for reason in said)


def test_a_reward_model_that_rests_on_enough_has_no_weakness() -> None:
    model = trained(500, 4000, 0.8)
    assert model.weakness is None
    assert model.rests_on == "4000 responses to 500 problems, held-out AUC 0.80"
    assert trained(5, 87, None).rests_on == "87 responses to 5 problems, held-out AUC unknown"


def test_the_summary_says_what_pruning_rests_on(tmp_path: Path) -> None:
    run = {"config": {}, "digest": "0", "created": "", "reward_models": ["DIR, trained on 5 problems"]}
    folder = RunFolder(tmp_path, run)
    folder.counts = Counts(statuses=Counter(pruned=15), rollouts=16)
    shown = summary(folder)
    assert "15 of 16 rollouts ended midway" in shown
    assert "false-prune rate unknown" in shown
    assert "scored by  DIR, trained on 5 problems" in shown
