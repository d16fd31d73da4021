"""`berry export OUT --as backtracking`: chains whose notice and tail a generator has sampled."""

import asyncio
import json
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking import sampling, writing
from pipeline.derive.backtracking.splices import find_splices
from pipeline.engines import EngineDied, PromptFormat
from pipeline.engines.simulated import END_TOKEN, SimulatedEngine
from tests.conftest import Berry, Finished
from tests.patience import wait_until
from tests.unit.pipeline.cli.test_json import facts
from verifiers.exact import ExactVerifier

pytestmark = pytest.mark.ray

SOLVER = SimulatedEngine.Config(recovery_rate=0.5)
SURE = ("max_wrong=0.13", "min_margin=0.5")
"""At least three rollouts through a wrong step have failed, and none passed."""
OPENINGS = {"Wait,", "Hold on,", "Hmm, wait."}


@pytest.fixture(autouse=True)
def _surroundings(here: Berry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "sure.yaml").write_text("seed: 5\nengine: {use: simulated, recovery_rate: 0.5}\n")
    (tmp_path / "lost.yaml").write_text("engine: {use: simulated, recovery_rate: 0}\n")
    (tmp_path / "none.yaml").write_text("verifier: {use: math}\n")
    (tmp_path / "mute.yaml").write_text("engine: {use: mute:Mute}\n")
    (tmp_path / "mute.py").write_text(
        "from pydantic import BaseModel\n\n\n"
        "class Mute:\n    model_version = 'mute'\n\n    class Config(BaseModel):\n        pass\n\n"
        "    def __init__(self, config, prompt_format, seed):\n        pass\n\n"
        "    async def start(self): ...\n    async def close(self): ...\n"
        "    def encode(self, problem): ...\n    async def generate(self, request): ...\n"
    )
    (tmp_path / "other.yaml").write_text("engine: {use: other:Other}\n")
    (tmp_path / "other.py").write_text(
        "from mute import Mute\n\n\n"
        "class Other(Mute):\n"
        "    def encode_text(self, text):\n        return tuple(map(len, text.split()))\n"
    )


def read(folder: Path, view: str = "backtracking") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "data" / view).to_pylist()
    return rows


def spans(row: dict[str, Any], kind: str) -> list[list[int]]:
    return [
        row["token_ids"][span["start"] : span["start"] + span["length"]]
        for span in row["spans"]
        if span["kind"] == kind
    ]


