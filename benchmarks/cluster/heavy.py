"""Problems with hundreds of long rollouts: their files, and what encoding them holds up."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from benchmarks.cluster.heavy_trace import heavy_trace
from benchmarks.cluster.tiny import NOTE, tiny_config, write_sums
from benchmarks.measure import Measured, spread
from pipeline import explore
from pipeline.cluster.actors import RolloutWorker
from pipeline.config import RunConfig
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import write_parquet
from pipeline.prune import Pruner
from pipeline.records import Trace, trajectories

_PROBLEMS, _ROLLOUTS, _TOKENS = 4, 512, 1000
_VIEWS = ("trees", "traces")
_TICK_SECONDS = 0.001
_LONGEST_GAP = 0.5
_MEGABYTE = 1e6


def heavy_problems() -> tuple[list[Measured], str]:
    """Bytes a token beside JSON lines, speed of encoding and writing, and the longest gap."""
    traces = [heavy_trace(_ROLLOUTS, _TOKENS, seed) for seed in range(_PROBLEMS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = tiny_config(folder, write_sums(folder / "p.jsonl", 1), ["dataset.views=[traces]"])
        size, size_lines = _sizes(folder, traces)
        rows, lines = [size, *_speeds(folder, traces), *_gaps(config, traces)], [*size_lines]
    what = f"{_PROBLEMS} problems of {_ROLLOUTS} rollouts of about {_TOKENS:,} tokens"
    section = [
        "## Heavy problems",
        f"{what}, token ids drawn by Zipf's law from a vocabulary of 50,000, {NOTE}. Real text has "
        "more structure, so real files are smaller. Processor time, where it says so.",
        "",
        *lines,
    ]
    return rows, "\n".join(section)


def _sizes(folder: Path, traces: list[Trace]) -> tuple[Measured, list[str]]:
    encoded = [EncodedTrace.of(trace, views=_VIEWS) for trace in traces]
    tokens = sum(trace.tree.num_tokens for trace in traces)
    trees = [one.batch("trees") for one in encoded]
    parquet = write_parquet(folder / "t.parquet", VIEWS["trees"].schema, trees).num_bytes
    rows = [row for batch in trees for row in batch.to_pylist()]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    packed = len(pa.compress(text, codec="zstd", asbytes=True))
    # As little as rows of ids and texts can say.
    least = [{"ids": node["token_ids"], "text": node["text"]} for row in rows for node in row["nodes"]]
    bare = "".join(json.dumps(row) + "\n" for row in least).encode()
    bare_packed = len(pa.compress(bare, codec="zstd", asbytes=True))
    found = {
        "`trees`, parquet": parquet,
        "the same rows as JSON lines with zstd": packed,
        "the same rows as JSON lines": len(text),
        "only ids and texts of the nodes, JSON lines with zstd": bare_packed,
    }
    lines = ["| file | bytes a token |", "|---|---|"]
    lines += [f"| {name} | {number / tokens:.2f} |" for name, number in found.items()]
    row = Measured(
        what="heavy problems: bytes a token of `trees`, of the same rows as JSON lines with zstd",
        figures=f"{parquet / tokens:.2f}; {packed / tokens:.2f} (plain {len(text) / tokens:.2f})",
        ratio=f"{parquet / packed:.2f}",
        goal="at most 1.00 of it",
        met=parquet <= packed,
    )
    return row, lines


def _speeds(folder: Path, traces: list[Trace]) -> list[Measured]:
    """Per core: Arrow bytes of both views over processor time."""
    encoding, writing = [], []
    for trace in [*traces, *traces]:
        start = time.process_time()
        encoded = EncodedTrace.of(trace, views=_VIEWS)
        encoding.append(encoded.num_bytes / _MEGABYTE / (time.process_time() - start))
        start = time.process_time()
        for view in _VIEWS:
            write_parquet(folder / f"{view}.parquet", VIEWS[view].schema, [encoded.batch(view)])
        writing.append(encoded.num_bytes / _MEGABYTE / (time.process_time() - start))
    per_token = statistics.median(
        EncodedTrace.of(trace, views=_VIEWS).num_bytes / trace.tree.num_tokens for trace in traces
    )
    # An engine of 5,000 tokens a second.
    share = 5000 * per_token / _MEGABYTE * sum(1 / statistics.median(x) for x in (encoding, writing))
    return [
        Measured(
            what="heavy problems: MB/s of processor time a worker encodes, writes (trees and traces)",
            figures=f"{spread(encoding)}; {spread(writing)}",
            ratio=f"{share:.3f} of a core at 5,000 tokens/s",
            goal="at most 0.050 of a core",
            met=share <= 0.05,
        )
    ]


def _gaps(config: RunConfig, traces: list[Trace]) -> list[Measured]:
    """The longest time in which a worker's event loop does nothing else."""
    encode = [_held(partial(EncodedTrace.of, trace, views=_VIEWS)) for trace in traces]
    end = [_held(partial(_end_of_exploring, config, trace)) for trace in traces]
    idle = asyncio.run(_longest_gap(lambda: asyncio.sleep(2)))
    in_loop, in_thread = [], []
    for trace in traces:
        in_loop.append(_gap_of_worker(config, trace, heavy_tokens=2**62))
        in_thread.append(_gap_of_worker(config, trace, heavy_tokens=explore._HEAVY_TOKENS))
    return [
        Measured(
            what="heavy problems: longest gap in seconds of the worker's event loop while it sorts, "
            "prunes and encodes one: in a thread, as it is; in the loop, as it was",
            figures=f"{spread(in_thread, 3)}; {spread(in_loop, 3)}",
            ratio=f"{idle:.3f} in an idle loop, on this shared machine; processor time: sorting and "
            f"pruning {statistics.median(end):.2f}, encoding {statistics.median(encode):.2f}",
            goal=f"at most {_LONGEST_GAP}",
            met=max(in_thread) <= _LONGEST_GAP,
        ),
    ]


def _end_of_exploring(config: RunConfig, trace: Trace) -> None:
    tree = trace.tree.sorted()
    Pruner(config.prune).prune(trajectories(tree), tree)


def _held(do: Callable[[], object]) -> float:
    start = time.thread_time()
    do()
    return time.thread_time() - start


def _gap_of_worker(config: RunConfig, trace: Trace, *, heavy_tokens: int) -> float:
    class _Explored:
        """Does what follows after the last rollout."""

        async def explore(self, *_: Any) -> Trace:
            tree = await explore.aside(trace.tree, trace.tree.sorted)
            await explore.aside(tree, Pruner(config.prune).prune, trajectories(tree), tree)
            return trace

    async def measure() -> float:
        worker = RolloutWorker(config, [], [])
        worker._explorer = cast("Any", _Explored())
        return await _longest_gap(lambda: worker._explore(trace.problem, None, lambda tree: None))

    usual, explore._HEAVY_TOKENS = explore._HEAVY_TOKENS, heavy_tokens
    try:
        return asyncio.run(measure())
    finally:
        explore._HEAVY_TOKENS = usual


async def _longest_gap(do: Callable[[], Awaitable[object]]) -> float:
    """The longest time between two turns of a task that wants one every millisecond."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.perf_counter()
            longest, last = max(longest, now - last - _TICK_SECONDS), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    await do()
    await asyncio.sleep(0.01)
    ticking.cancel()
    return longest
