"""Reward models from a run's labels to the next run, on the command line, with the simulated solver."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.reader import RunReader
from tests.conftest import ROOT, Berry, Finished
from tests.patience import wait_until
from tests.tiny_models import base_model, byte_level, reward_model

SIMULATED = ROOT / "configs" / "simulated.yaml"

# A user's reward model, in a module next to the run: its options decide how it fails.
MINE = """
import os
from pathlib import Path
from pydantic import BaseModel
from reward_models import Score


class Mine:
    name, revision = "mine", "1"

    class Config(BaseModel):
        model_config = {"extra": "forbid"}
        pids: str = "pids"

    def __init__(self, config):
        self.config = config

    async def start(self):
        Path(self.config.pids).mkdir(exist_ok=True)
        (Path(self.config.pids) / str(os.getpid())).touch()

    async def score(self, batch):
        return [Score(model="mine", revision="1", values=tuple(
            sum(ids) % 97 / 97 for ids in steps.token_ids)) for steps in batch]


class MineOrm(Mine):
    scores_outcomes = True

    async def score(self, batch):
        return [Score(model="mine", revision="1", values=(None,) * (len(steps.texts) - 1)
            + (sum(steps.token_ids[-1]) % 89 / 89,)) for steps in batch]

"""


@pytest.fixture
def mine(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)


def rows(out: Path, view: str = "trees") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(out / "data" / view).to_pylist()
    return found


@pytest.mark.ray
@pytest.mark.usefixtures("mine")
def test_a_prm_prunes_branches_and_an_orm_ranks_responses(
    berry: Berry, here: Berry, tmp_path: Path
) -> None:
    done = berry(
        "run",
        SIMULATED,
        "output=out",
        "problems.size=16",
        "strategy.use=best_of_n",
        "strategy.rollouts=8",
        "reward_models=[{use: 'mine:Mine'}, {use: 'mine:MineOrm'}]",
        "branch_pruning={min_score: 0.3, explore_fraction: 0.25}",
        "prune.max_per_problem=2",
    )
    assert done.returncode == 0, done.stderr
    assert "false-prune rate" in done.stdout
    assert "unscored" not in done.stdout
    statuses, num_explored, margins = set(), 0, []
    for row in rows(tmp_path / "out"):
        nodes = {node["id"]: node for node in row["nodes"]}
        num_explored += sum(
            node["cut_score"] is not None and node["finish"] != "pruned" for node in row["nodes"]
        )
        kept = [t["score"] for t in row["trajectories"] if t["kept"]]
        beyond = [t["score"] for t in row["trajectories"] if t["decided_by"] == "beyond_max"]
        if beyond:
            margins.append(min(kept) - max(beyond))
        for trajectory in row["trajectories"]:
            statuses.add(trajectory["status"])
            is_pruned = trajectory["status"] == "pruned"
            assert is_pruned == (trajectory["decided_by"] == "pruned")
            if is_pruned:
                assert trajectory["decision_score"] == nodes[trajectory["leaf"]]["cut_score"] < 0.3
                assert trajectory["outcome"] is None
            assert (trajectory["score"] is not None) == (trajectory["status"] == "completed")
    assert margins, "some problem has more right responses than are kept"
    assert min(margins) >= 0
    assert statuses == {"completed", "pruned"}
    assert num_explored
    assert all(row["score"] is not None for row in rows(tmp_path / "out", "traces"))
    scores = [row["step_scores"] for row in RunReader.open(tmp_path / "out").rows("steps")]
    assert scores
    assert all(None not in of_response for of_response in scores)
    assert all(row["scored_by"] == ["mine 1"] for row in rows(tmp_path / "out"))
    # The pools are processes besides the worker's.
    assert len(list((tmp_path / "pids").iterdir())) == 2
    shown = here("show", "out", rows(tmp_path / "out")[0]["problem_id"])
    assert "pruned midway, score 0." in shown.stdout

    # End-of-rollout rules can be applied again; what was pruned mid-way stays pruned.
    again = here("export", "out", "--as", "traces", "--output", "fewer", "prune.min_score=0.7")
    assert again.returncode == 0, again.stderr
    exported = pq.read_table(tmp_path / "fewer" / "data" / "traces").to_pylist()
    assert exported
    assert all(row["score"] >= 0.7 for row in exported)

    evaluated = here("eval", "out", "--with", "pass@k,majority,orm,prm,oracle", "--n", "1,2")
    assert evaluated.returncode == 0, evaluated.stderr
    for method in ("pass@k", "majority", "best by orm", "vote by prm", "oracle", "prm steps"):
        assert method in evaluated.stdout
    lines = (tmp_path / "out" / "eval" / "metrics.jsonl").read_text().splitlines()
    metrics = list(map(json.loads, lines))
    points = {(m["method"], m["n"]): m for m in metrics if m["figure"] == "accuracy"}
    assert points["pass@k", 1]["accuracy"] == pytest.approx(points["best by orm", 1]["accuracy"])
    assert points["oracle", 2]["accuracy"] == points["pass@k", 2]["accuracy"]
    assert {m["of"] for m in metrics if m["figure"] == "quality"} == {
        "orm responses",
        "prm responses",
        "prm steps",
    }
    for name in ("accuracy.png", "reliability.png"):
        assert (tmp_path / "out" / "eval" / name).read_bytes().startswith(b"\x89PNG")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out" / "eval").iterdir()}
    assert here("eval", "out", "--with", "pass@k,majority,orm,prm,oracle", "--n", "1,2").returncode == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "out" / "eval").iterdir()} == before


@pytest.mark.chaos
@pytest.mark.usefixtures("mine")
def test_a_reward_actor_that_is_killed_comes_back(tmp_path: Path) -> None:
    """kill -9 of the process that scores: Ray starts another, and the run ends with every score."""
    run = subprocess.Popen(
        [
            Path(sys.executable).parent / "berry",
            "run",
            SIMULATED,
            "output=out",
            "problems.size=40",
            "cluster.problems_in_flight=4",
            "engine.token_seconds=0.002",
            "reward_models=[{use: 'mine:Mine'}]",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        (pid,) = wait_until(lambda: list((tmp_path / "pids").glob("*")), run)
        wait_until(lambda: list((tmp_path / "out" / "journal").glob("part-*.json")), run)
        os.kill(int(pid.name), signal.SIGKILL)
        output, _ = run.communicate()
    finally:
        if run.poll() is None:
            run.kill()
    assert run.returncode == 0, output
    assert len(list((tmp_path / "pids").iterdir())) == 2
    found = rows(tmp_path / "out")
    assert len(found) == 40
    assert "steps unscored" not in output


@pytest.mark.ray
def test_a_missing_model_folder_is_one_line(joined: Berry) -> None:
    done = joined(SIMULATED, "output=out", "reward_models=[{use: prm, model: ./none}]")
    assert done.returncode == 2
    assert "model=./none: expected a folder with a model's config.json" in done.stderr.splitlines()[-1]


@pytest.fixture
def labelled(finished: Finished) -> Path:
    return finished.out


def _bytes_tokenizer() -> Any:
    """Its token ids are those of the simulated solver: a token is a byte, and 256 is the end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # ByteLevel writes each byte as a character of its own.
    names = dict(zip(_byte_order(), _byte_characters(), strict=True))
    vocabulary = {names[byte]: byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab={**vocabulary, "<end>": 256}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<end>",
        pad_token="<end>",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return wrapped


def _byte_order() -> list[int]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [*printable, *(byte for byte in range(256) if byte not in printable)]


def _byte_characters() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]


