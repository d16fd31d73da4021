"""The small model of the arithmetic chains in the real engine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arithmetic.model import Recipe, train_model
from tests.conftest import ROOT

_CHECK = """
import asyncio, dataclasses, json, sys
from pathlib import Path
from benchmarks.arithmetic.check import check_model

checked = asyncio.run(check_model(Path(sys.argv[1]), num_problems=4, num_rollouts=2))
Path(sys.argv[2]).write_text(json.dumps(dataclasses.asdict(checked)))
"""


@pytest.mark.engine
def test_vllm_loads_the_model_and_samples_characters(tmp_path: Path) -> None:
    recipe = Recipe(hidden_size=64, num_heads=2, most_batches=4, chains_per_batch=8, warmup_batches=1)
    trained = train_model(tmp_path / "model", 0, recipe)
    result = tmp_path / "checked.json"
    # A process of its own: the session's engine may be running in this one.
    command = [sys.executable, "-c", _CHECK, str(trained.path), str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    checked = json.loads(result.read_text())
    assert checked["num_responses"] == 8
    assert checked["num_tokens"] >= 8
    # Four batches teach nothing.
    assert checked["pass_rate"] == 0.0
    assert checked["fault_rate"] > 0.5
    assert checked["malformed_rate"] == 1.0
