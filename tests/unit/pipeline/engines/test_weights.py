import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import WeightsRefused
from pipeline.engines.weights import find_weights
from tests.conftest import TinyModels
from tests.tiny_models import base_model


@pytest.fixture
def copied(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A copy of the other weights, to be damaged."""
    return Path(shutil.copytree(tiny_models.other, tmp_path / "copied"))


def test_weights_of_the_same_shape_are_found(tiny_models: TinyModels) -> None:
    found = find_weights(str(tiny_models.other), str(tiny_models.one))
    assert found == str(tiny_models.other)


def refuse(model: Path, running: Path, why: str) -> None:
    with pytest.raises(WeightsRefused, match=f"^update_weights: .*{why}") as told:
        find_weights(str(model), str(running))
    assert "\n" not in str(told.value)


def test_what_does_not_fit_is_named(tiny_models: TinyModels, copied: Path) -> None:
    refuse(tiny_models.one, tiny_models.one, "expected other weights than")
    refuse(tiny_models.wider, tiny_models.one, "num_key_value_heads, 1, got 2")
    refuse(copied / "none", tiny_models.one, "does not exist")


def rewrite_head(file: Path, old: str, new: str) -> None:
    """Changes the head of a safetensors file, whose length has to stay the same."""
    assert len(old) == len(new)
    content = file.read_bytes()
    assert old.encode() in content
    file.write_bytes(content.replace(old.encode(), new.encode()))


def test_tensors_of_other_names_and_shapes_are_named(tiny_models: TinyModels, copied: Path) -> None:
    file = copied / "model.safetensors"
    whole = file.read_bytes()
    rewrite_head(file, "model.norm.weight", "model.norm.wright")
    refuse(copied, tiny_models.one, "with the tensor model.norm.weight")
    file.write_bytes(whole)
    head = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    assert head["model.norm.weight"]["shape"] == [64]
    at = whole.index(b'"model.norm.weight"')
    file.write_bytes(whole[:at] + whole[at:].replace(b"[64]", b"[32]", 1))
    refuse(copied, tiny_models.one, re.escape("model.norm.weight in the shape [64], got [32]"))


def test_a_file_that_is_cut_off_is_named(tiny_models: TinyModels, copied: Path) -> None:
    file = copied / "model.safetensors"
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.truncate(size - 1)
    refuse(copied, tiny_models.one, f"to have {size} bytes, got {size - 1}")
    with file.open("r+b") as opened:
        opened.truncate(20)
    refuse(copied, tiny_models.one, "cannot be read as safetensors")
    file.unlink()
    refuse(copied, tiny_models.one, "expected weights as ")


def test_an_unreadable_config_is_named(tiny_models: TinyModels, copied: Path) -> None:
    (copied / "config.json").write_text("{")
    refuse(copied, tiny_models.one, "cannot be read")


def test_a_tied_head_may_be_stored_or_not(tiny_models: TinyModels, tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_position_embeddings": 1024, "tie_word_embeddings": True}
    without = base_model(tmp_path / "without", **options)
    stored = Path(shutil.copytree(tiny_models.one, tmp_path / "stored"))
    shutil.copy(without / "config.json", stored)
    assert find_weights(str(stored), str(without)) == str(stored)
    assert find_weights(str(without), str(stored)) == str(without)
