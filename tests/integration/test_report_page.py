"""The report of a run in a real browser, opened from disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from pipeline.datasets.folder import RunFolder
from pipeline.inspection.report.page import write_report
from tests.browser import chromium, watched
from tests.conftest import ROOT, run_berry
from tests.viewer_runs import viewer_run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = viewer_run(tmp_path_factory.mktemp("report") / "run")
    return write_report(RunFolder.read(run)).path


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light"), (2000, "dark")])
def test_readable_everywhere(browser: Browser, hostile: Path, width: int, scheme: Any) -> None:
    size: Any = {"width": width, "height": 900}
    with watched(browser, viewport=size, color_scheme=scheme) as found:
        found.page.goto(hostile.as_uri())
        found.check_width()
        # All of it, also what is folded.
        found.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found.check_width()
        if width != 2000:
            found.check_access()
        assert found.page.title() != "run"
        assert found.page.locator("script, img, iframe, link").count() == 0
        found.check()


def test_of_a_run_of_the_simulated_engine(browser: Browser, cluster: str, tmp_path: Path) -> None:
    done = run_berry(
        tmp_path, "run", ROOT / "configs" / "simulated.yaml", "output=out", "problems.size=24",
        "--address", cluster,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "report     " in done.stdout
    with watched(browser) as found:
        found.page.goto((tmp_path / "out" / "report.html").as_uri())
        for heading in ("Funnel", "Difficulty and coverage", "Lengths", "Verifiers", "Speed", "Config"):
            expect(found.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        sample = found.page.locator("details.sample").first
        sample.locator("summary").first.click()
        expect(sample).to_contain_text("gold")
        found.check()
