"""What a plan takes from an earlier run."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.config import load_config
from pipeline.datasets.folder import FolderError
from pipeline.datasets.metrics import WorkerFigures
from pipeline.errors import UserMistake
from pipeline.planning.asked import asked
from pipeline.planning.earlier import read_earlier, read_speed
from pipeline.planning.this_machine import this_machine
from tests.runs import make_trace, write_run

ROOT = Path(__file__).parents[4]
MODEL = "Llama-3.1-8B-Instruct"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two problems with prompts of two tokens, and responses of 4, 4, 6 and 2, one of them right; two
    engines sampled 10 tokens a second together, with 8 sequences, and then rested."""
    traces = [
        make_trace("What is 2 + 3?", "5", [("four", False), ("five", True)]),
        make_trace("What is 9 + 2?", "11", [("twelve", False), ("no", False)]),
    ]
    engine = {"use": "vllm", "model": MODEL}
    out = write_run(tmp_path / "run", traces, engine=engine)
    lines = [metrics(0, [0, 0], [0, 0]), "{half a li", metrics(1, [4, 6], [6, 2])]
    lines += [metrics(3, [12, 18], [6, 2]), metrics(60, [12, 18], [0, 0])]
    (out / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return out


def metrics(seconds: float, tokens: list[int], running: list[int]) -> str:
    unknown = {one.name: [None, None] for one in fields(WorkerFigures)}
    workers = {**unknown, "worker": [0, 1], "tokens": tokens, "sequences_running": running}
    return json.dumps({"seconds": seconds, "workers": workers})


def test_lengths_and_pass_rate_are_the_runs(run: Path) -> None:
    earlier = read_earlier(run)
    assert (earlier.prompt_tokens, earlier.response_tokens) == (2, 4)
    assert earlier.pass_rate == pytest.approx(1.5 / 5)


def test_the_speed_is_that_of_one_engine_at_work(run: Path) -> None:
    speed = read_speed(run)
    assert speed.tokens_per_second == pytest.approx(5.0)
    assert speed.batch == pytest.approx(4.0)


def test_a_run_without_figures_of_its_engines_is_refused(run: Path) -> None:
    (run / "metrics.jsonl").write_text('{"seconds": 1}\n')
    with pytest.raises(UserMistake, match="expected a run whose metrics show"):
        read_speed(run)
    with pytest.raises(FolderError, match="expected a run folder"):
        read_earlier(run.parent)


def test_a_run_of_another_model_calibrates_nothing(run: Path) -> None:
    config = load_config(ROOT / "configs" / "gsm8k.yaml")
    options = {"model": "Llama-3.1-70B-Instruct", "calibrate": run}
    with pytest.raises(
        UserMistake, match=r"expected a run of .*70B-Instruct, got one of .*8B-Instruct"
    ):
        asked(config, ["h100x8"], options)


def planned(*arguments: object) -> dict[str, Any]:
    config = ROOT / "configs" / "gsm8k.yaml"
    given = ["plan", config, "strategy.use=best_of_n", "strategy.rollouts=4", "--json", *arguments]
    given += ["--model", MODEL]
    result = CliRunner().invoke(berry, list(map(str, given)), catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_what_is_not_given_is_the_earlier_runs(run: Path) -> None:
    expected = planned("--like", run, "--response-tokens", "7")["expected"]
    assert (expected["prompt_tokens"], expected["response_tokens"]) == (2, 7)
    assert expected["pass_rate"] == pytest.approx(1.5 / 5)


def test_a_calibrated_plan_predicts_the_speed_of_the_run_it_is_calibrated_by(run: Path) -> None:
    usual, calibrated = planned("--like", run), planned("--like", run, "--calibrate", run)
    reached = calibrated["efficiency"]
    factor = reached["expected"]["bandwidth"] / usual["efficiency"]["expected"]["bandwidth"]
    assert factor == pytest.approx(reached["expected"]["compute"] / 0.5)
    speeds = [one["hardware"][0]["tokens_per_second"] for one in (usual, calibrated)]
    assert speeds[1] / speeds[0] == pytest.approx(factor, rel=0.01)
    hours = calibrated["hardware"][0]["hours"]
    assert hours["expected"] / hours["low"] == pytest.approx(1.15, rel=0.01)


def test_this_machine_is_measured() -> None:
    here = this_machine().accelerator
    assert 1e-4 < here.bandwidth_tb < 10
    assert 1e-3 < here.tflops["float32"] < 100
    assert here.memory_gb > 0.1
