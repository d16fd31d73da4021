"""benchmarks/README.md is put together from what each part measured, and says where it was measured."""

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.measure import Measured
from benchmarks.page import PAGE, Part, page, render

_ROW = Measured(what="speed", figures="3 (2 to 4)", ratio="1.5", goal="at least 1", met=True)


def _part(name: str, section: str = "", seconds: float | None = 30.0) -> Part:
    return Part(
        name=name, rows=[_ROW], section=section, machine="2 cores", date="2026-01-02", seconds=seconds
    )


def test_page_is_what_was_measured() -> None:
    assert PAGE.read_text() == page(command.NAMES)


def test_part_is_read_as_it_was_saved(tmp_path: Path) -> None:
    part = _part("labels", "## Labels\nText.")
    part.save(tmp_path)
    assert Part.load("labels", tmp_path) == part
    assert Part.load("traces", tmp_path) is None


def test_each_part_says_where_and_how_it_was_measured() -> None:
    text = render([_part("memory"), _part("labels", "## Labels\n\nText.", 600.0)], ["memory", "labels"])
    assert (
        "## Labels\n2 cores, 2026-01-02, in 10 minutes: `python -m benchmarks labels`.\n\nText." in text
    )
    assert "2 cores, 2026-01-02, in 30 seconds: `python -m benchmarks memory`." in text
    assert "All parts together take 10 minutes." in text


def test_total_is_left_out_if_the_time_of_a_part_is_unknown() -> None:
    assert "All parts" not in render([_part("memory"), _part("labels", "## L", None)], ["memory"])


def test_a_part_that_breaks_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Measured:
        raise RuntimeError("no file")

    saved: list[str] = []
    pages: list[object] = []
    monkeypatch.setattr(command, "_BENCHMARKS", {"first": breaks, "second": lambda: _ROW})
    monkeypatch.setattr(command, "_SECTIONS", {})
    monkeypatch.setattr(command, "NAMES", ["first", "second"])
    monkeypatch.setattr(Part, "save", lambda self: saved.append(self.name))
    monkeypatch.setattr(command, "write_page", pages.append)
    with pytest.raises(SystemExit, match="broke off: first"):
        command.main([])
    assert saved == ["second"]
    assert len(pages) == 1
