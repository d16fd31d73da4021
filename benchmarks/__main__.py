"""`make bench`: measures everything, prints the table and writes it to benchmarks/README.md."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cache import against_no_cache
from benchmarks.languages import compilations_and_runs
from benchmarks.measure import Measured, machine, table
from benchmarks.rewards import reward_models
from benchmarks.sandbox import against_other_ways
from benchmarks.scoring import steps_per_second
from benchmarks.search.sections import labels_for_tokens, traces_for_tokens
from benchmarks.search.thinking import cost_of_proposals
from benchmarks.serving import against_in_process
from benchmarks.simulated import peak_memory, rollouts_per_second
from benchmarks.tests_apart import apart_and_inside
from benchmarks.throughput import against_offline_generate
from benchmarks.verifiers import against_math_verify

_BENCHMARKS: dict[str, Callable[[], Measured]] = {
    "throughput": against_offline_generate,
    "rollouts": rollouts_per_second,
    "memory": peak_memory,
}
_SECTIONS: dict[str, Callable[[], tuple[list[Measured], str]]] = {
    "cache": against_no_cache,
    "sandbox": against_other_ways,
    "tests": apart_and_inside,
    "languages": compilations_and_runs,
    "verifiers": against_math_verify,
    "labels": labels_for_tokens,
    "traces": traces_for_tokens,
    "thinking": cost_of_proposals,
    "scoring": steps_per_second,
    "rewards": reward_models,
    "serving": against_in_process,
}
"""Those with several rows, and a section of the page for the rest."""
_NAMES = [*_BENCHMARKS, *_SECTIONS]
_TEXT = """# Benchmarks
`make bench` measures these and writes this page; `python -m benchmarks NAME ...` measures only some
({names}) and prints them. What is compared runs in turn on the same machine in the same hour.
Figures are medians with their range.

{machine}, {date}.

{table}

{sections}
"""


def main(names: list[str]) -> None:
    """Measures the named benchmarks, or all, which also writes the page."""
    unknown = [name for name in names if name not in _NAMES]
    if unknown:
        sys.exit(f"benchmarks: expected some of {', '.join(_NAMES)}, got {unknown[0]}")
    rows, sections = [], []
    for name in names or _NAMES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        if name in _BENCHMARKS:
            rows.append(_BENCHMARKS[name]())
        else:
            measured, section = _SECTIONS[name]()
            rows += measured
            sections.append(section)
    print(table(rows), *sections, sep="\n\n")
    if not names:
        page = _TEXT.format(
            names=", ".join(_NAMES),
            machine=machine(),
            date=datetime.now(UTC).date(),
            table=table(rows),
            sections="\n\n".join(sections),
        )
        (Path(__file__).parent / "README.md").write_text(page)
    if not all(row.met for row in rows):
        sys.exit("benchmarks: a goal was missed")


if __name__ == "__main__":
    main(sys.argv[1:])
