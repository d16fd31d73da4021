"""The recipes in `configs/cluster`: the manifest's structure, and the Slurm script on a real Ray."""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.config import load_config
from tests.conftest import ROOT, Berry
from tests.integration.ray_head import free_port, joining_environment
from tests.patience import wait_until

RECIPES = ROOT / "configs" / "cluster"
SCRIPT, MANIFEST = RECIPES / "slurm.sh", RECIPES / "rayjob.yaml"


def closed(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
# Kubernetes' core/v1 PodSpec, as far as the manifest uses it.
CONTAINER = closed(
    "name image resources",
    name=TEXT,
    image=TEXT,
    resources=closed("requests limits", requests=TEXTS, limits=TEXTS),
    ports={"type": "array", "items": closed("containerPort", name=TEXT, containerPort=COUNT)},
    volumeMounts={"type": "array", "items": closed("name mountPath", name=TEXT, mountPath=TEXT)},
)
VOLUME = closed("name", name=TEXT, persistentVolumeClaim=closed("claimName", claimName=TEXT))
TEMPLATE = closed(
    "spec",
    spec=closed(
        "containers",
        containers={"type": "array", "items": CONTAINER, "minItems": 1},
        volumes={"type": "array", "items": VOLUME},
        terminationGracePeriodSeconds=COUNT,
    ),
)
# github.com/ray-project/kuberay, ray-operator/apis/ray/v1/rayjob_types.go (RayJobSpec) and
# raycluster_types.go (RayClusterSpec, HeadGroupSpec, WorkerGroupSpec): field names, types, and which
# fields are required.
CLUSTER = closed(
    "headGroupSpec",
    rayVersion=TEXT,
    enableInTreeAutoscaling=FLAG,
    headGroupSpec=closed("template", rayStartParams=TEXTS, template=TEMPLATE),
    workerGroupSpecs={
        "type": "array",
        "items": closed(
            "groupName minReplicas maxReplicas template",
            groupName=TEXT,
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            numOfHosts=COUNT,
            rayStartParams=TEXTS,
            template=TEMPLATE,
        ),
    },
)
RAY_JOB = closed(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=closed("name", name=TEXT, labels=TEXTS),
    spec=closed(
        "entrypoint rayClusterSpec",
        activeDeadlineSeconds=COUNT,
        backoffLimit=COUNT,
        rayClusterSpec=CLUSTER,
        metadata=TEXTS,
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        jobId=TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        entrypointNumCpus={"type": "number"},
        entrypointNumGpus={"type": "number"},
        entrypointResources=TEXT,
        ttlSecondsAfterFinished=COUNT,
        shutdownAfterJobFinishes=FLAG,
        suspend=FLAG,
    ),
)


def test_the_manifest_has_the_fields_of_kuberay() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    errors = [
        f"{e.json_path}: {e.message}" for e in Draft202012Validator(RAY_JOB).iter_errors(manifest)
    ]
    assert not errors
    assert isinstance(yaml.safe_load(manifest["spec"]["runtimeEnvYAML"])["env_vars"], dict)
    for group in [
        manifest["spec"]["rayClusterSpec"]["headGroupSpec"],
        *manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"],
    ]:
        pod = group["template"]["spec"]
        volumes = {one["name"] for one in pod["volumes"]}
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} <= volumes


def test_the_manifest_runs_a_config_that_loads() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    berry, run, config, *overrides = shlex.split(manifest["spec"]["entrypoint"])
    assert (berry, run) == ("berry", "run")
    loaded = load_config(ROOT / config, overrides)
    assert loaded.output.is_absolute()
    (engines,) = manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert engines["replicas"] == loaded.cluster.workers


def test_the_script_quotes_and_stops_at_errors() -> None:
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
    text = SCRIPT.read_text()
    assert "set -euo pipefail" in text
    code = "\n".join(line.partition(" #")[0] for line in text.splitlines() if line[:1] != "#")
    # Every expansion is in double quotes, or in an assignment or array, which are not split.
    outside = re.sub(r"'[^']*'", "", re.sub(r'"[^"]*"', "", code))
    assert re.findall(r"\$[{\w@*]", outside.replace("$!", "").replace("=$?", "")) == []


def checkout(folder: Path) -> Path:
    """What git has of this repository, or would have, as after a clone."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\n"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def slurm(folder: Path) -> dict[str, str]:
    """An environment with a Slurm of one node: `srun` runs a command here."""
    folder.mkdir()
    programs = {
        "scontrol": "echo localhost",
        "srun": 'while [[ "$1" == --* ]]; do shift; done\n'
        '[ "$1" = hostname ] && { echo 127.0.0.1; exit; }\nexec "$@"',
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return {
        **joining_environment(),
        "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "localhost",
        "RAY_PORT": str(free_port()),
        "RAY_DASHBOARD_PORT": str(free_port()),
        "RAY_AGENT_PORT": str(free_port()),
    }


@pytest.fixture
def other_ray() -> Iterator[None]:
    """As if another Ray ran on this machine: the usual port of its agent is taken."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # there is one
            taken.bind(("0.0.0.0", 52365))
            taken.listen()
        yield


@pytest.mark.ray
@pytest.mark.usefixtures("other_ray")
def test_a_checkout_is_submitted_to_ray_by_the_script(tmp_path: Path) -> None:
    environment, here = slurm(tmp_path / "slurm"), checkout(tmp_path / "checkout")
    script = str(here / "configs" / "cluster" / "slurm.sh")
    options = [f"output={tmp_path / 'out'}", "problems.size=8", "cluster.verifier_actors=1"]
    done = subprocess.run(
        [script, "configs/simulated.yaml", *options],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entry = json.loads((tmp_path / "out" / "journal" / "complete.json").read_text())
    assert entry["problems"] == 8


def test_a_ray_job_with_a_relative_output_is_refused(
    here: Berry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    done = here("run", ROOT / "configs" / "simulated.yaml", "output=out")
    assert done.returncode == 2
    assert "expected an absolute path or a URL, got out" in done.stderr


@pytest.mark.ray
def test_the_script_stores_the_work_under_way_when_slurm_ends_it(tmp_path: Path) -> None:
    environment, out = slurm(tmp_path / "slurm"), tmp_path / "out"
    (tmp_path / "work").mkdir()
    command = [
        str(SCRIPT), "configs/simulated.yaml", f"output={out}", "engine.token_seconds=0.02",
        "problems.size=400", "dataset.problems_per_part=4",
    ]  # fmt: skip
    with (tmp_path / "said").open("wb") as said:
        script = subprocess.Popen(
            command, cwd=tmp_path / "work", env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    wait_until(lambda: (out / "journal").is_dir() and list((out / "journal").glob("part-*")), script)
    script.terminate()
    assert script.wait() != 0
    text = (tmp_path / "said").read_text()
    assert "interrupted: storing the work under way" in text
    assert "finished work is saved; resume with the same command" in text
