"""What determines a run's data, what may change when it resumes, and the rules that it keeps."""

import re
from pathlib import Path

import pytest

from pipeline.config import ConfigError, RunConfig, load_config, read_rules
from tests.conftest import ROOT
from verifiers.exact import ExactVerifier
from verifiers.isolation.processes import ProcessVerifier


def test_the_digest_is_of_what_determines_the_data(path: Path) -> None:
    def digest(*overrides: str) -> str:
        return load_config(path, overrides).digest()

    assert digest("output=other", "cluster.workers=2", "problems.on_error=skip") == digest()
    assert digest("strategy.rollouts=3") != digest()
    assert digest("dataset.problems_per_part=3") != digest()


CHANGES = {
    "output": "other",
    "cluster.*": "cluster.workers=2",
    "sandbox.*": "sandbox.processes=3",
    "verifier.processes": "1",
    "verifier.process_seconds": "5",
    "verifier.process_memory_mb": "500",
    "problems.on_error": "skip",
    "problems.limit": "2",
}
"""Another value for each key that may change on resume."""


def test_each_key_that_may_change_on_resume_really_may(path: Path) -> None:
    text = (ROOT / "docs" / "run-folder.md").read_text()
    table = text.partition("### What may change on resume")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    keys = [key for row in rows for key in re.findall("`(.+?)`", row)]
    assert keys == list(CHANGES)
    before = load_config(path)
    for key, value in CHANGES.items():
        override = value if "=" in value else f"{key}={value}"
        needed = ["verifier.processes=1"] if key.startswith("verifier.process_") else []
        changed = load_config(path, [*needed, override])
        assert changed != before
        assert changed.digest() == before.digest(), key
        assert key.partition(".*")[0] not in before.resolved()


def test_a_resolved_config_says_the_same_again(path: Path) -> None:
    loaded = load_config(path)
    again = RunConfig.model_validate({**loaded.resolved(), "output": loaded.output})
    assert again.digest() == loaded.digest()


def test_labels_are_part_of_what_determines_the_data(path: Path) -> None:
    resolved = load_config(path).resolved()
    assert resolved["labels"]["confidence"] == 0.8
    assert resolved["labels"]["majority"]["use"] == "plain"
    assert load_config(path, ["labels.majority.use=off"]).labels.majority.use == "off"
    assert load_config(path, ["labels.truncated_fails=true"]).digest() != load_config(path).digest()


def test_rules_are_read_from_what_a_run_keeps(path: Path) -> None:
    resolved = load_config(path, ["labels.confidence=0.7", "prune.max_per_problem=3"]).resolved()
    rules = read_rules(resolved, ["prune.max_tokens=9", "labels.majority.use=weighted"])
    assert (rules.prune.max_per_problem, rules.prune.max_tokens) == (3, 9)
    assert (rules.labels.confidence, rules.labels.majority.use) == (0.7, "weighted")
    assert read_rules({"seed": 0}).labels == RunConfig.model_fields["labels"].default
    for override, complaint in {
        "seed=1": "seed: expected a key of labels, prune or views",
        "labels=1": "labels: expected a key of labels, prune or views",
        "labels.sure=1": "labels.sure: unknown key",
        "prune.max_tokens=x": "prune.max_tokens: expected a whole number, got 'x'",
    }.items():
        with pytest.raises(ConfigError, match=complaint):
            read_rules(resolved, [override])


def test_sandbox_settings_do_not_change_what_a_run_is(path: Path) -> None:
    plain = load_config(path)
    weak = load_config(path, ["sandbox.allow_weak=true", "sandbox.minimum_level=namespaces"])
    assert weak.sandbox.allow_weak
    assert weak.sandbox.minimum_level.name == "NAMESPACES"
    assert weak.digest() == plain.digest()
    with pytest.raises(ConfigError, match=r"sandbox\.minimum_level: expected one of weak, landlock"):
        load_config(path, ["sandbox.minimum_level=iron"])


def test_processes_are_settings_and_do_not_change_what_a_run_is(path: Path) -> None:
    plain = load_config(path)
    spread = load_config(path, ["verifier.processes=3", "verifier.process_seconds=5"])
    assert isinstance(spread.build_verifier(), ProcessVerifier)
    assert isinstance(plain.build_verifier(), ExactVerifier)
    assert spread.resolved() == plain.resolved()
    assert spread.digest() == plain.digest()


def test_processes_of_nested_parts_do_not_change_what_a_run_is(path: Path) -> None:
    def nested(*keys: str) -> RunConfig:
        part = "{use: exact, " + ", ".join(keys) + "}"
        return load_config(
            path, ["verifier.use=all_of", f"verifier.verifiers=[{part}, {{use: exact}}]"]
        )

    assert nested("processes: 2").digest() == nested().digest()
    assert nested().resolved()["verifier"]["verifiers"] == [{"use": "exact"}, {"use": "exact"}]
    assert [part.use for part in nested().parts()][-3:] == ["all_of", "exact", "exact"]


def test_a_run_of_an_earlier_version_is_derived_again_by_the_rules_it_had() -> None:
    stored = {"prune": {"max_per_problem": 4, "drop_duplicates": True}}
    assert read_rules(stored).prune.max_similarity is None
    assert read_rules(stored, ["prune.max_similarity=0.9"]).prune.max_similarity == 0.9
    assert read_rules({"prune": {"near_duplicates": 0.8}}).prune.max_similarity == 0.8
    assert read_rules(stored).prune.min_p_prefix is None
    assert read_rules(stored, ["prune.min_p_prefix=0.9"]).prune.min_p_prefix == 0.9
