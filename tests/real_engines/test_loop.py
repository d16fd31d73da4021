"""`berry loop` with a model in vLLM that is trained and searched with again."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.datasets.folder import RunFolder
from tests.conftest import ROOT, TinyModels, run_berry
from tests.integration.ray_head import joining_environment

pytestmark = [pytest.mark.ray, pytest.mark.engine]


def test_a_model_is_trained_on_its_own_survivors_and_searched_with_again(
    tmp_path: Path, tiny_models: TinyModels, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"precision": "float32", "max_steps": 2, "batch_size": 4}
    config: dict[str, Any] = {
        "output": str(tmp_path / "out"),
        "rounds": 2,
        "gpus": "split",
        "run": {
            "problems": {"use": "reasoning_gym", "task": "chain_sum", "size": 24},
            "engine": {
                "use": "vllm",
                "model": str(tiny_models.one),
                "dtype": "float32",
                "cpu_kv_cache_gib": 1,
            },
            # Random tokens hardly ever end a response.
            "sampling": {"max_tokens": 64, "stop": ["e", "a", "1"]},
            "strategy": {"use": "math_shepherd", "rollouts": 2},
            "verifier": {"use": "tests.real_engines.odd_length:OddLength"},
            "dataset": {"problems_per_part": 8},
            "cluster": {"address": cluster, "verifier_actors": 0},
        },
        "stages": [
            {"use": "search"},
            {"use": "prm", "weak": True, "require_chat_template": False, **training},
            {"use": "policy", "learning_rate": 1e-3, **training},
        ],
    }
    (tmp_path / "loop.yaml").write_text(yaml.safe_dump(config))
    for name, value in joining_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = run_berry(tmp_path, "loop", "loop.yaml", "--json")
    logs = {one.name: one.read_text()[-2000:] for one in (tmp_path / "out" / "logs").glob("*.log")}
    assert done.returncode == 0, (done.stderr, logs)

    rounds = json.loads(done.stdout)["rounds"]
    assert [one["promoted"] for one in rounds] == [True, True, True]
    second = rounds[2]
    models = tmp_path / "out" / "models"
    assert second["began_with"]["generator"] == str(models / "round-1" / "policy")
    assert second["began_with"]["scorers"]["prm"]["section"]["model"] == str(models / "round-1" / "prm")
    # The second search began with the base while the first round's models trained.
    run = RunFolder.read(tmp_path / "out" / "round-2").run
    assert run["config"]["engine"]["model"] == str(tiny_models.one)
    figures = {one["name"]: one["figures"] for one in second["stages"]}
    assert figures["policy"]["data"] == [str(tmp_path / "out" / f"round-{n}") for n in (1, 2)]
