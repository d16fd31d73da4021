"""Whole runs of the `berry` command with the simulated engine, on a real local Ray."""

import contextlib
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from benchmarks.cache import sequences
from pipeline.datasets.folder import RunFolder
from pipeline.files.storage import place
from tests.conftest import FINISHED, ROOT, Berry, Finished, run_berry
from tests.patience import wait_until
from tests.stores import running_store

pytestmark = pytest.mark.ray
SIMULATED = ROOT / "configs" / "simulated.yaml"


def parts(out: Path) -> dict[str, str]:
    """Every data file of a run, and a hash of its bytes."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((out / "data").rglob("*.parquet"))
    }


def test_a_run_from_problems_to_a_dataset(
    here: Berry, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(finished.out, tmp_path / "out"))

    assert "problems   24" in finished.stdout
    assert "Traceback" not in finished.stderr
    assert "ray" not in (finished.stdout + finished.stderr).lower().replace("array", "")

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    trees = datasets.load_dataset(str(out), "trees")["train"]
    traces = datasets.load_dataset(str(out), "traces")["train"]
    assert len(trees) == len(set(trees["problem_id"])) == 24
    kept = sum(t["kept"] for row in trees["trajectories"] for t in row)
    assert len(traces) == kept > 0
    assert set(traces["outcome"]) == {"pass"}

    assert "state" in (out / "README.md").read_text()
    assert f"report     {finished.out.name}/report.html (opens in a browser)" in finished.stdout
    assert "responses to train on" in (out / "report.html").read_text()
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["problems"] == 24
    sampled = sequences(pq.read_table(out / "data" / "trees").to_pylist())
    assert last["new_prompt_tokens"] == sum(len(prefix) for prefix, _ in sampled)
    assert last["new_prompt_tokens_cached"] is None
    assert "\nprefixes " not in finished.stdout

    status = here("status", "out")
    assert status.returncode == 0
    assert "(complete)" in status.stdout
    shown = here("show", "out", traces["problem_id"][0][:8])
    assert shown.returncode == 0
    assert "(kept" in shown.stdout

    # A complete run starts no Ray.
    again = here("run", SIMULATED, "output=out", *FINISHED)
    assert again.returncode == 0
    assert "problems   24" in again.stdout


@pytest.fixture(scope="module")
def runs(finished: Finished, cluster: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same run as `finished`, on a cluster and spread in other ways, and one of another seed."""
    folder = tmp_path_factory.mktemp("runs")
    options = {
        "two": ["cluster.workers=2", "cluster.problems_in_flight=3", "engine.token_seconds=0.0001"],
        "three": ["cluster.verifier_actors=1", "verifier.use=math"],
        "other": ["seed=1", "problems.seed=0"],
    }
    for out, overrides in options.items():
        done = run_berry(
            folder, "run", SIMULATED, f"output={out}", *FINISHED, *overrides,
            "--address", cluster,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return {"one": finished.out, **{out: folder / out for out in options}}


def test_the_same_seed_gives_the_same_bytes_however_the_work_is_spread(runs: dict[str, Path]) -> None:
    one, two, other = parts(runs["one"]), parts(runs["two"]), parts(runs["other"])
    assert len(one) == 9
    assert one == two
    assert other.keys() == one.keys()
    assert not set(other.values()) & set(one.values())
    nodes = [pq.read_table(runs[run] / "data" / "trees", columns=["nodes"]) for run in ("one", "three")]
    assert nodes[0].equals(nodes[1])


@pytest.mark.parametrize("use", ["beam", "mcts"])
def test_a_search_by_a_reward_models_scores(
    joined: Berry, here: Berry, tmp_path: Path, use: str
) -> None:
    overrides = ["problems.size=12", f"strategy.use={use}", "reward_models=[{use: simulated}]"]
    done = joined(SIMULATED, "output=one", *overrides)
    assert done.returncode == 0, done.stderr
    assert "unscored" not in done.stdout
    rows = pq.read_table(tmp_path / "one" / "data" / "trees").to_pylist()
    assert len(rows) == 12
    for row in rows:
        root, *nodes = row["nodes"]
        assert root["score"] is None
        assert all(0 <= node["score"] <= 1 for node in nodes)
        assert row["warnings"] == []
    statuses = {t["status"] for row in rows for t in row["trajectories"]}
    assert statuses == ({"completed"} if use == "mcts" else {"completed", "unfinished"})
    assert here("show", "one", rows[0]["problem_id"]).returncode == 0


def test_a_reward_model_that_fails_is_told_and_ends_nothing(joined: Berry, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from pydantic import BaseModel\n\n\n"
        "class Failing:\n"
        "    name, revision = 'failing', '1'\n\n"
        "    class Config(BaseModel):\n"
        "        pass\n\n"
        "    def __init__(self, config):\n"
        "        pass\n\n"
        "    async def score(self, batch):\n"
        "        raise ConnectionError('the server is gone')\n"
    )
    overrides = ["problems.size=8", "strategy.use=beam", "reward_models=[{use: 'mine:Failing'}]"]
    done = joined(SIMULATED, "output=out", *overrides)
    # Every problem was explored, but a run without a single score is no success.
    assert done.returncode == 1
    assert "steps was scored" in done.stderr.splitlines()[-1]
    rows = pq.read_table(tmp_path / "out" / "data" / "trees").to_pylist()
    num_nodes = sum(len(row["nodes"]) - 1 for row in rows)
    assert f"scores     {num_nodes} of {num_nodes} steps unscored" in done.stdout
    assert not any(row["errors"] for row in rows)
    assert {warning for row in rows for warning in row["warnings"]} <= {
        "reward model mine:Failing: ConnectionError: the server is gone",
        "reward model mine:Failing: disabled after 8 lost batches in a row",
    }


def test_a_failure_in_a_part_of_ones_own_names_the_exception(
    joined: Berry, here: Berry, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from pydantic import BaseModel\n\n\n"
        "class Broken:\n"
        "    class Config(BaseModel):\n"
        "        pass\n\n"
        "    def __init__(self, config):\n"
        "        pass\n\n"
        "    def propose(self, tree, pending):\n"
        "        return {}['x']\n"
    )
    done = joined(SIMULATED, "output=out", "problems.size=2", "strategy.use=mine:Broken")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "2 problems failed: 2 x search: KeyError: 'x' (mine.py, line 12)" in line
    assert "Traceback" not in done.stderr
    assert "KeyError: 'x'" in (tmp_path / "out" / "logs" / "worker-0.log").read_text()
    status = here("status", "out")
    assert status.returncode == 0, status.stderr
    assert "out (complete)" in status.stdout
    assert "failed 2: 2 x search: KeyError: 'x' (mine.py, line 12)" in status.stdout


def test_the_dataset_cache_never_serves_an_earlier_run(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    seen = []
    for name in ("one", "other"):
        # In the same place after each other, as by somebody who deletes a run and starts another.
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        folder = shutil.copytree(runs[name], tmp_path / "out")
        seen.append(datasets.load_dataset(str(folder), "trees")["train"]["nodes"][:])
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read"),
        ([SIMULATED, "strategy.m=1"], "strategy.m: unknown key"),
        ([SIMULATED, "strategy.points=many"], "strategy.points: expected a whole number, got 'many'"),
        ([SIMULATED, "problems.path=nowhere.jsonl"], "nowhere.jsonl does not exist"),
        ([SIMULATED, "problems.path=empty.jsonl"], "expected problems, got a source with none"),
        ([SIMULATED, "output=taken"], "expected an empty or new folder"),
        ([SIMULATED, "output=bad.jsonl/out"], "bad.jsonl/out: cannot be used (Not a directory)"),
        ([SIMULATED, "output=/proc/berry"], "/proc/berry: cannot be used"),
        ([SIMULATED, "problems.task=chain_sums"], "did you mean chain_sum"),
        ([SIMULATED, "--address", "127.0.0.1:1"], "Ray at 127.0.0.1:1"),
        ([], "Missing argument 'CONFIG'"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    here: Berry, tmp_path: Path, arguments: list[object], complaint: str
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "bad.jsonl").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("")
    is_a_mistake(here("run", *arguments), complaint)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ("problems.path=bad.jsonl", "bad.jsonl, line 2: field 'answer'"),
        ("engine.use=vllm engine.model=./nowhere", "folder, but ./nowhere does not exist"),
        # Without the check Ray would wait for ever for a GPU that nobody has.
        ("cluster.gpus_per_worker=1000", "expected a node with 1 CPU and 1000 GPUs for a worker"),
    ],
)
def test_a_mistake_that_shows_once_ray_has_started_is_one_line_too(
    joined: Berry, tmp_path: Path, overrides: str, complaint: str
) -> None:
    good = json.dumps({"question": "1 + 1?", "answer": "#### 2"})
    (tmp_path / "bad.jsonl").write_text(f'{good}\n{{"question": "x"}}\n')
    is_a_mistake(joined(SIMULATED, *overrides.split()), complaint)


