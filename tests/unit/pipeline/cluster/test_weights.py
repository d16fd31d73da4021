"""Requests for new weights: files in the run folder, which may hold anything."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cluster.weights import Answer, Bundle, WeightsDesk, request_weights
from pipeline.errors import RunFailure, UserMistake
from pipeline.files.locks import lock_folder
from tests.patience import until

BUNDLE = Bundle(version="0001", engine="models/a", reward_models={1: "models/prm"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.weights.requests._POLL_SECONDS", 0.01)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A folder to which a run is writing."""
    with contextlib.closing(lock_folder(tmp_path)):
        yield tmp_path


class Driver:
    """Changes weights as it is told to, and remembers the bundles."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.bundles = answer, list[Bundle]()

    async def change(self, bundle: Bundle) -> Answer:
        self.bundles.append(bundle)
        return self.answer


async def ask(folder: Path, **weights: object) -> Answer:
    return await asyncio.to_thread(request_weights, folder, **weights)  # type: ignore[arg-type]


async def test_a_request_is_answered_and_what_was_changed_stays(running: Path) -> None:
    desk, driver = WeightsDesk(running), Driver(Answer(version="0001", changed=("worker 0",)))
    serving = asyncio.create_task(desk.serve(driver.change))
    assert await ask(running, engine="models/a", reward_models={1: "models/prm"}) == driver.answer
    assert driver.bundles == [BUNDLE]
    assert desk.current() == BUNDLE
    driver.answer = Answer(version="0002", changed=("worker 0",), refused=("worker 1: died",))
    assert (await ask(running, engine="models/b")).refused == ("worker 1: died",)
    # The reward model keeps the weights of the earlier bundle.
    assert desk.current() == Bundle(version="0002", engine="models/b", reward_models={1: "models/prm"})
    driver.answer = Answer(version="0003", refused=("no",), is_mistake=True)
    assert (await ask(running, engine="models/c")).is_mistake
    current = desk.current()
    assert current is not None
    assert current.engine == "models/b"
    serving.cancel()


async def test_files_that_are_no_requests_do_not_end_the_run(running: Path) -> None:
    folder = running / "weights"
    folder.mkdir()
    (folder / ".0001.request.json").write_text("being writ")
    for name, content in (("0002", "{"), ("0003", "[]"), ("0004", '{"version": "0004"}')):
        (folder / f"{name}.request.json").write_text(content)
    (folder / "notes.txt").write_text("")
    driver = Driver(Answer(version="0005", changed=("worker 0",)))
    serving = asyncio.create_task(WeightsDesk(running).serve(driver.change))
    await until(lambda: all((folder / f"{n:04d}.answer.json").exists() for n in (2, 3, 4)))
    assert driver.bundles == []
    assert (await ask(running, engine="models/a")).changed == ("worker 0",)
    serving.cancel()


def test_a_run_that_is_not_running_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="expected new weights: --engine MODEL"):
        request_weights(tmp_path)
    (tmp_path / ".lock").touch()
    with pytest.raises(UserMistake, match="expected a run that is running, found none"):
        request_weights(tmp_path, engine="m")


def test_a_run_that_ends_first_is_named(tmp_path: Path) -> None:
    threading.Timer(0.05, lock_folder(tmp_path).close).start()
    with pytest.raises(RunFailure, match="the run ended before it answered"):
        request_weights(tmp_path, engine="m")
