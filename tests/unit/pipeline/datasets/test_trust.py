"""The trust report: what is measured, what is missing, and a section that is renewed in place."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.card import current_card, render_card, renew_views, update_card
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.trust.section import BEGIN, END, renew_section, trust_section
from pipeline.datasets.trust.stored import measured_state, read_trust
from pipeline.derive.trust import record
from pipeline.derive.whole import check_run
from tests.runs import commit_tables
from tests.unit.pipeline.datasets.test_card import VIEWS_STORED, folder, make_trace

__all__ = ["folder"]

AGREEMENT = {"stored_by": ["test 1"], "judged_by": "math 7", "agreement": 0.75, "decided": 20}
RATE = {"rate": 0.5, "low": 0.2, "high": 0.8, "judged": 10, "abstained": 1}
AUDIT = {"wrong": RATE, "right": RATE, "problems": 5, "verifier": "math 7", "not_audited": {"odd": 2}}
HYGIENE: dict[str, Any] = {
    "duplicates": {"problems": 3, "responses": 12},
    "contamination": {"against": ["gsm8k"], "problems": 4, "exact": 1, "numbers_changed": 3},
}
STALE = "measured on an earlier state of the data"


def section_of(folder: RunFolder) -> str:
    text = (folder.path / "README.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    return text.split(BEGIN)[1].split(END)[0]


def change(folder: RunFolder) -> RunFolder:
    """Another part: the folder has other data."""
    trace = make_trace(9, 1)
    done = EncodedTrace.of(trace, views=VIEWS_STORED)
    again = RunFolder.reopen(folder.path)
    try:
        tables = {view: decode(view, [done]) for view in VIEWS_STORED}
        again.resume()
        commit_tables(again, 1, [trace.problem.id], tables, done.counts)
        again.finish({"problems": 6})
    finally:
        again.close()
    return RunFolder.read(folder.path)


def test_what_was_not_measured_is_named_with_its_command(folder: RunFolder) -> None:
    text = "\n".join(trust_section(folder))
    for command in (
        "verify OUT --with CONFIG --record",
        "audit-verifier OUT",
        "clean OUT --output FOLDER --against FILE --record",
    ):
        assert f"not measured; `berry {command}` measures it" in text
    assert "| Verifiers | `test 1` (20 verdicts) |" in text
    assert "| Abstentions | 0.0% of 20 verdicts |" in text
    assert "Brier score" in text
    assert "| predicted pass rate |" in text


def test_counts_of_earlier_versions_lack_verifiers_and_calibration(folder: RunFolder) -> None:
    flat = folder.counts.to_dict().items()
    old = {key: n for key, n in flat if not key.startswith(("verifier.", "calibration."))}
    folder.counts = Counts.from_dict(old)
    text = "\n".join(trust_section(folder))
    assert "not counted by the version of berry that wrote them (20 verdicts)" in text
    assert "| Calibration of step labels | unknown" in text


def test_records_are_in_the_card_and_next_to_it(folder: RunFolder) -> None:
    update_card(folder)
    readme = folder.path / "README.md"
    readme.write_text(readme.read_text().replace("# Verified", "# My") + "\nMy own end.\n")
    record(folder.path, "agreement", AGREEMENT)
    record(folder.path, "audit", AUDIT)
    record(folder.path, "hygiene", HYGIENE)
    assert read_trust(folder.path)["hygiene"]["facts"] == HYGIENE
    section = section_of(folder)
    assert "75.00% of 20 responses that both decide; verdicts of `test 1` and `math 7`" in section
    assert "50% (95% interval 20% to 80%) of 10 answers that are wrong by rule" in section
    assert "judged by `math 7` (no verdict of this run is its own), which abstained on 1" in section
    assert "| Targets without a rule for answers | odd (2) problems |" in section
    assert "3 problems and 12 responses that repeat an earlier one" in section
    leaks = (
        "4 problems that are questions of `gsm8k`: 1 exactly, 0 in other words, 3 with other numbers"
    )
    assert leaks in section
    assert "not measured" not in section
    assert STALE not in section
    assert "# My reasoning traces" in readme.read_text()
    assert readme.read_text().endswith("\nMy own end.\n")


def test_parts_of_hygiene_may_be_missing(folder: RunFolder) -> None:
    record(folder.path, "hygiene", {"duplicates": {"problems": 0, "responses": 0}})
    section = section_of(folder)
    assert "| Duplicates | 0 problems and 0 responses that repeat an earlier one |" in section
    assert (
        "| Contamination | not measured; `berry clean OUT --output FOLDER --against FILE --record` "
        in section
    )


@pytest.mark.parametrize(
    "write",
    [
        update_card,
        lambda changed: renew_views(changed, "traces", has_changed=True),
        lambda changed: record(changed.path, "other", {}),
    ],
)
def test_data_that_changed_since_is_noticed_by_all_cards(
    folder: RunFolder, write: Callable[[RunFolder], None]
) -> None:
    update_card(folder)
    record(folder.path, "agreement", AGREEMENT)
    changed = change(folder)
    write(changed)
    assert STALE in section_of(changed)
    pushed = current_card(folder, render_card(folder), "me/mine", ["traces"])
    assert STALE not in pushed


def test_merging_or_deriving_again_changes_no_measurement(folder: RunFolder) -> None:
    before = measured_state(folder)
    state = folder.parts.state
    folder.parts.state += 1
    assert measured_state(folder) == before
    folder.parts.state = state
    assert measured_state(change(folder)) != before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"facts": 3, "state": "x"}', '{"state": "x"}'])
def test_a_damaged_file_costs_its_own_lines_only(folder: RunFolder, content: str) -> None:
    record(folder.path, "hygiene", HYGIENE)
    (folder.path / "trust" / "audit.json").write_text(content)
    update_card(folder)
    section = section_of(folder)
    assert section.count("damaged; `berry audit-verifier OUT` measures it again") == 2
    assert "3 problems and 12 responses that repeat an earlier one" in section
    with pytest.raises(FolderError, match=r"audit\.json: is damaged; delete it, or measure again"):
        read_trust(folder.path)


def test_facts_of_another_form_count_as_damaged(folder: RunFolder) -> None:
    record(folder.path, "audit", {"wrong": 3})
    assert "damaged; `berry audit-verifier OUT`" in section_of(folder)


def test_a_measurement_leaves_the_run_sound(folder: RunFolder) -> None:
    record(folder.path, "audit", AUDIT)
    again = RunFolder.claim(folder.path, folder.run)
    again.close()
    assert (folder.path / "trust" / "audit.json").is_file()


def test_the_card_of_a_run_under_way_stays_its_own(folder: RunFolder) -> None:
    update_card(folder)
    before = (folder.path / "README.md").read_bytes()
    running = RunFolder.reopen(folder.path)
    try:
        running.resume()
        record(folder.path, "agreement", AGREEMENT)
        assert (folder.path / "README.md").read_bytes() == before
        update_card(running)
    finally:
        running.close()
    assert "75.00% of 20 responses" in section_of(folder)


LINES = st.lists(st.sampled_from([BEGIN, END, "a", "", "## What was dropped, and why"]), max_size=12)


@given(LINES)
def test_a_section_is_renewed_once_and_the_rest_stays(lines: list[str]) -> None:
    text = "\n".join([*lines, ""])
    once = renew_section(text, [BEGIN, "one", END])
    assert once.splitlines().count("one") == 1
    assert renew_section(once, [BEGIN, "one", END]) == once
    two = renew_section(once, [BEGIN, "two", END])
    assert two == once.replace("\none\n", "\ntwo\n")
    kept = [line for line in once.splitlines() if line in ("a", "## What was dropped, and why")]
    given_lines = [line for line in lines if line in ("a", "## What was dropped, and why")]
    if BEGIN not in lines or END not in lines:
        assert kept == given_lines


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda text: text[:-20], "is damaged; delete it, or measure again"),
        (lambda text: text.replace("0.75", "0.95"), "its checksum does not match its content"),
    ],
)
def test_a_check_of_the_run_finds_damaged_measurements(
    folder: RunFolder, harm: Callable[[str], str], why: str
) -> None:
    num_files = check_run(folder.path).num_files
    record(folder.path, "audit", AUDIT)
    record(folder.path, "agreement", {**AGREEMENT, "by_level": {2: 1, 10: 3}})
    sound = check_run(folder.path)
    assert (sound.damage, sound.num_files) == ([], num_files + 2)
    file = folder.path / "trust" / "agreement.json"
    file.write_text(harm(file.read_text()))
    (line,) = check_run(folder.path).damage
    assert line.startswith(f"{file}: ")
    assert why in line
    # No repair can make it again.
    assert check_run(folder.path, repair=True).remaining == [line]


def test_a_measurement_of_an_earlier_version_has_no_checksum(folder: RunFolder) -> None:
    record(folder.path, "audit", AUDIT)
    file = folder.path / "trust" / "audit.json"
    content = json.loads(file.read_text())
    del content["checksum"]
    file.write_text(json.dumps(content))
    assert check_run(folder.path).damage == []
    assert read_trust(folder.path)["audit"]["facts"] == AUDIT