def is_a_mistake(done: "subprocess.CompletedProcess[str]", complaint: str) -> None:
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("berry: ")
    assert complaint in line
    assert "Traceback" not in done.stderr


def test_a_model_that_cannot_be_loaded_is_named(berry: Berry, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    done = berry("run", SIMULATED, "engine.use=vllm", "engine.model=model", "output=out")
    assert done.returncode == 2
    assert "engine.model=model: vLLM cannot start" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("gsm8k", {"question": "What is 1 + 1?", "answer": "#### 2"}),
        (
            "code",
            {
                "prompt": 'def add(a, b):\n    """Return the sum."""\n',
                "test": "def check(candidate):\n    assert candidate(3, 2) == 5\n",
                "entry_point": "add",
            },
        ),
    ],
)
def test_configs_for_other_problems(
    joined: Berry, tmp_path: Path, name: str, row: dict[str, str]
) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    mine = ("problems.path=p.jsonl", "engine.use=simulated", "output=out")
    done = joined(ROOT / "configs" / f"{name}.yaml", *mine)
    assert done.returncode in (0, 1), done.stderr  # 1: the simulated engine writes no programs
    (tree,) = pq.read_table(tmp_path / "out" / "data" / "trees").to_pylist()
    outcomes = {one["outcome"] for one in tree["trajectories"]}
    assert outcomes <= {"pass", "fail", "abstain", None}
    assert outcomes != {None}