def test_chains_are_what_the_model_makes_of_its_own_mistakes(
    here: Berry, finished: Finished, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()}
    made = here(
        "export", finished.out, "--as", "backtracking", "--output", "chains",
        "--with", "sure.yaml", "max_detour_steps=1", "attempts=8", *SURE,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert {path: path.read_bytes() for path in finished.out.rglob("*") if path.is_file()} == before
    rows, controls = (
        read(tmp_path / "chains", view) for view in ("backtracking", "backtracking_control")
    )
    assert f"{len(rows)} chains of" in made.stdout
    assert len(rows) == len(controls) > 10
    trees = {trace.problem.id: trace for trace in RunReader.open(finished.out).traces()}
    engine, verifier = SimulatedEngine(SOLVER, PromptFormat()), ExactVerifier(ExactVerifier.Config())
    for row, control in zip(rows, controls, strict=True):
        trace = trees[row["problem_id"]]
        tree, problem = trace.tree, trace.problem
        prefix = tree.prefix_token_ids(row["prefix_node"])
        (wrong,) = row["wrong_nodes"]
        (opening,) = spans(row, "opening")
        assert bytes(opening).decode() in OPENINGS
        # Up to the opening, these are the tokens of the tree; then the model's own go to the end.
        sent = [*tree.prefix_token_ids(wrong), *opening]
        assert row["token_ids"][: len(sent)] == sent
        assert tree.nodes[wrong].parent is not None
        assert prefix == tree.prefix_token_ids(tree.nodes[wrong].parent)
        sampled = row["token_ids"][len(sent) :]
        assert sampled[-1] == END_TOKEN
        assert sampled == list(chain.from_iterable(spans(row, "notice") + spans(row, "tail")))
        assert not engine.true_steps([*sent])[-1], "the detour is wrong"
        assert row["loss_mask"] == [
            span["kind"] not in ("prompt", "detour")
            for span in row["spans"]
            for _ in range(span["length"])
        ]
        assert row["response"].encode() == bytes(row["token_ids"][len(tree.nodes[0].token_ids) : -1])
        assert row["messages"][-1]["content"] == row["completion"][0]["content"] == row["response"]
        again = asyncio.run(verifier.verify(problem.prompt, row["response"], problem.target))
        assert (row["outcome"], row["extracted"]) == ("pass", again.extracted)
        assert row["wrong_scores"][0] <= 0.3
        assert row["margin"] >= 0.5
        # The tail and its control are scored where they stand.
        (tail,) = spans(row, "tail")
        scores = asyncio.run(engine.score_tokens(row["token_ids"][: -len(tail)], tail))
        assert row["tail_logprob"] == pytest.approx(sum(scores) / len(tail))
        (stored,) = spans(control, "tail")
        scores = asyncio.run(engine.score_tokens(prefix, stored))
        assert control["tail_logprob"] == pytest.approx(sum(scores) / len(stored))
        assert row["spliced_tail_logprob"] < row["tail_logprob"]
        # The control is the response as it stands in the tree.
        assert control["token_ids"] == tree.prefix_token_ids(row["leaf"])
        assert control["response"] == tree.response(row["leaf"])
        assert tree.passed(row["leaf"])
        assert (control["problem_id"], control["mode"]) == (row["problem_id"], "control")
        assert {one["kind"] for one in control["spans"]} <= {"prompt", "prefix", "tail"}


def test_both_views_load_and_the_same_export_gives_the_same_bytes(
    here: Berry, finished: Finished, tmp_path: Path
) -> None:
    command = ("export", finished.out, "--as", "backtracking", "--with", "sure.yaml")
    said = facts(here(*command, "--output", "one", "--json").stdout)
    here(*command, "--output", "two")
    for view in ("backtracking", "backtracking_control"):
        part = Path("data") / view / "part-0000000.parquet"
        assert (tmp_path / "one" / part).read_bytes() == (tmp_path / "two" / part).read_bytes()
        loaded = datasets.load_dataset(str(tmp_path / "one"), view, split="train")
        assert len(loaded) == said["rows"] > 0
        assert set(loaded["mode"]) == {"generated" if view == "backtracking" else "control"}
    assert said["attempts"]["pass"] == said["rows"] <= said["splices"]
    rows = read(tmp_path / "one")
    tails = said["tail_logprobs"]
    lengths = [len(spans(row, "tail")[0]) for row in rows]
    total = sum(row["tail_logprob"] * n for row, n in zip(rows, lengths, strict=True))
    assert tails["generated"]["tokens"] == sum(lengths)
    assert tails["generated"]["mean_logprob"] == pytest.approx(total / sum(lengths))
    assert tails["spliced"]["tokens"] == tails["control"]["tokens"] > 0
    assert tails["spliced"]["mean_logprob"] < tails["control"]["mean_logprob"] < 0
    card = (tmp_path / "one" / "README.md").read_text()
    assert f"{tails['spliced']['mean_logprob']:.3f} nats a token" in card


def test_spliced_chains_need_no_sampling(here: Berry, finished: Finished, tmp_path: Path) -> None:
    options = ("mode=spliced", "num_detours=2", "train_opening=false", "min_margin=0.3")
    done = here("export", finished.out, "--as", "backtracking", "--output", "chains.jsonl", *options)
    assert done.returncode == 0, done.stderr
    rows, controls = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("chains.jsonl", "chains_control.jsonl")
    )
    assert len(rows) == len(controls) > 0
    for row, control in zip(rows, controls, strict=True):
        assert (row["mode"], row["attempt"]) == ("spliced", None)
        assert row["tail_logprob"] == row["spliced_tail_logprob"]
        assert spans(row, "tail") == spans(control, "tail")
        kinds = [span["kind"] for span in row["spans"] if span["kind"] != "prefix"]
        assert kinds == ["prompt", "detour", "opening", "detour", "opening", "tail"]
        assert {span["in_loss"] for span in row["spans"] if span["kind"] == "opening"} == {False}
        assert row["response"].count("Wait, that is not right.") == 2
        assert row["detour_tokens"] == [len(ids) for ids in spans(row, "detour")]
        assert len(row["wrong_nodes"]) == 2


