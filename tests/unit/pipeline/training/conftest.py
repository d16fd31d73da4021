"""A tiny model and a run of its tokenizer, for trainings that take seconds."""

from pathlib import Path
from typing import Any

import pytest

from tests.policy_runs import ENGINE, branched_trace, policy_problem, policy_run
from tests.runs import write_run
from tests.tiny_models import base_model, byte_level


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return byte_level()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return base_model(tmp_path_factory.mktemp("base") / "model", tokenizer)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return policy_run(tmp_path_factory.mktemp("data") / "run", tokenizer)


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A run whose rollouts branch, on 12 problems."""
    found = [branched_trace(tokenizer, policy_problem(number)) for number in range(12)]
    return write_run(tmp_path_factory.mktemp("trees") / "run", found, engine=ENGINE)
