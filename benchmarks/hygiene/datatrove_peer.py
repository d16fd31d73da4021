"""datatrove's MinHash deduplication of a file of texts; run with a Python that has datatrove.

Prints one JSON object: rows, rows that stay, seconds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def main(folder: Path) -> None:
    """Deduplicates the .jsonl files in a folder, by 3-grams and 128 hashes."""
    config = MinhashConfig(n_grams=3, num_buckets=16, hashes_per_bucket=8)
    rows = sum(1 for file in folder.glob("*.jsonl") for _ in file.open())
    with tempfile.TemporaryDirectory(prefix="datatrove-") as name:
        base = Path(name)
        steps = [
            [
                JsonlReader(str(folder)),
                MinhashDedupSignature(output_folder=f"{base}/signatures", config=config),
            ],
            [
                MinhashDedupBuckets(
                    input_folder=f"{base}/signatures", output_folder=f"{base}/buckets", config=config
                )
            ],
            [
                MinhashDedupCluster(
                    input_folder=f"{base}/buckets", output_folder=f"{base}/remove", config=config
                )
            ],
            [
                JsonlReader(str(folder)),
                MinhashDedupFilter(input_folder=f"{base}/remove"),
                JsonlWriter(output_folder=f"{base}/out", compression=None),
            ],
        ]
        began = time.perf_counter()
        for number, pipeline in enumerate(steps):
            tasks = config.num_buckets if number == 1 else 1
            LocalPipelineExecutor(
                pipeline=pipeline, tasks=tasks, workers=1, logging_dir=f"{base}/logs{number}"
            ).run()
        seconds = time.perf_counter() - began
        stay = sum(1 for file in (base / "out").glob("*.jsonl") for _ in file.open())
    print(json.dumps({"rows": rows, "stay": stay, "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
