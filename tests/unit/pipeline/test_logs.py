"""What a log line says, and where it goes."""

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.logs import about_problem, also_to, configure, current_level, output_to

_LOG = logging.getLogger("pipeline.somewhere")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    names = ("pipeline", "verifiers", "reward_models", "sandbox")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.level, [*one.handlers], one.propagate) for one in loggers]
    yield
    for one, (level, handlers, propagate) in zip(loggers, before, strict=True):
        one.level, one.handlers, one.propagate = level, handlers, propagate


def test_a_person_sees_warnings_as_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")
    _LOG.info("not shown")
    with about_problem("ab12"):
        _LOG.warning("two\nlines")
    assert capsys.readouterr().err == "berry: warning: two lines problem=ab12\n"


def test_lower_levels_have_time_and_module(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug")
    _LOG.debug("shown")
    assert capsys.readouterr().err.endswith(" DEBUG pipeline.somewhere: shown\n")
    assert current_level() == logging.DEBUG


def test_configuring_twice_shows_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")
    configure("warning")
    _LOG.warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_file_gets_more_than_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure("error")
    with also_to(tmp_path / "logs" / "berry.log"), about_problem("ab12"):
        _LOG.info("for later")
    _LOG.info("after the run")
    text = (tmp_path / "logs" / "berry.log").read_text()
    assert text.endswith(" INFO pipeline.somewhere problem=ab12: for later\n")
    assert len(text.splitlines()) == 1
    assert capsys.readouterr().err == ""


def test_problems_ids_nest_and_end() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    configure("debug")
    keep = Keep()
    keep.addFilter(_LOG.parent.handlers[0].filters[0])  # type: ignore[union-attr]
    _LOG.parent.addHandler(keep)  # type: ignore[union-attr]
    with about_problem("one"):
        with about_problem("two"):
            _LOG.info("inner")
        _LOG.info("outer")
    _LOG.info("none")
    assert [record.about for record in records] == [" problem=two", " problem=one", ""]  # type: ignore[attr-defined]


def test_output_goes_to_a_file_and_that_of_processes_begun_meanwhile_does_to_their_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log"
    with output_to(file):
        os.write(1, b"inside\n")
        process = subprocess.Popen(["sh", "-c", "read line; echo $line >&2"], stdin=subprocess.PIPE)
    os.write(1, b"outside\n")
    process.communicate(b"later\n")
    assert file.read_text() == "inside\nlater\n"
    assert capfd.readouterr().out == "outside\n"
