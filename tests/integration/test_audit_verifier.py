"""`berry audit-verifier OUT`: mistakes of a weak verifier are found, a sound one has none."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from pipeline.audit.audit import audit, draw
from pipeline.audit.made import Known
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.stored import read_trust
from tests.conftest import Berry, Finished
from tests.unit.pipeline.cli.test_json import facts
from tests.unit.pipeline.datasets.test_reader import RUN
from verifiers.catalog import VERIFIER, build_verifier

pytestmark = pytest.mark.ray

WEAK = """
from pydantic import BaseModel
from verifiers import Outcome, Verdict


class Weak:
    name, version = "weak", "1"

    class Config(BaseModel):
        pass

    def __init__(self, config):
        pass

    async def verify(self, prompt, response, target):
        {check}
        return Verdict(outcome=Outcome.PASS if found else Outcome.FAIL, reason="looked for the text")
"""


@pytest.fixture
def out(finished: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.out, tmp_path / "out"))


@pytest.fixture(autouse=True)
def _configs(here: Berry, tmp_path: Path) -> None:
    for name, check in (
        ("weak", "found = target.value in response"),
        ("broken", "raise ValueError('never')"),
    ):
        (tmp_path / f"{name}.py").write_text(WEAK.format(check=check))
        (tmp_path / f"{name}.yaml").write_text(f"verifier: {{use: '{name}:Weak'}}\n")
    (tmp_path / "math.yaml").write_text("verifier: {use: math}\n")


def test_mistakes_of_a_weak_verifier_are_found(here: Berry, out: Path, tmp_path: Path) -> None:
    done = here("audit-verifier", out, "--with", "weak.yaml", "--output", "mistakes.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    found = facts(done.stdout)
    of_rule = {(one["known"], one["rule"]): one for one in found["rules"]}
    # The text of the right number is in all of these, and in none of those.
    for rule in ("two_answers", "two_boxes", "right_then_wrong"):
        one = of_rule["wrong", rule]
        assert one["passed"] == one["made"] > 0
    assert of_rule["wrong", "empty"]["failed"] == 24
    assert of_rule["right", "boxed"]["passed"] == 24
    assert of_rule["right", "thousands_separators"]["failed"] > 0
    assert 0 < found["wrong"]["low"] < found["wrong"]["rate"] < found["wrong"]["high"] < 1
    rows = [json.loads(line) for line in (tmp_path / "mistakes.jsonl").read_text().splitlines()]
    assert len(rows) == found["wrong"]["mistakes"] + found["right"]["mistakes"]
    assert {(row["known"], row["outcome"]) for row in rows} == {("wrong", "pass"), ("right", "fail")}
    assert 2 <= len(found["examples"]) <= 10
    assert "weak 1` (no verdict of this run is its own)" in (out / "README.md").read_text()
    assert read_trust(out)["audit"]["facts"]["wrong"] == found["wrong"]


def test_a_sound_verifier_has_no_mistake_and_the_run_stays(here: Berry, out: Path) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = here("audit-verifier", out, "--with", "math.yaml", "--problems", 10, "--no-record")
    assert done.returncode == 0, done.stderr
    assert "wrong answers that passed  0% (0 of" in done.stdout
    assert "right answers that failed  0% (0 of" in done.stdout
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_card_has_the_agreement_and_the_run_stays_sound(here: Berry, out: Path) -> None:
    assert here("verify", out, "--with", "math.yaml", "--record").returncode == 0
    assert here("audit-verifier", out, "--problems", 5).returncode == 0
    assert "100.00% of" in (out / "README.md").read_text()
    assert here("check", out).returncode == 0
    assert here("export", out, "--as", "outcomes").returncode == 0
    assert here("compact", out).returncode == 0
    card = (out / "README.md").read_text()
    assert "100.00% of" in card
    assert "on 5 problems" in card
    assert "earlier state" not in card
    trees = next((out / "data" / "trees").iterdir())
    trees.write_bytes(b"damaged")
    assert here("check", out, "--repair").returncode == 0
    assert (out / "README.md").read_text().count("measured on an earlier state of the data") == 3


def test_the_same_seed_draws_the_same_problems(finished: Finished) -> None:
    reader = RunReader.open(finished.out)
    five, ten = draw(reader, 5, 0), draw(reader, 10, 0)
    assert ten[:5] == five
    assert draw(reader, 10, 1) != ten
    assert len(draw(reader, 1000, 0)) == 24
    verifier = VERIFIER.part({"use": "exact"})
    one, two = (
        asyncio.run(audit(finished.out, build_verifier(verifier), num_problems=7, seed=3))
        for _ in range(2)
    )
    assert one.outcomes == two.outcomes
    assert one.problems == 7
    assert one.rate(Known.WRONG).mistakes == 0


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["OUT", "--with", "broken.yaml"], 1, "every verdict is an error; the most common reason"),
        (["nowhere"], 2, "nowhere: expected a run folder"),
        (["OUT", "--with", "none.yaml"], 2, "none.yaml: cannot be read"),
        (["OUT", "--output", "math.yaml"], 2, "already exists"),
        (["OUT", "--problems", "0"], 2, "expected a whole number of 1 or more"),
        (["EMPTY"], 2, "expected a run with a committed part, found none yet"),
    ],
)
def test_what_is_wrong_is_said(
    here: Berry, out: Path, tmp_path: Path, arguments: list[str], status: int, complaint: str
) -> None:
    RunFolder.claim(tmp_path / "empty", RUN).close()
    named = {"OUT": str(out), "EMPTY": str(tmp_path / "empty")}
    done = here("audit-verifier", *(named.get(one, one) for one in arguments))
    assert done.returncode == status, done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "trust").exists()
