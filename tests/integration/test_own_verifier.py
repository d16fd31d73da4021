"""A user's verifier, from a file or a package next to the config, reaches every process."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry
from tests.integration.ray_head import can_hide_folders, ray_head

pytestmark = pytest.mark.ray
SIMULATED = ROOT / "configs" / "simulated.yaml"
MODULE = """
import multiprocessing
import os

from pydantic import BaseModel
{imports}
from verifiers import Outcome, Target, Verdict


class Lucky:
    class Config(BaseModel, extra="forbid"):
        number: str

    name, version = "lucky", "7"

    def __init__(self, config: Config) -> None:
        self.config = config

    {kind} verify(self, prompt: str, response: str, target: Target) -> Verdict:
        found = Outcome.PASS if is_lucky(self.config.number, response) else Outcome.FAIL
        in_process = multiprocessing.parent_process() is not None
        evidence = {{"file": __file__, "pid": os.getpid(), "in_process": in_process}}
        return Verdict(
            outcome=found, reason="luck", evidence=evidence, verifier=self.name, version=self.version
        )
"""
HELPER = "def is_lucky(number, response): return number in response"


def write(folder: Path, sort: str, kind: str = "async def") -> str:
    """Writes the verifier as a module with a helper next to it, or as a package; returns its name."""
    if sort == "module":
        (folder / "my_module.py").write_text(
            MODULE.format(imports="from my_helper import is_lucky", kind=kind)
        )
        (folder / "my_helper.py").write_text(HELPER)
        return "my_module:Lucky"
    package = folder / "my_package" / "inner"
    package.mkdir(parents=True)
    (folder / "my_package" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (folder / "my_package" / "luck.py").write_text(HELPER)
    (package / "lucky.py").write_text(MODULE.format(imports="from ..luck import is_lucky", kind=kind))
    return "my_package.inner.lucky:Lucky"


def verdicts(out: Path) -> list[dict[str, object]]:
    """All verdicts of a run, with parsed evidence."""
    rows = pq.read_table(out / "data" / "trees", columns=["trajectories"]).to_pylist()
    judged = [t for row in rows for t in row["trajectories"] if t["outcome"] is not None]
    assert judged
    return [{**t, **json.loads(t["evidence"])} for t in judged]


def check(out: Path) -> list[dict[str, object]]:
    """The verdicts come from the verifier, and it distinguished right from wrong."""
    found = verdicts(out)
    assert {v["verifier"] for v in found} == {"lucky"}
    assert {v["outcome"] for v in found} == {"pass", "fail"}, {v["reason"] for v in found}
    traces = pq.read_table(out / "data" / "traces").to_pylist()
    assert all("7" in trace["response"] for trace in traces)
    return found


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("async def", ["cluster.verifier_actors=0"]),
        ("def", ["cluster.verifier_actors=2"]),
        ("def", ["cluster.verifier_actors=1", "verifier.processes=1"]),
        ("async def", ["cluster.verifier_actors=0", "verifier.processes=2"]),
    ],
)
def test_a_verifier_of_the_users_own(
    berry: Berry, tmp_path: Path, kind: str, settings: list[str]
) -> None:
    use = write(tmp_path, "module", kind)
    done = berry(
        "run", SIMULATED, "output=out", "problems.size=8", f"verifier.use={use}",
        "verifier.number='7'", *settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = check(tmp_path / "out")
    assert len({verdict["pid"] for verdict in found}) <= 2
    assert all(verdict["in_process"] == ("processes" in settings[-1]) for verdict in found)
    resolved = json.loads((tmp_path / "out" / "run.json").read_text())["config"]
    assert resolved["verifier"] == {"use": use, "number": "7"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["verifier.number='7'", "verifier.luck=1"], "verifier.luck: unknown key"),
        ([], "verifier.number: is missing"),
    ],
)
def test_a_mistake_in_its_options_is_one_line(
    here: Berry, tmp_path: Path, options: list[str], complaint: str
) -> None:
    use = write(tmp_path, "module")
    wrong = here("run", SIMULATED, "output=out", f"verifier.use={use}", *options)
    assert wrong.returncode == 2
    (line,) = wrong.stderr.splitlines()
    assert complaint in line


@pytest.mark.parametrize("sort", ["module", "package"])
def test_it_is_sent_to_a_cluster_that_does_not_have_it(
    berry: Berry, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, sort: str
) -> None:
    if not can_hide_folders():
        pytest.skip("this machine does not let the test hide a folder from the cluster")
    use = write(tmp_path, sort)
    # Every node must see the run folder.
    seen = tmp_path_factory.mktemp("seen")
    with ray_head(hidden=tmp_path) as address:
        for number, processes in enumerate((0, 1)):
            done = berry(
                "run", SIMULATED, f"output={seen / str(number)}", "problems.size=8",
                "--address", address, f"verifier.use={use}", "verifier.number='7'",
                f"verifier.processes={processes}",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            found = check(seen / str(number))
            assert not any(str(verdict["file"]).startswith(str(tmp_path)) for verdict in found)
            assert all(verdict["in_process"] == bool(processes) for verdict in found)
