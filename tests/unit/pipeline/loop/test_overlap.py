"""No round trains on a problem of the evaluations, whatever the sets look like."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import UserMistake
from pipeline.loop.config import load_loop
from pipeline.loop.overlap import check_apart, check_made, evaluation_section


def _write(path: Path, texts: Sequence[str]) -> str:
    path.write_text("".join(json.dumps({"prompt": one, "answer": "1"}) + "\n" for one in texts))
    return str(path)


def _load(folder: Path, own: Sequence[str], evaluation: dict[str, Any], **problems: Any) -> Any:
    run = {
        "problems": {
            "use": "file",
            "preset": "plain",
            "path": _write(folder / "own.jsonl", own),
            **problems,
        },
        "engine": {"use": "simulated"},
        "verifier": {"use": "exact"},
    }
    config = {"output": str(folder / "out"), "run": run, "evaluation": evaluation}
    (folder / "loop.yaml").write_text(yaml.safe_dump(config))
    return load_loop(folder / "loop.yaml")


def test_duplicates_do_not_hide_what_is_measured(tmp_path: Path) -> None:
    """A run takes problems until it has `limit` different ones."""
    measured = _write(tmp_path / "test.jsonl", ["a b?", "a b?", "a b?", "Shared  ONE?"])
    loaded = _load(tmp_path, ["shared one?"], {"problems": measured, "limit": 2})
    with pytest.raises(UserMistake, match=r"run.problems has one of them: 'shared one\?'"):
        check_apart(*loaded)


def test_problems_beyond_the_limit_are_not_measured(tmp_path: Path) -> None:
    measured = _write(tmp_path / "test.jsonl", ["a b?", "Shared  ONE?"])
    check_apart(*_load(tmp_path, ["shared one?"], {"problems": measured, "limit": 1}))


def test_a_limit_in_the_section_counts(tmp_path: Path) -> None:
    section = {"use": "file", "preset": "plain", "path": "x.jsonl"}
    for given, expected in ({"limit": 5}, 5), ({"limit": 500}, 300), ({}, 300):
        loaded = _load(tmp_path, ["a?"], {"problems": {**section, **given}})
        found = evaluation_section(*loaded)
        assert found is not None
        assert found["limit"] == expected


def test_nothing_is_measured_on_variants(tmp_path: Path) -> None:
    loaded = _load(tmp_path, ["a?"], {"problems": "test.jsonl"}, variants={"numbers": 2})
    found = evaluation_section(*loaded)
    assert found is not None
    assert "variants" not in found
    assert found["path"] == "test.jsonl"


def test_new_problems_of_a_stage_are_checked_as_well(tmp_path: Path) -> None:
    measured = _write(tmp_path / "test.jsonl", ["Shared ONE?"])
    loaded = _load(tmp_path, ["a?"], {"problems": measured})
    check_apart(*loaded)
    made = Path(_write(tmp_path / "made.jsonl", ["new?", "shared one?"]))
    with pytest.raises(UserMistake, match=r"made.jsonl has one of them: 'shared one\?'"):
        check_made(made, *loaded)
    check_made(made, *_load(tmp_path, ["a?"], {"held_out": 0.5}))
