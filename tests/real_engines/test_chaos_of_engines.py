"""An engine's process dies, and with it at most the problem that it died of; its weights change, and
every node is of one version."""

import json
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.cache import sequences
from tests.conftest import ROOT, Berry, TinyModels
from tests.integration.test_chaos import find_process, start
from tests.patience import wait_until
from tests.real_engines.test_changing_weights import by_transformers
from tests.tiny_models import base_model

pytestmark = [pytest.mark.ray, pytest.mark.chaos]
QUICKSTART = str(ROOT / "configs" / "quickstart.yaml")


def write_questions(path: Path, *num_repetitions: int) -> Path:
    """Sums with long-winded questions."""
    rows = [
        {"question": f"What is {n} + {n}? {'Think well. ' * length}", "answer": f"#### {2 * n}"}
        for n, length in enumerate(num_repetitions, start=1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows nothing: what its engine survives does not depend on what it says."""
    return base_model(tmp_path_factory.mktemp("tiny") / "model", max_position_embeddings=4096)


@pytest.mark.engine
def test_an_engine_that_dies_of_a_request_costs_only_that_problem(
    berry: Berry, tmp_path: Path, tiny_model: Path
) -> None:
    """vLLM 0.32's CPU engine dies of a seeded request whose prefill is cut into chunks."""
    write_questions(tmp_path / "p.jsonl", 1, 1, 90, 1, 1)
    done = berry(
        "run",
        QUICKSTART,
        f"engine.model={tiny_model}",
        "problems.path=p.jsonl",
        "output=out",
        "strategy.use=best_of_n",
        "strategy.rollouts=1",
        "engine.request_seeds=true",
        "engine.options={enable_chunked_prefill: true, max_num_batched_tokens: 160, max_num_seqs: 8}",
        "cluster.attempts=1",
        "cluster.problems_in_flight=1",
    )
    out = tmp_path / "out"
    facts = json.loads((out / "journal" / "complete.json").read_text())
    assert facts["restarts"] == 1
    assert facts["problems"] == 5
    assert facts["problems_failed"] == 1
    rows = pq.read_table(
        out / "data" / "trees", columns=["problem", "prompt", "errors", "failures"]
    ).to_pylist()
    (failed,) = [row for row in rows if row["errors"]]
    assert failed["problem"].startswith("What is 3 + 3?")
    assert failed["prompt"] is None
    (failure,) = failed["failures"]
    assert (failure["phase"], failure["type"]) == ("sample", "EngineDied")
    assert failure["message"].startswith("given up after 1 attempt")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("berry: 1 problem failed")


@pytest.mark.engine
def test_new_weights_under_way_sample_what_comes_after_them_and_outlive_the_engine(
    berry: Berry, tmp_path: Path, tiny_models: TinyModels
) -> None:
    """Its requests are seeded, as in the test above, without the options that make vLLM cut prefills:
    so the one death is the one that it is given."""
    out = tmp_path / "out"
    questions = write_questions(tmp_path / "p.jsonl", *[20] * 96)
    process = start(
        out,
        QUICKSTART,
        f"problems.path={questions}",
        f"engine.model={tiny_models.one}",
        "engine.dtype=float32",
        "engine.max_model_len=1024",
        "engine.request_seeds=true",
        "sampling.temperature=0",
        "sampling.max_tokens=96",
        "strategy.use=best_of_n",
        "strategy.rollouts=1",
        "dataset.problems_per_part=2",
        "dataset.part_bytes=1",
        "cluster.problems_in_flight=2",
    )
    wait_until(lambda: len(committed(out)) >= 2, process)
    refused = berry("weights", out, "--engine", tiny_models.wider)
    changed = berry("weights", out, "--engine", tiny_models.other)
    num_before = len(committed(out))
    wait_until(lambda: len(committed(out)) > num_before, process)
    found = find_process(psutil.Process(process.pid), "VLLM::EngineCore")
    assert found is not None
    found.kill()
    assert process.wait() in (0, 1), "a model that knows nothing may give no survivor"
    assert refused.returncode == 2
    assert "expected" in refused.stderr
    assert changed.returncode == 0, changed.stderr
    facts = json.loads((out / "journal" / "complete.json").read_text())
    assert (facts["restarts"], facts["problems_failed"]) == (1, 0)
    rows = pq.read_table(out / "data" / "trees").to_pylist()
    assert len({row["problem_id"] for row in rows}) == len(rows) == facts["problems"] == 96
    assert not any(row["failures"] for row in rows)
    versions = [row["nodes"][1]["model_version"] for row in rows]
    assert set(versions) == {str(tiny_models.one), str(tiny_models.other)}
    # The engine that replaces the dead one has the new weights, too.
    assert set(versions[-10:]) == {str(tiny_models.other)}
    for row in (rows[0], rows[-1]):
        prompt, *path = row["nodes"]
        ids = tuple(token for node in path for token in node["token_ids"])
        model = path[0]["model_version"]
        assert ids == by_transformers(model, tuple(prompt["token_ids"]), 96)[: len(ids)]
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [event["changed"] for event in events if event["event"] == "weights"] == [[], ["worker 0"]]
    # What was sampled before the engine died counts too, and nothing of it is unknown.
    kept = sequences(rows)
    assert facts["new_prompt_tokens"] >= sum(len(prefix) for prefix, _ in kept)
    assert facts["new_prompt_tokens_cached"] < facts["new_prompt_tokens"]


def committed(out: Path) -> list[Path]:
    return list((out / "journal").glob("part-*.json"))
