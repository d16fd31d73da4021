from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.preflight.preview import Preview
from tests.conftest import TinyModels, make_problem
from tests.unit.pipeline.config.test_config import MINIMAL


def config(engine: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate(MINIMAL | {"engine": engine})


def test_prompts_for_servers_are_encoded_without_asking_them(tiny_models: TinyModels) -> None:
    servers: dict[str, Any] = {
        "use": "vllm_server",
        "model": str(tiny_models.one),
        "addresses": ["http://nowhere:1"],
    }
    found = Preview(config(servers))
    here = Preview(config({"use": "vllm", "model": str(tiny_models.one)}))
    assert found.encode(make_problem()) == here.encode(make_problem()) is not None
    assert (found.context, found.cpu_model) == (1024, None)
    assert here.cpu_model == Path(tiny_models.one)
