"""`make bench`: measures everything, prints it and writes benchmarks/README.md (`page.py`)."""

import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.cache import against_no_cache
from benchmarks.cluster.heavy import heavy_problems
from benchmarks.cluster.scale import many_problems
from benchmarks.cluster.spread import many_workers
from benchmarks.durability.section import under_faults
from benchmarks.exporting import exported_views
from benchmarks.hygiene.section import planted_leaks
from benchmarks.languages import compilations_and_runs
from benchmarks.loop.flipped import flipped_verdicts
from benchmarks.loop.language_model import language_model_in_a_loop
from benchmarks.loop.section import rounds_of_the_loop
from benchmarks.measure import Measured, machine, table
from benchmarks.page import Part, write_page
from benchmarks.planning import predicted_and_measured
from benchmarks.rewards import reward_models
from benchmarks.sandbox import against_other_ways
from benchmarks.scoring import steps_per_second
from benchmarks.search.sections import (
    agreement_by_confidence,
    labels_for_tokens,
    traces_for_tokens,
)
from benchmarks.search.thinking import cost_of_proposals
from benchmarks.serving import against_in_process
from benchmarks.simulated import peak_memory, rollouts_per_second
from benchmarks.tests_apart import apart_and_inside
from benchmarks.throughput.compare import real_engine
from benchmarks.variants import variants_and_truth
from benchmarks.verifiers import against_math_verify
from benchmarks.viewer import large_run_and_tree

_BENCHMARKS: dict[str, Callable[[], Measured]] = {
    "rollouts": rollouts_per_second,
    "memory": peak_memory,
}
_SECTIONS: dict[str, Callable[[], tuple[list[Measured], str]]] = {
    "throughput": real_engine,
    "cache": against_no_cache,
    "sandbox": against_other_ways,
    "tests": apart_and_inside,
    "languages": compilations_and_runs,
    "verifiers": against_math_verify,
    "labels": labels_for_tokens,
    "traces": traces_for_tokens,
    "confidence": agreement_by_confidence,
    "thinking": cost_of_proposals,
    "scoring": steps_per_second,
    "rewards": reward_models,
    "serving": against_in_process,
    "durability": under_faults,
    "scale": many_problems,
    "heavy": heavy_problems,
    "spread": many_workers,
    "export": exported_views,
    "hygiene": planted_leaks,
    "viewer": large_run_and_tree,
    "variants": variants_and_truth,
    "loop": rounds_of_the_loop,
    "flipped": flipped_verdicts,
    "language_model": language_model_in_a_loop,
    "plan": predicted_and_measured,
}
"""Those with several rows, and a section of the page for the rest."""
NAMES = [*_BENCHMARKS, *_SECTIONS]


def main(names: list[str]) -> None:
    """Measures the named parts, or all, and renews each on the page as soon as it is done.

    A part that breaks is told with its traceback, and the others go on.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"benchmarks: expected some of {', '.join(NAMES)}, got {unknown[0]}")
    broken, missed = [], []
    for name in names or NAMES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            part = _measure(name)
        except Exception:  # noqa: BLE001 - an hour of other parts does not end with one
            traceback.print_exc()
            broken.append(name)
            continue
        print(table(part.rows), part.section, sep="\n\n", flush=True)
        part.save()
        write_page(NAMES)
        missed += [row.what for row in part.rows if not row.met]
    if broken:
        sys.exit(f"benchmarks: broke off: {', '.join(broken)}")
    if missed:
        sys.exit(f"benchmarks: goals missed: {'; '.join(missed)}")


def _measure(name: str) -> Part:
    began = time.perf_counter()
    rows, section = ([_BENCHMARKS[name]()], "") if name in _BENCHMARKS else _SECTIONS[name]()
    return Part(
        name=name,
        rows=rows,
        section=section,
        machine=machine(),
        date=datetime.now(UTC).date().isoformat(),
        seconds=time.perf_counter() - began,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
