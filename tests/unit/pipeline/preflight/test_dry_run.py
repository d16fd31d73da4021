"""`berry run --dry-run` on this machine: what would start, where, and why a run could not start."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.cluster.placement import Demand, Node, place
from pipeline.datasets.folder import RunFolder
from pipeline.preflight.dry_run import Plan
from tests.conftest import ROOT, Berry

SIMULATED = ROOT / "configs" / "simulated.yaml"
GPU_WORKER = Demand(what="a worker", key="gpus_per_worker", number=3, needs={"CPU": 1, "GPU": 2})
VERIFIERS = Demand(what="a verifier", key="verifier_actors", number=4, needs={"CPU": 1})
NODES = (
    Node(name="one", resources={"CPU": 2}),
    Node(name="two", resources={"CPU": 8, "GPU": 4}),
)


def planned(*actors: Demand, free: dict[str, float] | None = None) -> Plan:
    return Plan(
        output="out",
        state="new",
        problems=9,
        committed=0,
        engine="vllm",
        address="auto",
        nodes=NODES,
        free={"CPU": 10, "GPU": 4} if free is None else free,
        actors=actors,
        placed=tuple(map(tuple, place(actors, NODES))),
    )


def test_each_actor_goes_to_a_node_with_room() -> None:
    assert place([VERIFIERS, GPU_WORKER], NODES) == [[2, 2], [0, 2]]


def test_a_run_starts_with_one_worker_but_not_without_all_verifiers() -> None:
    assert planned(GPU_WORKER).missing is None
    many = Demand(what="a verifier", key="verifier_actors", number=11, needs={"CPU": 1})
    missing = planned(many).missing
    assert missing is not None
    assert "10 of 11" in missing
    assert "cluster.verifier_actors" in missing


def test_a_cluster_without_room_at_the_moment_is_said() -> None:
    missing = planned(GPU_WORKER, free={"CPU": 4, "GPU": 1}).missing
    assert missing is not None
    assert "no room for a worker now" in missing


def test_a_new_run_as_text_and_as_json(here: Berry, tmp_path: Path) -> None:
    said = here("run", SIMULATED, "output=out", "problems.size=24", "--dry-run")
    assert said.returncode == 0, said.stderr
    assert "output     out: new" in said.stdout
    assert "1 x worker, 1 CPU each: 1 on this machine" in said.stdout
    done = here("run", SIMULATED, "output=out", "problems.size=24", "--dry-run", "--json")
    facts = json.loads(done.stdout)
    assert facts["can_start"] is True
    assert facts["output"] == {"path": "out", "state": "new", "committed": 0}
    assert facts["problems"] == 24
    assert [(one["kind"], one["fit"]) for one in facts["actors"]] == [("worker", 1)]
    assert not (tmp_path / "out").exists()


def test_a_worker_that_fits_nowhere_is_one_line(here: Berry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    done = here("run", SIMULATED, "output=out", "cluster.gpus_per_worker=2", "--dry-run")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "1 CPU and 2 GPUs for a worker" in line


def test_mistakes_of_a_run_are_those_of_its_dry_run(here: Berry, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    done = here("run", SIMULATED, "output=out", "--dry-run")
    assert done.returncode == 2
    assert "found other files (notes.txt)" in done.stderr
    done = here("run", SIMULATED, "output=new", "problems={use: file, path: none.jsonl}", "--dry-run")
    assert done.returncode == 2
    assert "none.jsonl" in done.stderr


def test_a_folder_in_use_is_said_and_stays_as_it_is(here: Berry, tmp_path: Path) -> None:
    from pipeline.config import load_config
    from pipeline.run import describe

    config = load_config(SIMULATED, [f"output={tmp_path / 'out'}"])
    folder = RunFolder.claim(config.output, describe(config))
    before = sorted(config.output.rglob("*"))
    done = here("run", SIMULATED, f"output={config.output}", "--dry-run")
    assert done.returncode == 2
    assert "another run is writing to this folder" in done.stderr
    folder.close()
    done = here("run", SIMULATED, f"output={config.output}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "resumes at 0 of 64 problems" in done.stdout
    assert sorted(config.output.rglob("*")) == before


def test_json_without_a_dry_run_is_refused(here: Berry) -> None:
    done = here("run", SIMULATED, "--json")
    assert done.returncode == 2
    assert "--dry-run" in done.stderr
