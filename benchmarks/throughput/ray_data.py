"""`ray.data.llm` with a stage that verifies, in a process of its own.

    python -m benchmarks.throughput.ray_data RESULT

Its engine stage returns one sample a row, so that each problem has a row for each rollout.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import ray
from ray.data.llm import build_processor, vLLMEngineProcessorConfig

from benchmarks.throughput.work import ROLLOUTS, Work
from verifiers.math.verifier import MathVerifier
from verifiers.records import Target

_BATCH = 64


class Verify:
    """A stage that judges each row's response by berry's own verifier."""

    def __init__(self) -> None:
        self._verifier = MathVerifier(MathVerifier.Config())

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["outcome"] = asyncio.run(self._judge(batch))
        return batch

    async def _judge(self, batch: dict[str, Any]) -> list[str]:
        texts = zip(batch["problem"], batch["response"], batch["gold"], strict=True)
        judged = (
            self._verifier.judge(str(problem), str(response), Target(kind="math", value=str(gold)))
            for problem, response, gold in texts
        )
        return [verdict.outcome.value for verdict in await asyncio.gather(*judged)]


def generate() -> dict[str, float]:
    """Tokens sampled, and rows with a right answer."""
    work = Work()
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    rows = [
        {
            "messages": work.messages(problem),
            "sampling_params": work.sampling,
            "problem": problem.prompt,
            "gold": problem.target.value,
        }
        for problem in work.problems
        for _ in range(ROLLOUTS)
    ]
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=work.model,
            engine_kwargs=work.engine,
            placement_group_config={"bundles": [{"CPU": 1}]},
            concurrency=1,
            batch_size=_BATCH,
            # The engine's own text will do.
            detokenize_stage=False,
            # Its metrics need `ray.serve`.
            log_engine_metrics=False,
        ),
        preprocess=lambda row: row,
        postprocess=lambda row: {
            "problem": row["problem"],
            "gold": row["gold"],
            "response": row["generated_text"],
            "token_ids": row["generated_tokens"],
        },
    )
    sampled = processor(ray.data.from_items(rows, override_num_blocks=len(rows) // _BATCH))
    judged = sampled.map_batches(Verify, concurrency=1, num_cpus=0.5)
    with tempfile.TemporaryDirectory() as folder:
        judged.write_parquet(folder)
        table = pq.read_table(folder)
    if table.num_rows != len(rows):
        raise RuntimeError(f"expected {len(rows)} rows, got {table.num_rows}")
    return {
        "tokens": sum(map(len, table["token_ids"].to_pylist())),
        "right": table["outcome"].to_pylist().count("pass"),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(generate()))
