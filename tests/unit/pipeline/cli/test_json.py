"""`--json` of the commands that print facts: one object with the facts of the text."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import doctor
from pipeline.cli.doctor import Finding
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.views.table import VIEWS
from tests.conftest import ROOT, Berry
from tests.runs import RUN_JSON
from tests.unit.pipeline.datasets.test_folder import commit

SIMULATED = ROOT / "configs" / "simulated.yaml"


def facts(stdout: str) -> dict[str, Any]:
    """The only line, which is a JSON object without NaN."""
    (line,) = stdout.splitlines()
    found = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run with two committed problems, to which nobody writes."""
    folder = RunFolder.claim(tmp_path / "run", RUN_JSON)
    commit(folder, 0, "a", "b")
    folder.append_metrics({"time": "2026-01-01T00:00:00", "total": 9, "problems": 2, "seconds": 1.0})
    folder.close()
    return folder.path


def test_status(here: Berry, out: Path) -> None:
    done = here("status", out, "--json")
    assert done.returncode == 0, done.stderr
    found = facts(done.stdout)
    assert (found["state"], found["parts"], found["total"]) == ("not_running", 1, 9)
    assert found["committed"]["problems"] == 2
    assert found["damage"] == []


def test_status_of_a_damaged_run_has_the_same_exit_status(here: Berry, out: Path) -> None:
    (path,) = (out / "data" / "trees").iterdir()
    path.unlink()
    said, done = here("status", out), here("status", out, "--json")
    assert said.returncode == done.returncode == 1
    assert said.stderr == done.stderr
    (damage,) = facts(done.stdout)["damage"]
    assert damage in said.stdout


def test_check_of_files(here: Berry, out: Path) -> None:
    found = facts(here("check", out, "--json").stdout)
    assert found["damage"] == []
    assert found["num_files"] == len(VIEWS)
    (path,) = (out / "data" / "trees").iterdir()
    path.write_bytes(b"")
    done = here("check", out, "--json")
    assert done.returncode == 1
    assert str(path) in facts(done.stdout)["remaining"][0]


def test_check_of_a_problem_set(here: Berry, tmp_path: Path) -> None:
    rows = [{"prompt": "1 + 1?", "answer": "2"}, {"prompt": "1 + 2?", "answer": ""}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = "problems={use: file, path: rows.jsonl, on_error: skip}"
    said = here("check", SIMULATED, problems)
    done = here("check", SIMULATED, problems, "--json")
    assert done.returncode == said.returncode
    found = facts(done.stdout)
    assert f"problems   {found['problems']}; {found['duplicates']} duplicates" in said.stdout
    assert f"tokens     at most {found['most_tokens']:,}" in said.stdout


def test_doctor(here: Berry, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding(name="run", ok=False, text="ray is not installed", needed_for=("run",)),
        Finding(name="gpu", ok=None, text="none"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    done = here("doctor", "--json")
    assert done.returncode == 1
    found = facts(done.stdout)
    assert found["missing"] == ["run"]
    assert [one["name"] for one in found["findings"]] == ["run", "gpu"]
    assert here("doctor", "--for", "verify", "--json").returncode == 0


def test_keys(here: Berry) -> None:
    text = here("keys").stdout
    found = facts(here("keys", "--json").stdout)["keys"]
    assert {"cluster.workers", "seed", "engine.model", "train.epochs"} <= {one["key"] for one in found}
    of_commands = ("train.", "vary.", "loop.")
    for one in found:
        if not one["key"].startswith((*of_commands, "engines.")):
            assert f"| `{one['key']}` |" in text
    assert all(one["meaning"] for one in found)


def test_a_mistake_prints_no_facts(here: Berry) -> None:
    for command in (["status", "nothing"], ["show", "nothing"], ["check", "nothing"]):
        done = here(*command, "--json")
        assert done.returncode == 2
        assert not done.stdout


@pytest.mark.parametrize(("is_mistake", "status"), [(False, 1), (True, 2)])
def test_weights(here: Berry, out: Path, is_mistake: bool, status: int) -> None:
    answer = {
        "version": "0001",
        "changed": [] if is_mistake else ["worker 0"],
        "refused": ["worker 1: other shapes"],
        "is_mistake": is_mistake,
    }
    (out / "weights").mkdir()
    (out / "weights" / "0001.answer.json").write_text(json.dumps(answer))
    folder = RunFolder.reopen(out)
    done = here("weights", out, "--engine", "other", "--json")
    folder.close()
    assert done.returncode == status
    assert facts(done.stdout) == answer
