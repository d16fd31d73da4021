"""The same work for all: the prompts, the sampling settings and vLLM's arguments."""

from typing import Any

from benchmarks.measure import CONFIGS
from pipeline.config import RunConfig, load_config
from pipeline.engines.models import locate
from pipeline.engines.vllm import VllmEngine
from pipeline.problems import Intake
from pipeline.records import Problem
from reward_models.vllm_settings import (
    cpu_arguments,
    kv_cache_gib,
    set_cpu_environment,
    set_quiet_environment,
)

CONFIG, ROLLOUTS = "quickstart.yaml", 8
OVERRIDES = (
    "problems.size=64",
    "strategy.use=best_of_n",
    f"strategy.rollouts={ROLLOUTS}",
    "sampling.max_tokens=160",
)


class Work:
    """What is sampled; making it sets the environment that vLLM reads."""

    def __init__(self) -> None:
        self.config: RunConfig = load_config(CONFIGS / CONFIG, OVERRIDES)
        options = self.config.engine.options
        assert isinstance(options, VllmEngine.Config)
        set_cpu_environment(kv_cache_gib(options.cpu_kv_cache_gib))
        set_quiet_environment()
        self.model = locate(options.model)
        self.engine: dict[str, Any] = {
            "max_model_len": options.max_model_len,
            "seed": self.config.seed,
            "enable_prefix_caching": True,
            **cpu_arguments(options.dtype),
        }
        self.sampling: dict[str, Any] = {
            "temperature": self.config.sampling.temperature,
            "max_tokens": self.config.sampling.max_tokens,
            "logprobs": 0,
        }
        self.problems: list[Problem] = list(Intake(self.config.problems.build(self.config.seed)))

    def messages(self, problem: Problem) -> list[dict[str, str]]:
        """The conversation that is sent to the model."""
        return [{"role": "user", "content": self.config.prompt.render(problem)}]
