"""The documentation's site builds without a warning, from the pages and docstrings as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds: warnings, such as of a dead link, are errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    docs = ROOT / "docs"
    for page in docs.rglob("*.md"):
        assert (site / page.relative_to(docs)).with_suffix(".html").is_file(), page
    for added in ("benchmarks.html", "changelog.html"):
        assert (site / added).is_file()


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("verifiers", ["verifiers.Verdict", "verifiers.Verdict.seconds", "verifiers.testing"]),
        ("sandbox", ["sandbox.Sandbox.run", "sandbox.Limits"]),
        ("reward-models", ["reward_models.Score", "reward_models.RewardModel.score"]),
        ("pipeline", ["pipeline.engines.Engine.generate", "pipeline.search.Strategy.propose"]),
    ],
)
def test_the_reference_has_what_parts_of_your_own_build_on(
    site: Path, page: str, names: list[str]
) -> None:
    text = (site / "reference" / f"{page}.html").read_text()
    assert [name for name in names if f'id="{name}"' not in text] == []


def test_the_files_name_of_a_block_is_shown_above_it(site: Path) -> None:
    text = (site / "own-verifier.html").read_text()
    assert '<span class="filename">countdown.py</span>' in text
    assert "```" not in text


def test_lists_and_tables_right_after_a_paragraph_are_what_they_are_on_github(site: Path) -> None:
    text = (site / "check.html").read_text()
    assert "<li>rows that are not problems" in text
    assert not re.search(r"<p>\|", "".join(page.read_text() for page in site.rglob("*.html")))


def test_nothing_is_loaded_from_other_servers(site: Path) -> None:
    loaded = re.compile(
        r'<(?:script[^>]* src|link[^>]* rel="(?:stylesheet|preconnect)"[^>]* href)="(http[^"]*)'
    )
    assert [found for page in site.rglob("*.html") for found in loaded.findall(page.read_text())] == []
