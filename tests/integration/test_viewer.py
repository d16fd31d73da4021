"""`berry ui` in a real browser: what a person does there, and what hostile text does not."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Judgements
from pipeline.files.locks import lock_folder
from pipeline.files.storage import publish
from pipeline.inspection.report.page import write_report
from pipeline.inspection.selections import read_selection
from tests.browser import chromium, watched
from tests.conftest import ROOT, run_berry
from tests.viewer_runs import small_trace, viewer_run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def viewer(*runs: Path) -> Iterator[str]:
    """The address of `berry ui` in a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", "ui", *map(str, runs), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+?(?=/? \()", process.stdout.readline())
        assert found is not None
        yield found.group()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("viewer")
    return [viewer_run(folder / "one"), viewer_run(folder / "two", [*map(small_trace, range(6, 18))])]


@pytest.fixture(scope="module")
def address(browser: Browser, runs: list[Path]) -> Iterator[str]:
    with viewer(*runs) as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with watched(browser, viewport={"width": 1200, "height": 900}, base_url=address) as found:
        yield found.page
        found.check()


def problem_address(run: Path, text: str, **query: Any) -> str:
    ids = {one.problem.prompt: one.problem.id for one in RunReader.open(run).traces()}
    found = next(one for prompt, one in ids.items() if text in prompt)
    more = "&".join(f"{key.rstrip('_')}={value}" for key, value in query.items())
    return f"/runs/{run.name}/problems/{found}{'?' + more if more else ''}"


def test_find_open_fold_read_compare_and_judge(page: Page, runs: list[Path]) -> None:
    # 1. find a problem by a filter
    page.goto("/runs/one")
    expect(page.get_by_text("14 problems").first).to_be_visible()
    page.get_by_role("searchbox").fill("set/3")
    expect(page.get_by_text("1 of 14 problems")).to_be_visible()
    page.wait_for_url("**/runs/one?q=set%2F3")
    row = page.get_by_role("row").filter(has_text="set/3")
    row.get_by_role("link").first.click()
    # 2. its tree, open and folded
    tree = page.get_by_role("tree")
    expect(tree).to_be_attached()
    boxes = page.locator("svg g.box:not(.stub)")
    stubs = page.locator("svg g.box.stub")
    expect(stubs).to_have_count(2)
    page.get_by_role("button", name="Open all").click()
    expect(stubs).to_have_count(0)
    expect(boxes).to_have_count(14)
    page.get_by_role("button", name="Fold to best path").click()
    expect(stubs).to_have_count(2)
    tree.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(stubs).to_have_count(1)
    # 3. a node's panel
    page.keyboard.press("ArrowRight")
    panel = page.get_by_role("complementary", name="The selected node")
    expect(panel).to_contain_text("2 of 3 passed")
    expect(panel.locator(".katex").first).to_be_visible()
    panel.get_by_role("button", name="Tokens").click()
    expect(panel.locator(".tokens")).to_contain_text("First, look")
    # 4. the end of a response, and another beside it
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        tree.focus()
    expect(panel).to_contain_text("equal numbers")
    expect(panel).to_contain_text("Kept")
    # 5. judge it
    panel.get_by_label("Your name").fill("ann")
    panel.get_by_label("Note").fill("checked by hand")
    panel.get_by_role("button", name="Wrong").click()
    expect(panel).to_contain_text("checked by hand")
    stored = Judgements(runs[0]).all()[-1]
    assert (stored.by, stored.outcome, stored.verifier_outcome) == ("ann", "wrong", "pass")
    others = panel.get_by_label("Compare with another response")
    failed = others.locator("option").filter(has_text="fail").first.get_attribute("value")
    others.select_option(failed)
    page.wait_for_url("**with=*")
    compared = page.get_by_role("region", name="Two responses")
    expect(compared).to_contain_text("another number")
    expect(page.get_by_role("button", name="Back to the tree")).to_be_focused()
    # 6. the same page from its address
    link = page.url
    page.goto("/runs/one")
    expect(page.get_by_text("People agree with the verifier")).to_be_visible()
    page.goto(link)
    expect(compared).to_contain_text("another number")
    page.go_back()
    expect(page.get_by_text("14 problems").first).to_be_visible()


def test_what_speaks_against_training_comes_first(page: Page, runs: list[Path]) -> None:
    write_report(RunFolder.read(runs[0]))
    page.goto("/runs/one")
    page.get_by_text("warnings before you train on this").click()
    expect(page.get_by_text("berry clean", exact=False).first).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    expect(report.get_by_role("heading", name="Funnel", exact=True)).to_be_visible()
    # Its own style applies, under a policy that runs no script.
    assert report.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"


def test_save_a_selection(page: Page, runs: list[Path]) -> None:
    page.goto("/runs/one?domain=geometry")
    expect(page.get_by_text("6 of 14 problems")).to_be_visible()
    page.get_by_text("Save these problems as a selection").click()
    page.get_by_label("Name of the selection").fill("geo")
    page.get_by_role("button", name="Save selection").click()
    expect(page.get_by_text("--selection geo")).to_be_visible()
    assert len(read_selection(runs[0], "geo").problem_ids) == 6