def test_bad_rows_are_skipped_and_counted_if_asked_for(joined: Berry, tmp_path: Path) -> None:
    rows = [json.dumps({"question": f"{n} + 1?", "answer": f"#### {n + 1}"}) for n in range(5)]
    (tmp_path / "p.jsonl").write_text("\n".join([*rows, "{", rows[0]]) + "\n")
    done = joined(SIMULATED, "problems.path=p.jsonl", "problems.on_error=skip", "output=out")
    assert done.returncode == 0, done.stderr
    assert "intake     1 duplicates, 1 bad rows" in done.stdout


def test_after_a_bad_row_in_mid_run_the_same_problem_set_goes_on_and_no_other(
    joined: Berry, here: Berry, tmp_path: Path
) -> None:
    rows = [json.dumps({"question": f"{n} + 1?", "answer": f"#### {n + 1}"}) for n in range(400)]
    (tmp_path / "p.jsonl").write_text("\n".join([*rows, "{"]) + "\n")
    done = joined(SIMULATED, "problems.path=p.jsonl", "output=out")
    assert done.returncode == 2
    assert "p.jsonl, line 401: is not JSON" in done.stderr.splitlines()[-1]
    status = here("status", "out")
    assert "(unfinished)" in status.stdout
    assert pq.read_table(tmp_path / "out" / "data" / "trees").num_rows > 0

    (tmp_path / "p.jsonl").write_text("\n".join(rows[1:]) + "\n")
    done = joined(SIMULATED, "problems.path=p.jsonl", "output=out")
    assert done.returncode == 2
    assert "the problem set has changed" in done.stderr

    (tmp_path / "p.jsonl").write_text("\n".join(rows) + "\n")
    done = joined(SIMULATED, "problems.path=p.jsonl", "output=out")
    assert done.returncode == 0, done.stderr
    assert "problems   400," in done.stdout


def test_no_disk_left_is_one_line_and_keeps_what_was_written(tmp_path: Path) -> None:
    """On a file system of 2 MB of the test's own, in a mount namespace of its own."""
    berry = Path(sys.executable).parent / "berry"
    script = (
        f"mkdir small && mount -t tmpfs -o size=2m tmpfs small && "
        f"{berry} run {SIMULATED} output=small/out problems.size=2000; "
        f"echo status $?; {berry} status small/out"
    )
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if "mount:" in done.stderr or "unshare" in done.stderr:
        pytest.skip("this machine does not let the test mount a file system")
    assert "status 3" in done.stdout, done.stderr
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "(unfinished)" in done.stdout


def test_a_run_in_a_store_that_fails_now_and_then(berry: Berry, tmp_path: Path) -> None:
    with running_store() as store:
        place("s3://runs").mkdir(exist_ok=True)
        store.fails_every = 9
        done = berry("run", SIMULATED, "output=s3://runs/out", "problems.size=16")
        assert done.returncode == 0, done.stderr
        assert "problems   16," in done.stdout
        store.heal()
        assert RunFolder.read(place("s3://runs/out")).complete is not None
    assert (tmp_path / "berry-logs" / "out" / "worker-0.log").is_file()


def test_a_run_on_a_terminal(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "berry"), "run", str(SIMULATED), "output=out"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, "engine.token_seconds=0.005"], cwd=tmp_path, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that everybody has left raises
            while read := os.read(ours, 4096):
                shown += read
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    text = shown.decode()
    assert "\x1b[" in text
    assert text.index(" right, ") < text.index("(complete)") < text.index("next:")
    assert "Traceback" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    command = [Path(sys.executable).parent / "berry", "run", SIMULATED, "output=my out"]
    process = subprocess.Popen(
        [*map(str, command), "problems.size=500", "engine.token_seconds=0.005"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # Whatever the tests were started by: `nohup` has SIGHUP ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    wait_until((tmp_path / "my out" / "metrics.jsonl").exists, process)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert "resume with the same command: berry run " in last
    assert "'output=my out'" in last
    assert "Traceback" not in errors
