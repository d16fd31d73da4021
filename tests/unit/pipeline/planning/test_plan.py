"""`berry plan` on shipped configs: what it says, in which proportions, and mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.planning.hardware import Hardware, hardware_of
from pipeline.planning.plan import OnHardware
from tests.unit.pipeline.planning.test_model import TINY

ROOT = Path(__file__).parents[4]
Planned = Callable[..., dict[str, Any]]


@pytest.fixture
def planned() -> Planned:
    """The JSON of `berry plan configs/gsm8k.yaml` with more arguments."""

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        config = str(ROOT / "configs" / "gsm8k.yaml")
        given = ["plan", config, "strategy.use=best_of_n", "strategy.rollouts=4", *arguments, "--json"]
        if "--model" not in arguments:
            given += ["--model", "Llama-3.1-8B-Instruct"]
        result = CliRunner().invoke(berry, given)
        assert result.exit_code == code, result.output or result.exception
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def test_tokens_are_those_of_the_strategy(planned: Planned) -> None:
    found = planned("--problems", "100", "--response-tokens", "300", "--prompt-tokens", "50")
    assert found["tokens"] == {"sampled": 120_000, "read": 5_000, "read_without_sharing": 20_000}
    assert found["verdicts"] == 400
    assert found["per_problem"]["rollouts"] == 4


def test_twice_the_accelerators_take_less_time_and_the_range_is_around_it(planned: Planned) -> None:
    one, two = planned("--hardware", "h100", "--hardware", "h100x2")["hardware"]
    assert one["hours"]["low"] < one["hours"]["expected"] < one["hours"]["high"]
    assert two["hours"]["expected"] < one["hours"]["expected"]
    assert two["accelerator_hours"] == 2 * two["hours"]["expected"]
    assert one["dollars"]["expected"] == pytest.approx(2.7 * one["hours"]["expected"])
    assert one["verifier_cores"] > 0


def test_what_does_not_fit_is_refused_with_the_reason(planned: Planned) -> None:
    large = planned("--model", "Llama-3.1-70B-Instruct", code=1)["hardware"][0]
    assert large["refused"] == "the weights take 141 GB of 80"
    long = planned("--response-tokens", "600000", code=1)["hardware"][0]
    assert long["refused"].startswith("the cache of 600,200 tokens takes 78.7 GB, ")
    fast = planned("--tokens-per-second", "5000", code=1)["hardware"][0]
    assert fast["refused"].endswith("wanted are 5000")


def test_longer_responses_and_speed_lower_the_batch(planned: Planned) -> None:
    def batch(*arguments: str) -> int:
        found: int = planned(*arguments)["hardware"][0]["batch"]
        return found

    assert batch() == 256
    assert batch("--response-tokens", "8000") < 80
    assert (
        0
        < batch("--response-tokens", "2000", "--tokens-per-second", "100")
        < batch("--response-tokens", "2000")
    )


def test_without_a_survivor_or_a_price_one_costs_an_unknown_amount() -> None:
    place = OnHardware(hardware=hardware_of("h100"), hours=(10.0, 8.0, 20.0))
    assert place.dollars_for(100.0) == pytest.approx(0.27)
    assert place.dollars_for(0.0) is None
    accelerator = place.hardware.accelerator.model_copy(update={"price": None})
    free = OnHardware(hardware=Hardware(accelerator=accelerator), hours=place.hours)
    assert free.dollars_for(100.0) is None


def test_own_hardware_and_a_model_folder(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    row = {"name": "mine", "memory_gb": 1, "bandwidth_tb": 0.1, "tflops": {"float32": 1}}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"accelerator": row, "count": 3}))
    found = planned("--model", str(tmp_path), "--hardware", str(file))
    assert found["hardware"][0]["hardware"] == "mine"
    assert found["hardware"][0]["dollars"] is None
    row["tflops"] = {}
    file.write_text(json.dumps({"accelerator": row}))
    result = _mistake("--hardware", str(file))
    assert "mine.yaml: accelerator.tflops" in result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nope"], "expected a model's folder or one of "),
        (["--hardware", "l5"], "expected hardware such as h100x8"),
        (["--hardware", "nope.yaml"], "nope.yaml: cannot be read: No such file or directory"),
        (["--weights", "int3"], "expected a type out of float32, "),
        (["--pass-rate", "1.5"], "--pass-rate: expected a number under 1, got 1.5"),
        (["--problems", "0"], "--problems: expected a number of 1 or more, got 0"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    assert message in _mistake(*arguments)


def _mistake(*arguments: str) -> str:
    config = str(ROOT / "configs" / "gsm8k.yaml")
    result = CliRunner().invoke(berry, ["plan", config, *arguments])
    assert result.exit_code != 0
    return str(result.exception) if result.exception is not None else result.output


def test_the_text_has_a_row_for_each_hardware_and_what_it_depends_on() -> None:
    config = str(ROOT / "configs" / "gsm8k.yaml")
    given = ["--model", "Qwen3-30B-A3B", "--hardware", "h100", "--hardware", "l4"]
    result = CliRunner().invoke(berry, ["plan", config, *given], catch_exceptions=False)
    assert "30.5 billion parameters, 3.04 active" in result.output
    assert "1 x l4: does not fit: the weights take 61 GB of 24" in result.output
    assert "if wrong   response_tokens x 2: time x " in result.output