def test_enter_in_a_field_presses_no_button(page: Page, runs: list[Path]) -> None:
    page.goto("/runs/one")
    page.keyboard.press("/")
    page.keyboard.type("7 + 1")
    expect(page.get_by_text("1 of 14 problems")).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/problems/*")
    before = len(Judgements(runs[0]).all())
    name = page.get_by_label("Your name")
    name.fill("ann")
    name.press("Enter")
    page.get_by_role("button", name="Unsure").click()
    expect(page.get_by_text("unsure", exact=True)).to_be_visible()
    assert [one.outcome for one in Judgements(runs[0]).all()[before:]] == ["unsure"]


def test_the_error_of_a_selection_goes_when_it_is_mended(browser: Browser, address: str) -> None:
    # Not the fixture: the browser logs the answer 400.
    with watched(browser, base_url=address) as found:
        page = found.page
        page.goto("/runs/two")
        page.get_by_text("Save these problems as a selection").click()
        name, save = page.get_by_label("Name of the selection"), page.get_by_text("Save selection")
        name.fill(".")
        save.click()
        expect(page.get_by_role("alert")).to_contain_text("expected 1 to 64 letters")
        name.fill("all")
        save.click()
        expect(page.get_by_text("--selection all")).to_be_visible()
        expect(page.get_by_text("expected 1 to 64 letters")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/runs/three", "expected one of one, two"),
        ("/runs/one/problems/nowhere", "got nowhere"),
        ("/runs/one?min_rate=7", "min_rate"),
        ("/compare?a=one&b=three", "expected one of one, two"),
    ],
)
def test_mistakes_are_shown(browser: Browser, address: str, path: str, text: str) -> None:
    with watched(browser, base_url=address) as found:
        found.page.goto(path)
        expect(found.page.get_by_role("alert").first).to_contain_text(text)
        # The browser itself logs that a call was refused.
        assert all("Failed to load resource" in one for one in found.faults)


def test_hostile_text_is_only_text(browser: Browser, address: str, runs: list[Path]) -> None:
    path = problem_address(runs[0], "onerror")
    with watched(browser, viewport={"width": 1200, "height": 900}, base_url=address) as found:
        page = found.page
        for target in (
            "/runs/one",
            "/runs/one?q=onerror",
            path,
            f"{path}?node=2&with=4",
            "/compare?a=one&b=two",
        ):
            page.goto(target)
            page.wait_for_load_state("networkidle")
            assert page.title() != "run"
            assert page.locator("main img, main script, main iframe, main style").count() == 0
            hrefs = page.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
            assert all(one is None or one.startswith(("/", "#")) for one in hrefs)
        page.goto(f"{path}?node=2")
        expect(page.locator(".panel")).to_contain_text("<script>document.title='run'</script>")
        page.get_by_role("button", name="Show source").first.click()
        assert page.title() != "run"
        # A formula of any size stays in its box.
        found.check_width()
        found.check()


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1200, "dark"), (2000, "light")])
def test_readable_everywhere(
    browser: Browser, address: str, runs: list[Path], width: int, scheme: Any
) -> None:
    size: Any = {"width": width, "height": 900}
    with watched(browser, viewport=size, color_scheme=scheme, base_url=address) as found:
        for path in (
            "/",
            "/runs/one",
            problem_address(runs[0], "Compute $3"),
            problem_address(runs[0], "large"),
            problem_address(runs[0], "Compute $3", node=4, with_=7),
            "/compare?a=one&b=two",
        ):
            found.page.goto(path)
            found.page.wait_for_load_state("networkidle")
            found.check_width()
            if width != 2000:
                found.check_access()
        found.check()


def test_a_run_of_the_simulated_engine_while_it_grows(
    browser: Browser, cluster: str, tmp_path: Path
) -> None:
    done = run_berry(
        tmp_path, "run", ROOT / "configs" / "simulated.yaml", "output=out", "problems.size=24",
        "dataset.part_bytes=1", "--address", cluster,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    # As the run was before its last parts: it is under way, and the first part is committed.
    names = sorted(one.name for one in (out / "journal").glob("*.json"))
    later = {
        out / "journal" / one: (out / "journal" / one).read_bytes() for one in names[:1] + names[2:]
    }
    for file in later:
        file.unlink()
    first = RunFolder.read(out).counts.problems
    with ExitStack() as stack:
        address = stack.enter_context(viewer(out))
        found = stack.enter_context(watched(browser, base_url=address))
        stack.enter_context(closing(lock_folder(out)))
        found.page.goto("/")
        expect(found.page.get_by_text(f"{first} problems", exact=True)).to_be_visible()
        expect(found.page.get_by_text("running", exact=True)).to_be_visible()
        for file, content in later.items():
            publish(file, content)
        whole = RunFolder.read(out).counts.problems
        assert whole > first
        # The page sees by itself that there is more.
        expect(found.page.get_by_text(f"{whole} problems", exact=True)).to_be_visible(timeout=20_000)
        expect(found.page.get_by_text("complete", exact=True)).to_be_visible(timeout=20_000)
        found.check()


def test_wrong_folder_is_one_line(tmp_path: Path) -> None:
    done = run_berry(tmp_path, "ui", "nothing")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "expected a run folder" in done.stderr
