"""Prefixes from vLLM's cache, against the most that its block size allows, and what they are worth.

The bound, for one sequence: the longest beginning of its prefix, in whole blocks, that an earlier or a
sibling sequence of the run has computed, a rollout's own tokens included. It is never the whole prefix:
vLLM computes at least the last token, so of a prefix of n tokens at most floor((n - 1) / block) blocks
can be served. A sequence's last sampled token is never computed. Of siblings one pays for all.

It is taken from the trees of a finished run, rollout by rollout, which does not depend on the order in
which the engine got them: what only one of several sequences computes is counted once in any order.
"""

import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.measure import CONFIGS, Measured, run_berry, spread
from pipeline.config import load_config
from pipeline.engines.vllm import VllmEngine
from reward_models.vllm_settings import cpu_arguments

_PAIRS = 3
_OVERRIDES = ("problems.size=16", "strategy.points=2")
_WITHOUT = "engine.options={enable_prefix_caching: false}"
_LEAST_SHARE = 0.95
_LEAST_RATIO = 1.0
_TEXT = """## Prefixes
Branching with two branch points on each rollout, on the quickstart's sums: a sequence's prefix is the
prompt and, for a branch, the steps before it, {length:.0f} tokens on average. The cache holds whole
blocks of {block} tokens, and the last token of a prefix is always computed; so at most {most}
of all prefix tokens can come from the cache, and {cached} did. The comparison
runs the same with `{without}`."""

Sequences = Iterator[tuple[list[int], list[int]]]


def against_no_cache() -> tuple[list[Measured], str]:
    """Share of the bound, and tokens/s of the pairs with and without the cache."""
    block = _block_size()
    found, most, lengths, speeds, without = [], [], [], [], []
    for _ in range(_PAIRS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "with"
            facts, _peak = run_berry("quickstart.yaml", out, *_OVERRIDES)
            other, _peak = run_berry("quickstart.yaml", Path(folder) / "out", *_OVERRIDES, _WITHOUT)
            pairs = list(sequences(pq.read_table(out / "data" / "trees").to_pylist()))
        total = _checked_total(facts, pairs)
        found.append(facts["new_prompt_tokens_cached"] / total)
        most.append(bound(pairs, block) / total)
        lengths.append(total / len(pairs))
        speeds.append(facts["new_tokens"] / facts["seconds"])
        without.append(other["new_tokens"] / other["seconds"])
    shares = [one / other for one, other in zip(found, most, strict=True)]
    ratios = [one / other for one, other in zip(speeds, without, strict=True)]
    rows = [
        Measured(
            what="real engine, branching: prefix tokens from the cache, the most that blocks allow",
            figures=f"{spread(found, 3)}; {spread(most, 3)}",
            ratio=spread(shares, 3),
            goal=f"at least {_LEAST_SHARE:.2f} of it",
            met=statistics.median(shares) >= _LEAST_SHARE,
        ),
        Measured(
            what="real engine, branching: tokens/s with the prefix cache, without",
            figures=f"{spread(speeds)}; {spread(without)}",
            ratio=spread(ratios, 2),
            goal=f"at least {_LEAST_RATIO:.2f} of it",
            met=statistics.median(ratios) >= _LEAST_RATIO,
        ),
    ]
    text = _TEXT.format(
        length=statistics.median(lengths),
        block=block,
        most=spread(most, 3),
        cached=spread(found, 3),
        without=_WITHOUT,
    )
    return rows, text


def sequences(trees: Iterable[Mapping[str, Any]]) -> Sequences:
    """Of every sampled rollout of `branching`: its prefix, and the tokens it sampled itself.

    A rollout comes after the one that it branches from, as ids of nodes are numbered depth first.
    """
    for row in trees:
        nodes = row["nodes"]
        first_child = {node["parent"]: node for node in nodes[1:] if node["slot"] == 0}
        prefixes = {0: list(nodes[0]["token_ids"])}
        for node in nodes[1:]:
            prefix = prefixes[node["parent"]]
            prefixes[node["id"]] = prefix + list(node["token_ids"])
            if node["parent"] == 0 or node["slot"] > 0:
                yield prefix, list(_continued(node, first_child))


def _continued(node: Mapping[str, Any] | None, first_child: Mapping[int, Any]) -> Iterator[int]:
    while node is not None:
        yield from node["token_ids"]
        node = first_child.get(node["id"])


def bound(pairs: Iterable[tuple[Sequence[int], Sequence[int]]], block: int) -> int:
    """Most prefix tokens that the cache can serve; see the module's docstring."""
    computed: set[tuple[int, ...]] = set()
    served = 0
    for prefix, sampled in pairs:
        known = (end for end in _ends(len(prefix) - 1, block) if tuple(prefix[:end]) in computed)
        served += max(known, default=0)
        tokens = (*prefix, *sampled)
        computed |= {tokens[:end] for end in _ends(len(tokens) - 1, block)}
    return served


def _ends(num_tokens: int, block: int) -> range:
    """Where the whole blocks of so many tokens end."""
    return range(block, num_tokens + 1, block)


def _block_size() -> int:
    options = load_config(CONFIGS / "quickstart.yaml").engine.options
    assert isinstance(options, VllmEngine.Config)
    return int((cpu_arguments(options.dtype) | options.options)["block_size"])


def _checked_total(facts: Mapping[str, Any], pairs: Sequence[tuple[Sequence[int], object]]) -> int:
    """All prefix tokens, if the run's own count agrees with its trees."""
    total = sum(len(prefix) for prefix, _ in pairs)
    if total != facts["new_prompt_tokens"]:
        raise RuntimeError(f"the trees have {total} prefix tokens, the run counted {facts}")
    return total