def test_with_several_detours_each_has_a_notice_that_was_sampled(
    here: Berry, finished: Finished, tmp_path: Path
) -> None:
    options = ("num_detours=2", "max_detour_steps=1", "attempts=16", "min_margin=0.3", "max_step=2")
    done = here(
        "export", finished.out, "--as", "backtracking", "--output", "two.parquet",
        "--with", "sure.yaml", *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "two.parquet").to_pylist()
    assert rows
    for row in rows:
        kinds = [span["kind"] for span in row["spans"]]
        begin = kinds.index("detour")
        assert kinds[begin : begin + 5] == ["detour", "opening", "notice", "detour", "opening"]
        assert kinds[-1] == "tail"
        first = spans(row, "notice")[0]
        assert bytes(first).decode().endswith(".\n"), "one whole step"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--as backtracking: expected --output FOLDER or FILE with it, because a generator"),
        (["--output", "new", "min_margin=1"], "expected a problem with a right branch and 1 wrong"),
        (["--output", "new", "--with", "lost.yaml", *SURE], "got none of"),
        (["--output", "new", "max_tokens=1"], "rejected: expected a chain of less than 1 tokens"),
        (["--output", "new", "--with", "none.yaml"], "none.yaml: engine: is missing"),
        (["--output", "new", "--with", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--output", "new", "--with", "mute.yaml"], "expected an engine with a method `encode_text"),
        (["--output", "new", "--with", "other.yaml"], "expected a generator with the tokenizer of"),
        (["--output", "new", "prune.max_tokens=9"], "expected an option of views.backtracking"),
        (["--output", "new", "mode=other"], "views.backtracking.mode"),
        (["--output", "new.csv"], "expected a file that ends in .jsonl or .parquet"),
        (["--output", "sure.yaml"], "sure.yaml"),
        (["--output", "OUT/new"], "expected a folder outside the run's"),
        (["--output", "new.jsonl", "--with", "lost.yaml", *SURE], "got none of"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    here: Berry, finished: Finished, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    given = [one.replace("OUT", str(finished.out)) for one in arguments]
    done = here("export", finished.out, "--as", "backtracking", *given)
    assert done.returncode == 2, done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert sorted(left) == before
    assert not (finished.out / "new").exists()


def test_another_view_takes_no_generator(here: Berry, finished: Finished) -> None:
    done = here("export", finished.out, "--as", "traces", "--output", "new", "--with", "sure.yaml")
    assert done.returncode == 2
    assert "expected it with --as backtracking alone" in done.stderr
    done = here("export", finished.out, "--as", "trees")
    assert "verifiers, backtracking" in done.stderr


def test_an_export_that_ends_midway_leaves_no_folder(
    here: Berry, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    whole = sampling.ChainMaker.make

    async def make(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        if made > 5:
            raise EngineDied("it is gone")
        return await whole(*arguments)

    monkeypatch.setattr(sampling.ChainMaker, "make", make)
    monkeypatch.setattr(writing, "_IN_FLIGHT", 2)
    command = ("export", finished.out, "--as", "backtracking", "--with", "sure.yaml")
    for output in ("new", "new.parquet"):
        made = 0
        done = here(*command, "--output", output)
        assert done.returncode == 3
        assert "the engine died: it is gone; repeat the command" in done.stderr
        assert not [path for path in tmp_path.iterdir() if "new" in path.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_folder(
    finished: Finished, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "slow.yaml").write_text("engine: {use: simulated, token_seconds: 9}\n")
    berry = str(Path(sys.executable).parent / "berry")
    command = [berry, "export", str(finished.out), "--as", "backtracking", "--output", "new"]
    export = subprocess.Popen(
        [*command, "--with", "slow.yaml"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    made = tmp_path / "new" / "data" / "backtracking_control"
    wait_until(lambda: made.exists() or None, export)
    export.send_signal(number)
    _, said = export.communicate(timeout=120)
    assert (export.returncode, said) == (130, "berry: interrupted\n")
    assert not (tmp_path / "new").exists()


def test_chains_of_a_problem_are_bounded(finished: Finished) -> None:
    options = BacktrackingOptions(max_per_problem=1)
    for trace in RunReader.open(finished.out).traces():
        assert len(find_splices(trace.tree, options)) <= 1
