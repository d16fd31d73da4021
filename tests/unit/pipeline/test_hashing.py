"""Stored hashes keep their values: ids of problems, of configs and of what is made of them."""

import ast

import pytest

from pipeline.config import load_config
from pipeline.critic.critics import Critic, SelfCritic
from pipeline.datasets.folder import ids_digest
from pipeline.hashing import derive_seed, digest_json, digest_text
from pipeline.records import Problem
from tests.conftest import ROOT
from verifiers import Target
from verifiers.formal.targets import FormalTarget, mark_of


def test_problems_keep_their_ids() -> None:
    sums = Problem.create(prompt="What is 6 * 7?", target=Target(kind="math", value="42"), source="s")
    program = Problem.create(
        prompt="é",
        target=Target(kind="code", tests={"cases": [1, {"a": None}]}),
        source="s",
        domain="code",
        asked={"subject": "x"},
    )
    assert (sums.id, program.id) == ("a4bf2231a1cea138", "0b97658251ee01d7")


@pytest.mark.parametrize(
    ("overrides", "digest"),
    [
        ((), "e577929f0005726f"),
        (
            (
                "labels.majority.use=weighted",
                "verifier.use=math",
                "verifier.rounding=never",
                "strategy.use=branching",
            ),
            "ead9295033038550",
        ),
    ],
)
def test_configs_keep_their_digests(overrides: tuple[str, ...], digest: str) -> None:
    """Otherwise a run that an earlier version began could not go on."""
    assert load_config(ROOT / "configs" / "simulated.yaml", overrides).digest() == digest


def test_parts_of_runs_seeds_and_revisions_stay() -> None:
    assert ids_digest(["a", "b"]) == "a76de9f2d561975f"
    assert derive_seed(1, "x", (2, 3)) == 1616106914728100672
    critic = Critic(Critic.Config(base_url="http://x/v1", model="m"))
    assert critic.revision == "8275dd99128a"
    assert SelfCritic(SelfCritic.Config(), None).revision == "8a3f19767357"


def test_marks_of_proofs_stay() -> None:
    target = FormalTarget(kind="coq", name="n", statement="True")
    assert mark_of(target, "x") == "6a99fc629056eb4dce587b5a"


def test_the_order_of_keys_and_half_characters_do_not_matter() -> None:
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert len(digest_text("\ud800")) == 16


def test_the_pipeline_has_one_module_that_hashes_texts() -> None:
    """Three others hash no whole texts: files, ids in pieces, and noise of bytes."""
    with_hashlib = {
        path.name
        for path in (ROOT / "pipeline").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "hashlib" for alias in node.names)
    }
    assert with_hashlib <= {"hashing.py", "part.py", "simulated_prm.py", "storage.py"}
