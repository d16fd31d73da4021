"""`berry push` to a stub of the Hub: what arrives loads, and what is stale goes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
import yaml

from pipeline.derive.trust import record
from tests.conftest import Finished
from tests.hub import Hub, running_hub

pytestmark = pytest.mark.ray


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def out(finished: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.out, tmp_path / "out"))


def push(hub: Hub, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "berry"), "push", *map(str, arguments)]
    variables = os.environ | hub.environment | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def test_a_dataset_that_was_pushed_loads(hub: Hub, out: Path, tmp_path: Path) -> None:
    done = push(hub, out, "me/traces")
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/datasets/me/traces (private, if it is new)" in done.stdout
    assert "the card names no licence" in done.stdout
    assert hub.private == {"me/traces": True}
    arrived = dict(hub.files["me/traces"])
    local = {str(path.relative_to(out)): path.read_bytes() for path in out.glob("data/*/*.parquet")}
    assert arrived == local | {
        "README.md": arrived["README.md"],
        "run.json": (out / "run.json").read_bytes(),
    }
    card = arrived["README.md"].decode()
    assert 'load_dataset("me/traces", "traces")' in card
    assert 'load_dataset("out"' not in card
    for name, content in arrived.items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    for view in ("traces", "steps", "trees"):
        cache = str(tmp_path / "cache")
        found = datasets.load_dataset(str(tmp_path / "copy"), view, cache_dir=cache)["train"]
        assert len(found) == len(datasets.load_dataset(str(out), view, cache_dir=cache)["train"])

    # Nothing is sent twice, and what the run no longer has is deleted.
    sent = hub.num_sent
    hub.files["me/traces"]["data/traces/part-9999999.parquet"] = b"stale"
    hub.files["me/traces"]["LICENSE"] = b"of mine"
    assert push(hub, out, "me/traces", "--public").returncode == 0
    assert hub.num_sent == sent
    assert hub.files["me/traces"] == arrived | {"LICENSE": b"of mine"}
    assert hub.private == {"me/traces": True}


def test_measurements_go_along_and_stale_ones_go(hub: Hub, out: Path) -> None:
    assert push(hub, out, "me/traces").returncode == 0
    hub.files["me/traces"]["trust/agreement.json"] = b"stale"
    record(out, "audit", {})
    assert push(hub, out, "me/traces", "--view", "traces").returncode == 0
    arrived = hub.files["me/traces"]
    assert [name for name in arrived if name.startswith("trust/")] == ["trust/audit.json"]
    assert "damaged; `berry audit-verifier OUT`" in arrived["README.md"].decode()


def test_one_view_in_public(hub: Hub, out: Path) -> None:
    readme = out / "README.md"
    readme.write_text(readme.read_text().replace("license: unknown", "license: apache-2.0"))
    done = push(hub, out, "me/traces", "--view", "traces", "--public")
    assert done.returncode == 0, done.stderr
    assert "names no licence" not in done.stdout
    arrived = hub.files["me/traces"]
    assert {name.split("/")[1] for name in arrived if name.startswith("data/")} == {"traces"}
    head = yaml.safe_load(arrived["README.md"].decode().split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert [one["config_name"] for one in head["configs"]] == ["traces"]
    assert '"steps")' not in arrived["README.md"].decode()
    assert hub.private == {"me/traces": False}


def test_other_views_on_the_hub_stay(hub: Hub, out: Path) -> None:
    assert push(hub, out, "me/traces").returncode == 0
    arrived = dict(hub.files["me/traces"])
    assert push(hub, out, "me/traces", "--view", "traces").returncode == 0
    assert set(hub.files["me/traces"]) == set(arrived)


def test_a_dataset_of_something_else_is_not_touched(hub: Hub, out: Path) -> None:
    hub.files["me/other"] = {"README.md": b"of mine", "data/train-0.parquet": b"of mine, too"}
    before = dict(hub.files["me/other"])
    done = push(hub, out, "me/other")
    assert done.returncode == 2
    assert "me/other: expected a new dataset or one that berry pushed" in done.stderr
    assert hub.files["me/other"] == before


def test_a_dry_run_sends_nothing(hub: Hub, out: Path) -> None:
    done = push(hub, out, "me/traces", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would send" in done.stdout
    assert "data/traces/part-0000000.parquet" in done.stdout
    assert hub.files == {}


def test_a_push_that_breaks_off_goes_on(hub: Hub, out: Path) -> None:
    hub.fails_after = 3
    done = push(hub, out, "me/traces")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert hub.files["me/traces"] == {}
    hub.fails_after = None
    assert push(hub, out, "me/traces").returncode == 0
    assert hub.num_sent == len(list(out.glob("data/*/*.parquet")))


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "complaint"),
    [
        (["out", "mine"], {}, 2, "REPO_ID: expected a name such as user/name, got mine"),
        (["out", "me/a"], {"HF_TOKEN": "", "HF_HOME": "/nowhere"}, 2, "run `hf auth login` first"),
        (["broken", "me/a"], {}, 2, "README.md: expected YAML"),
        (["out", "me/a/b"], {}, 2, "REPO_ID: expected a name such as user/name, got me/a/b"),
        (["out", "me/a", "--view", "packed"], {}, 2, "berry export"),
        (["nowhere", "me/a"], {}, 2, "nowhere: expected a run folder"),
        (["damaged", "me/a"], {}, 2, "part-0000000.parquet: is missing"),
        (["out", "me/a"], {"HF_TOKEN": "hf_other"}, 2, "me/a: the Hub answers 401"),
        (["out", "me/a"], {"HF_ENDPOINT": "http://127.0.0.1:9"}, 3, "me/a: cannot be sent"),
    ],
)
def test_what_is_wrong_is_one_line(
    hub: Hub,
    out: Path,
    arguments: list[str],
    environment: dict[str, str],
    status: int,
    complaint: str,
) -> None:
    shutil.copytree(out, out.parent / "damaged")
    (out.parent / "damaged" / "data" / "traces" / "part-0000000.parquet").unlink()
    shutil.copytree(out, out.parent / "broken")
    (out.parent / "broken" / "README.md").write_text("of mine")
    done = push(hub, out.parent / arguments[0], *arguments[1:], **environment)
    assert done.returncode == status, done.stderr
    line = done.stderr.splitlines()[-1]
    assert complaint in line
    assert "Traceback" not in done.stderr
    assert hub.files == {}
