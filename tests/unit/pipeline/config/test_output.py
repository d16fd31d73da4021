"""Where a run is written, and which views."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ConfigError, load_config
from pipeline.files.storage import is_local, logs_folder

CONFIG = """
output: runs/mine
problems: {use: file, path: p.jsonl}
engine: {use: simulated}
verifier: {use: exact}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def test_an_output_is_a_path_or_a_url(path: Path) -> None:
    local = load_config(path)
    assert local.output == Path("runs/mine")
    assert logs_folder(local.output) == Path("runs/mine/logs")
    stored = load_config(path, ["output=s3://bucket/mine"])
    assert str(stored.output / "data") == "s3://bucket/mine/data"
    assert not is_local(stored.output)
    assert logs_folder(stored.output) == Path("berry-logs/mine")
    assert local.digest() == stored.digest()
    assert load_config(path, ["output=file:///a/b"]).output == Path("/a/b")


def test_stored_views_begin_with_trees(path: Path) -> None:
    assert load_config(path).dataset.stored_views == ("trees", "traces")
    both = load_config(path, ["dataset.views=[steps, traces]"])
    assert both.dataset.stored_views == ("trees", "traces", "steps")
    assert load_config(path, ["dataset.views=[]"]).dataset.stored_views == ("trees",)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("output=floppy://x/y", "expected a local path or a URL of a known kind"),
        ("output=5", "output: expected a path or a URL such as s3://bucket/folder, got 5"),
        ("dataset.views=[step]", "dataset.views: expected some of traces, steps, outcomes,"),
    ],
)
def test_a_mistake_is_named(path: Path, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, [override])
    assert complaint in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from upath import UPath

    def fail(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(UPath, "__new__", fail)
    with pytest.raises(ConfigError, match=r"pip install 'berry-pipeline\[s3\]'"):
        load_config(path, ["output=s3://bucket/mine"])


def test_the_size_of_merged_files_may_change_when_a_run_resumes(path: Path) -> None:
    assert load_config(path).digest() == load_config(path, ["dataset.part_bytes=1000"]).digest()
    assert load_config(path).digest() != load_config(path, ["dataset.views=[steps]"]).digest()


def test_options_of_a_view_at_their_defaults_change_no_digest(path: Path) -> None:
    """A run that was begun before a view had options can be resumed."""
    plain = load_config(path)
    assert "views" not in plain.resolved()
    assert load_config(path, ["views.backtracking.attempts=4"]).digest() == plain.digest()
    pairs = load_config(path, ["views.preferences.min_margin=0.8"])
    assert list(pairs.resolved()["views"]) == ["preferences"]
    chains = load_config(path, ["views.backtracking.attempts=5"])
    assert list(chains.resolved()["views"]) == ["backtracking"]
    assert len({plain.digest(), pairs.digest(), chains.digest()}) == 3
