"""What the pages have ever told users to import can be imported."""

import importlib

import pytest


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("pipeline.chat", "Chat"),
        ("pipeline.datasets.trees", "read_trace"),
        ("pipeline.engines", "Completion Engine EngineDied EngineStartError Prompt Request"),
        ("pipeline.problems", "BadRow ProblemError SourceConfig"),
        ("pipeline.records", "Problem"),
        ("pipeline.search", "Expansion Strategy"),
        ("pipeline.tree", "ROOT Finish Tree"),
        ("reward_models", "RewardModel Score Steps"),
        ("reward_models.errors", "RewardModelDied RewardModelError"),
        ("sandbox", "Limits Program Sandbox SandboxConfig"),
        ("verifiers", "Outcome Target Verdict Verifier"),
        ("verifiers.answers", "extract_answer"),
        ("verifiers.code", "CodeVerifier"),
        ("verifiers.formal", "FormalVerifier"),
        ("verifiers.math", "MathVerifier"),
        ("verifiers.testing", "verifier_contract"),
    ],
)
def test_documented_names_are_there(module: str, names: str) -> None:
    found = importlib.import_module(module)
    assert not [name for name in names.split() if not hasattr(found, name)]
