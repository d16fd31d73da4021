"""True solutions as exported `traces`: what a training could learn at best."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.arithmetic.chains import Chain
from benchmarks.arithmetic.tokenizer import make_tokenizer


def write_true_solutions(folder: Path, chains: Sequence[Chain]) -> Path:
    """A folder such as `berry export --as traces` writes, with the columns that a training reads."""
    tokenizer = make_tokenizer()
    end = [tokenizer.eos_token_id]
    rows = [
        {
            "problem_id": chain.problem().id,
            "problem": chain.prompt,
            "meta": "{}",
            "prompt_token_ids": tokenizer.encode(chain.prompt),
            "response": chain.solution,
            "response_token_ids": tokenizer.encode(chain.solution) + end,
        }
        for chain in chains
    ]
    data = folder / "data" / "traces"
    data.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), data / "part-00000.parquet")
    return folder
