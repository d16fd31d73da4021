"""`berry loop` with a model in vLLM that is trained and searched with again."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.loop.folder import LoopFolder
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
            {"use": "tests.unit.pipeline.loop.stages_for_tests:StopInRoundTwo"},
            {"use": "prm", "weak": True, "require_chat_template": False, **training},
            {"use": "policy", "learning_rate": 1e-3, **training},
        ],
    }
    (tmp_path / "loop.yaml").write_text(yaml.safe_dump(config))
    for name, value in joining_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = run_berry(tmp_path, "loop", "loop.yaml")
    logs = {one.name: one.read_text()[-2000:] for one in (tmp_path / "out" / "logs").glob("*.log")}
    assert done.returncode == 1, (done.stderr, logs)
    assert done.stderr.endswith("berry: round 2, StopInRoundTwo: enough\n")

    out = tmp_path / "out"
    first, second = LoopFolder.read(out).rounds()[1:]
    generator, prm = str(out / "models/round-1/policy"), str(out / "models/round-1/prm")
    assert first.ends_with.generator == second.began_with.generator == generator
    run = RunFolder.read(out / "round-2")
    assert run.complete is not None
    assert run.run["config"]["engine"]["model"] == generator
    assert [one["model"] for one in run.run["config"]["reward_models"]] == [prm]
    nodes = [
        node
        for number in (1, 2)
        for row in RunReader.open(out / f"round-{number}").rows("trees", ["nodes"])
        for node in row["nodes"][1:]
    ]
    assert len({node["model_version"] for node in nodes}) == 2
    assert any(node["score"] is not None for node in nodes)
