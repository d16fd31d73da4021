"""`berry run --dry-run` for a run that exists, and on a real Ray cluster."""

import json

import pytest

from tests.conftest import ROOT, Berry, Finished

pytestmark = pytest.mark.ray
SIMULATED = ROOT / "configs" / "simulated.yaml"


def test_a_complete_run_and_one_whose_limit_is_raised(here: Berry, finished: Finished) -> None:
    given = (f"output={finished.out}", "problems.size=24", "dataset.views=[traces,steps]", "--dry-run")
    done = here("run", SIMULATED, *given, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["output"] == {"path": str(finished.out), "state": "complete", "committed": 24}
    other = here("run", SIMULATED, *given, "seed=7")
    assert other.returncode == 2
    assert "seed was 0 and is now 7" in other.stderr


def test_the_nodes_of_a_cluster(berry: Berry, cluster: str) -> None:
    done = berry(
        "run", SIMULATED, "output=out", "cluster.workers=20", "cluster.verifier_actors=2",
        "--dry-run", "--json", "--address", cluster,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["cluster"]["address"] == cluster
    (node,) = facts["cluster"]["nodes"]
    assert node["resources"]["CPU"] == 16
    assert {one["kind"]: (one["fit"], one["number"]) for one in facts["actors"]} == {
        "verifier": (2, 2),
        "worker": (14, 20),
    }
    none = berry(
        "run", SIMULATED, "output=out", "cluster.verifier_actors=20", "--dry-run", "--address", cluster
    )
    assert none.returncode == 3
    assert "16 of 20" in none.stderr