@pytest.mark.ray
def test_train_evaluate_and_prune_by_the_trained_model(
    berry: Berry, here: Berry, labelled: Path, tmp_path: Path
) -> None:
    base = base_model(tmp_path / "base", _bytes_tokenizer())
    short = ("held_out=0.3", "max_steps=12", "learning_rate=1e-3", "new_layers=1")
    exported = here("export", labelled, "--as", "steps", "--output", "steps")
    assert exported.returncode == 0, exported.stderr
    trained = here(
        "train", "prm", "--data", labelled, "steps", "--base", base, "--output", "prm", *short
    )
    assert trained.returncode == 0, trained.stderr
    assert "held out" in trained.stdout
    assert re.search(
        r"^warning    trained on under 100 problems.*do not prune with this model", trained.stdout, re.M
    )
    assert "training 1/12" in trained.stderr
    again = here("train", "prm", "--data", labelled, "--base", base, "--output", "prm", *short)
    assert again.returncode == 0
    assert "already holds a trained prm" in again.stdout
    trained = here("train", "orm", "--data", labelled, "--base", base, "--output", "orm", *short)
    assert trained.returncode == 0, trained.stderr

    evaluated = here(
        "eval",
        labelled,
        "--with",
        "pass@k,orm,prm",
        "--orm",
        "orm",
        "--prm",
        "prm",
        "--n",
        "2",
        "--output",
        "figures",
    )
    assert evaluated.returncode == 0, evaluated.stderr
    seen = json.loads((tmp_path / "prm" / "berry_reward_model.json").read_text())["train_problems"]
    assert f"{len(seen)} problems that a model was trained on" in evaluated.stdout
    assert f" {24 - len(seen)} " in evaluated.stdout

    used = berry(
        "run",
        SIMULATED,
        "output=used",
        "problems.size=4",
        "strategy.use=best_of_n",
        "reward_models=[{use: prm, model: prm}, {use: orm, model: orm}]",
        "branch_pruning.keep_fraction=0.5",
    )
    assert used.returncode == 0, used.stderr
    assert "unscored" not in used.stdout
    assert re.search(r"^pruning    \d+ of \d+ rollouts ended midway", used.stdout, re.M)
    assert used.stderr.count("warning: reward model ") == 2
    assert re.search(
        r"^scored by  prm, trained on \d+ responses to \d+ problems.*under 100", used.stdout, re.M
    )


