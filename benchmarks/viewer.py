"""The part `viewer` of the benchmarks: `berry ui` on a large run and on a large tree, in Chromium."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.exporting import PART_PROBLEMS, repeated_run, simulated_part
from benchmarks.measure import CONFIGS, Measured, spread
from pipeline.datasets.reader import RunReader

_PARTS, _ROUNDS, _FRAMES = 101, 5, 120
_LEAST_NODES, _FEWEST_PLACES, _MOST_ZOOMS = 2000, 10, 30
_BERRY = str(Path(sys.executable).parent / "berry")
_LARGE_TREE = [
    "problems.size=1",
    "strategy.rollouts=200",
    "strategy.points=3",
    "strategy.branches=3",
]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_CALLS = {
    "the first page of problems": "problems?limit=50",
    "text in the problems, sorted by pass rate": "problems?q=77&sort=rate&descending=1",
    "text in a verdict's reason": "problems?reason=other",
    "sorted by text": "problems?sort=text",
    "the run's figures": "",
}
_MOVE = """async ([frames, zooms]) => {
  const svg = document.querySelector(".canvas svg"), times = [], places = new Set();
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame += 1) {
    const way = frame % 40 < 20 ? 1 : -1;
    svg.dispatchEvent(new WheelEvent("wheel", {
      deltaX: zooms ? 0 : 30 * way, deltaY: zooms ? 15 * way : 45 * way, ctrlKey: zooms, bubbles: true,
      cancelable: true, clientX: 400, clientY: 500 }));
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
    places.add(svg.firstElementChild.getAttribute("transform"));
  }
  return [times, places.size];
}"""
_TEXT = """## Viewer
`berry ui` on a run of {problems:,} problems with {responses:,} responses ({part:,} by the simulated
engine, repeated; {size:.0f} MB), in headless Chromium without a GPU. To restore the same trees one by
one takes {restore:.0f} s; the viewer reads the columns that it needs.

| answer of the server, all problems read | ms |
|---|---|
{calls}

A tree of {nodes:,} nodes, all open: milliseconds from frame to frame.

| | median (range over the frames) |
|---|---|
{frames}"""


def large_run_and_tree() -> tuple[list[Measured], str]:
    """Time to the first page, of each call, and of a frame."""
    with tempfile.TemporaryDirectory(prefix="viewer-") as name, _chromium() as browser:
        folder = Path(name)
        run = repeated_run(folder / "large", simulated_part(folder), _PARTS)
        counts, size = (
            RunReader.open(run).folder.counts,
            sum(file.stat().st_size for file in (run / "data" / "trees").iterdir()),
        )
        first = [_first_page(browser, run) for _ in range(_ROUNDS)]
        with _viewer(run) as address:
            read = _wait_until_read(address, run.name)
            calls = {what: _call(address, run.name, call) for what, call in _CALLS.items()}
        start = time.perf_counter()
        part = next(iter(RunReader.open(run).parts))
        for _ in RunReader.open(run).traces(part):
            pass
        restore = (time.perf_counter() - start) * _PARTS
        nodes, frames = _frames(browser, folder)
    painted = [one for one, _ in first]
    worst = max(statistics.median(one) for one in frames.values())
    rows = [
        Measured(
            what=f"viewer: seconds from opening the address to the first page, {counts.problems:,} "
            "problems, right after `berry ui` began to listen",
            figures=spread(painted, 2),
            ratio=f"the last part is read {read:.1f} s after it began to listen; start of the command "
            f"{statistics.median([start for _, start in first]):.1f} s",
            goal="under 1 s",
            met=statistics.median(painted) < 1,
        ),
        Measured(
            what=f"viewer: ms from frame to frame in a tree of {nodes:,} nodes",
            figures="; ".join(f"{what}: {spread(times)}" for what, times in frames.items()),
            ratio=f"{worst:.0f} ms",
            goal="at most 60 ms",
            met=worst <= 60,
        ),
    ]
    text = _TEXT.format(
        problems=counts.problems,
        responses=counts.rollouts,
        part=PART_PROBLEMS,
        size=size / 1e6,
        restore=restore,
        calls="\n".join(f"| {what} | {spread(times)} |" for what, times in calls.items()),
        nodes=nodes,
        frames="\n".join(f"| {what} | {spread(times)} |" for what, times in frames.items()),
    )
    return rows, text


def _first_page(browser: Browser, run: Path) -> tuple[float, float]:
    """Seconds until the first problems are on the page, and until the command listens."""
    start = time.perf_counter()
    with _viewer(run) as address:
        listening = time.perf_counter()
        page = browser.new_page()
        page.goto(f"{address}/runs/{run.name}")
        page.locator(".list tbody tr").nth(49).wait_for()
        seconds = time.perf_counter() - listening
        page.close()
    return seconds, listening - start


def _wait_until_read(address: str, name: str) -> float:
    """Seconds until every part is read."""
    start = time.perf_counter()
    while not _get(f"{address}/api/runs/{name}")["is_read"]:
        time.sleep(0.02)
    return time.perf_counter() - start


def _call(address: str, name: str, call: str) -> list[float]:
    """Milliseconds of a call, several times."""
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        _get(f"{address}/api/runs/{name}/{call}".rstrip("/"))
        times.append(1000 * (time.perf_counter() - start))
    return times


def _frames(browser: Browser, folder: Path) -> tuple[int, dict[str, list[float]]]:
    """The nodes of a large tree, and milliseconds between frames while it moves."""
    out = folder / "tree"
    config = str(CONFIGS / "simulated.yaml")
    command = [_BERRY, "run", config, f"output={out}", *_LARGE_TREE]
    subprocess.run(command, check=True, capture_output=True)
    (row,) = RunReader.open(out).rows("trees")
    if len(row["nodes"]) < _LEAST_NODES:
        raise RuntimeError(f"expected a tree of {_LEAST_NODES} nodes, got {len(row['nodes'])}")
    with _viewer(out) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{address}/runs/{out.name}/problems/{row['problem_id']}")
        page.get_by_role("button", name="Open all").click()
        found = {"zooming in and out, from the whole tree": _moving(page, zooms=True)}
        for _ in range(_MOST_ZOOMS):
            if page.locator(".canvas svg text").count():
                break
            page.get_by_role("button", name="Zoom in").click()
        found["moving, boxes with text"] = _moving(page)
        page.close()
    return len(row["nodes"]), found


def _moving(page: Page, *, zooms: bool = False) -> list[float]:
    times, num_places = page.evaluate(_MOVE, [_FRAMES, zooms])
    if num_places < _FEWEST_PLACES:
        raise RuntimeError(f"expected a picture that moves, got {num_places} places of it")
    return list(times)


def _get(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address) as answer:
        found: dict[str, object] = json.load(answer)
    return found


@contextmanager
def _viewer(run: Path) -> Iterator[str]:
    """The address of `berry ui`."""
    command = [_BERRY, "ui", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found is not None
        try:
            yield found.group()
        finally:
            process.terminate()


@contextmanager
def _chromium() -> Iterator[Browser]:
    program = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError("expected Chromium, found none: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()
