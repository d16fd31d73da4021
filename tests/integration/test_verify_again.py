"""`berry verify OUT --with CONFIG`: the stored responses, judged by another verifier."""

import json
from pathlib import Path

import pytest

from pipeline.datasets.reader import RunReader
from tests.conftest import Berry, Finished
from tests.unit.pipeline.cli.test_json import facts

pytestmark = pytest.mark.ray


@pytest.fixture(autouse=True)
def _configs(here: Berry, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text("verifier: {use: math}\n")
    (tmp_path / "strict.yaml").write_text("seed: 3\nverifier: {use: strict:Strict}\n")
    (tmp_path / "strict.py").write_text(
        "from pydantic import BaseModel\nfrom verifiers import Outcome, Verdict\n\n\n"
        "class Strict:\n"
        '    """Accepts nothing with a 7, and cannot judge a 0."""\n\n'
        "    name, version = 'strict', '2'\n\n"
        "    class Config(BaseModel):\n        pass\n\n"
        "    def __init__(self, config):\n        pass\n\n"
        "    async def verify(self, prompt, response, target):\n"
        "        if '0' in target.value:\n"
        "            raise ValueError('a zero')\n"
        "        outcome = Outcome.FAIL if '7' in target.value else Outcome.PASS\n"
        "        return Verdict(outcome=outcome, reason='by the digits')\n"
    )
    (tmp_path / "broken.py").write_text(
        "from pydantic import BaseModel\n\n\n"
        "class Broken:\n    name, version = 'broken', '1'\n\n"
        "    class Config(BaseModel):\n        pass\n\n"
        "    def __init__(self, config):\n        pass\n\n"
        "    async def verify(self, prompt, response, target):\n        raise ValueError('never')\n"
    )
    (tmp_path / "broken.yaml").write_text("verifier: {use: broken:Broken}\n")
    (tmp_path / "empty.yaml").write_text("seed: 0\n")
    (tmp_path / "wrong.yaml").write_text("verifier: {use: maths}\n")


def test_the_same_verifier_agrees_with_itself(here: Berry, finished: Finished) -> None:
    done = here("verify", finished.out, "--with", "same.yaml", "--output", "differ.jsonl")
    assert done.returncode == 0, done.stderr
    assert "agreement  100.00% of the responses that both decide" in done.stdout
    assert "differ     0 of" in done.stdout


def test_differences_are_counted_and_written(here: Berry, finished: Finished, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()}
    done = here("verify", finished.out, "--with", "strict.yaml", "--output", "differ.jsonl")
    assert done.returncode == 0, done.stderr
    assert "judged by  strict 2" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "differ.jsonl").read_text().splitlines()]
    assert f"differ     {len(rows)} of" in done.stdout
    expected = []
    for trace in RunReader.open(finished.out).traces():
        for one in trace.trajectories:
            value = trace.problem.target.value or ""
            new = "error" if "0" in value else "fail" if "7" in value else "pass"
            if one.verdict is not None and one.verdict.outcome != new:
                expected.append((trace.problem.id, one.leaf, one.verdict.outcome, new))
    found = [
        (row["problem_id"], row["leaf"], row["old"]["outcome"], row["new"]["outcome"]) for row in rows
    ]
    assert found == expected
    assert {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()} == before
    as_json = facts(here("verify", finished.out, "--with=strict.yaml", "--json").stdout)
    assert as_json["differing"] == len(rows)
    assert 0 < as_json["agreement"] < 1


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (
            ["OUT", "--with", "broken.yaml"],
            1,
            "every verdict is an error; the most common reason: the verifier",
        ),
        (["OUT", "--with", "empty.yaml"], 2, "verifier: is missing"),
        (["OUT", "--with", "wrong.yaml"], 2, "did you mean math"),
        (["OUT", "--with", "none.yaml"], 2, "none.yaml: cannot be read"),
        (["nowhere", "--with", "same.yaml"], 2, "nowhere: expected a run folder"),
        (["OUT", "--with", "same.yaml", "--output", "same.yaml"], 2, "already exists"),
        (["OUT"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said(
    here: Berry, finished: Finished, arguments: list[str], status: int, complaint: str
) -> None:
    done = here("verify", *(str(finished.out) if one == "OUT" else one for one in arguments))
    assert done.returncode == status, done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