@pytest.mark.engine
def test_a_run_has_the_same_scores_by_either_backend(joined: Berry, tmp_path: Path) -> None:
    """With vLLM's engine in a pool's actor, as on a GPU."""
    reward_model(tmp_path / "prm", "prm", _bytes_tokenizer())
    scores: list[dict[tuple[str, int], float]] = []
    for backend in ("transformers", "vllm"):
        done = joined(
            SIMULATED,
            f"output={backend}",
            "problems.size=4",
            "strategy.use=best_of_n",
            f"reward_models=[{{use: prm, model: {tmp_path / 'prm'}, backend: {backend}}}]",
        )
        assert done.returncode == 0, done.stderr
        assert "unscored" not in done.stdout
        found = {
            (row["problem_id"], node["id"]): node["score"]
            for row in rows(tmp_path / backend)
            for node in row["nodes"]
            if node["score"] is not None
        }
        scores.append(found)
    assert len(scores[0]) > 20
    assert scores[1] == pytest.approx(scores[0], abs=1e-2)


def test_a_users_mistake_is_one_line_and_status_2(here: Berry, labelled: Path, tmp_path: Path) -> None:
    base = base_model(tmp_path / "base", _bytes_tokenizer())
    other = base_model(tmp_path / "other", byte_level())
    prm = reward_model(tmp_path / "prm", "prm")
    train = ("train", "prm", "--data", labelled, "--base", base, "--output", "new")
    cases: list[tuple[tuple[object, ...], str]] = [
        ((*train, "epoch=1"), "epoch: unknown key; did you mean epochs?"),
        ((*train, "labels=best"), "labels: expected 'hard', 'soft' or 'p_correct', got 'best'"),
        ((*train[:3], tmp_path / "none", *train[4:]), "expected a run with a committed part"),
        ((*train[:5], "./none", *train[6:]), "expected a model folder, but ./none does not exist"),
        ((*train[:5], other, *train[6:]), "its tokenizer reads other text"),
        (("train", "orm", "--base", base, "--output", "new"), "Missing option '--data'"),
        (("eval", tmp_path / "none"), "expected a run folder with run.json"),
        (("eval", labelled, "--with", "best"), "--with best: expected one or more of pass@k, majority"),
        (("eval", labelled, "--with", "prm"), "name a model with --prm FOLDER"),
        (
            ("eval", labelled, "--with", "prm", "--prm", "confidence"),
            "--prm confidence: expected a run with log-probabilities",
        ),
        (("eval", labelled, "backend=vllm"), "backend=vllm: expected --prm or --orm with it"),
        (("eval", labelled, "--n", "four"), "--n four: expected whole numbers"),
        (("eval", labelled, "--n", "4000"), "--n 4000: expected at most"),
        (("eval", labelled, "--with", "orm", "--orm", prm), "expected a orm, got a prm"),
        (("eval", labelled, "--prm", prm), "expected prm in --with"),
        (("eval", labelled, "--with", "prm", "--prm", prm, "bakend=vllm"), "bakend: unknown key"),
        (("eval", labelled, "--output", base / "config.json"), "cannot be used (File exists)"),
    ]
    for arguments, complaint in cases:
        done = here(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert complaint in done.stderr.splitlines()[-1], (arguments, done.stderr)
        assert "Traceback" not in done.stderr
