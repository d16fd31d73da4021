"""People's verdicts: stored one by one, read back in order, and compared with the verifier's."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.trust.people import JUDGEMENTS, Agreement, Judgement, Judgements
from pipeline.datasets.trust.section import trust_section
from tests.runs import make_trace, write_run


def judgement(
    leaf: int, outcome: str, verifier: str | None, node: int | None = None, by: str = "ann"
) -> Judgement:
    return Judgement.model_validate(
        {
            "problem_id": "p",
            "leaf": leaf,
            "node": node,
            "outcome": outcome,
            "by": by,
            "verifier_outcome": verifier,
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [make_trace("two", "2", [("2", True), ("3", False)])])


def test_stored_and_read_back_in_order(run: Path) -> None:
    given = [judgement(leaf, "right", "pass") for leaf in range(1, 8)]
    stored = [Judgements(run).add(one) for one in given]
    assert Judgements(run).all() == stored
    assert all(one.time for one in stored)


def test_two_writers_lose_nothing(run: Path) -> None:
    one, other = Judgements(run), Judgements(run)
    one.add(judgement(1, "right", "pass"))
    other.add(judgement(2, "wrong", "pass"))
    one.add(judgement(3, "unsure", "pass"))
    assert [found.leaf for found in one.all()] == [1, 2, 3]
    assert other.all() == one.all()


def test_damaged_file_is_passed_over(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    Judgements(run).add(judgement(1, "right", "pass"))
    (run / JUDGEMENTS / "20000101-x.json").write_text('{"problem_id": 3')
    assert [one.leaf for one in Judgements(run).all()] == [1]
    assert "20000101-x.json is damaged" in caplog.text


def test_none_without_a_folder(tmp_path: Path) -> None:
    assert Judgements(tmp_path).all() == []
    assert Agreement.of([]) == Agreement()


@pytest.mark.parametrize(
    ("person", "verifier", "agrees"),
    [
        ("right", "pass", True),
        ("right", "fail", False),
        ("wrong", "pass", False),
        ("wrong", "fail", True),
        ("unsure", "pass", None),
        ("right", "abstain", None),
        ("wrong", "error", None),
        ("right", None, None),
    ],
)
def test_agreement_with_the_verifier(person: str, verifier: str | None, agrees: bool | None) -> None:
    assert judgement(1, person, verifier).agrees is agrees
    # No verifier judges a step.
    assert judgement(1, person, verifier, node=1).agrees is None


def test_newest_verdict_of_a_person_counts() -> None:
    found = Agreement.of(
        [
            judgement(1, "right", "pass"),
            judgement(1, "wrong", "pass"),
            judgement(1, "right", "pass", by="bob"),
            judgement(2, "right", "fail"),
            judgement(3, "unsure", "fail"),
            judgement(4, "right", "abstain"),
            judgement(1, "wrong", "pass", node=1),
        ]
    )
    figures = (found.judged, found.agree, found.false_passes, found.false_fails, found.unsure)
    assert figures == (6, 1, 1, 1, 1)
    assert found.undecided == 2
    assert found.interval is not None
    assert 0 < found.interval.low < 1 / 3 < found.interval.high < 1


def test_a_verdict_is_one_of_three() -> None:
    with pytest.raises(ValidationError):
        judgement(1, "maybe", "pass")


def test_trust_report_says_what_people_say(run: Path) -> None:
    section = "\n".join(trust_section(RunFolder.read(run)))
    assert "| Verdicts of people | none; `berry ui OUT` takes them |" in section
    Judgements(run).add(judgement(1, "wrong", "pass"))
    Judgements(run).add(judgement(2, "wrong", "fail"))
    section = "\n".join(trust_section(RunFolder.read(run)))
    assert "agree with the verifier on 1 of 2 responses (50.0%" in section
    assert "1 that passed are wrong, 0 that failed are right" in section
