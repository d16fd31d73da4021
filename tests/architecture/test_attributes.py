"""Plug-ins are read in one module; no other asks a class for attributes that it may lack."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_layers import PACKAGES
from tests.conftest import ROOT

READER = "attributes.py"
"""In `verifiers`: the one module that may."""
INSIDE = "inside"
"""Folders of code that runs with untrusted programs, whose objects have no types."""
OF_LIBRARIES = {
    # transformers: tokenizers, configs and models, of which each has other ones
    *("chat_template", "backend_tokenizer", "bos_token_id", "max_position_embeddings", "_commit_hash"),
    *("layers", "layer_types", "self_attn", "o_proj", "mlp", "down_proj", "score"),
    *("quantization_config", "merge_and_unload"),
    # openai: servers leave out fields
    *("usage", "choices", "message", "content", "refusal", "finish_reason"),
    # Python: modules, also of another package of the same name, and nodes of syntax trees
    *("__file__", "__path__", "__name__", "Verdict", "module", "body", "decorator_list"),
    # PyYAML: errors of several classes
    *("problem", "problem_mark", "context_mark"),
}
"""Optional attributes of other libraries' objects, which are no plug-ins."""


def guesses(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each attribute that the source reads by a literal name and may not find."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        may_miss = (node.func.id, len(node.args)) in (("getattr", 3), ("hasattr", 2))
        if may_miss and isinstance(name := node.args[1], ast.Constant):
            yield node.lineno, str(name.value)


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > 200
    return [path for path in found if path.name != READER and INSIDE not in path.parts]


def test_no_module_but_one_guesses_what_a_plug_in_has() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in modules()
        for line, name in guesses(path.read_text())
        if name not in OF_LIBRARIES
    ]
    assert found == [], "read an optional attribute of a plug-in with `verifiers.attributes`"


@pytest.mark.parametrize(
    "source", ['getattr(cls, "uses_sandbox", False)', 'if hasattr(part.cls, "reads_engine"): pass']
)
def test_a_guess_is_found(source: str) -> None:
    [(line, name)] = guesses(source)
    assert (line, name in OF_LIBRARIES) == (1, False)


def test_what_is_surely_there_is_no_guess() -> None:
    assert list(guesses('getattr(module, name)\ngetattr(cls, name, None)\ngetattr(x, "y")')) == []


def configs_of_other_parts(source: str) -> list[int]:
    """Lines of classes `Config` that extend another part's `Config`."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == "Config"
        if any(isinstance(base, ast.Attribute) and base.attr == "Config" for base in node.bases)
    ]


def test_no_config_extends_another_parts_config() -> None:
    """Options that two parts have in common are a model of their own, which both name."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        for line in configs_of_other_parts(path.read_text())
    ]
    assert found == []


def test_a_config_that_extends_another_parts_config_is_found() -> None:
    assert configs_of_other_parts("class A:\n    class Config(B.Config):\n        pass\n") == [2]
