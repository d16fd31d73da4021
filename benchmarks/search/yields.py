"""Verified traces for the tokens they cost, and coverage, of strategies on the same problems.

A trace counts if it is complete, passes the verifier, and differs in its text from every other one of
its problem. Tokens are those that were sampled: a prefix that rollouts share counts once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.measure import spread
from benchmarks.search.solvers import Solver, search
from pipeline.config import KINDS
from pipeline.evaluation.design import Design
from pipeline.outcomes import sample_outcome
from pipeline.records import Trace
from pipeline.search.budget import BudgetConfig
from pipeline.tree import Tree
from reward_models.evaluation.choosing import pass_at_k

CAPTION = """Distinct verified traces for a million sampled tokens, on the same problems under each
strategy, and the share of problems with at least one. pass@k: of the whole rollouts that the strategy
samples whatever comes back, by the estimator of Chen et al. (2021)."""
_SECTIONS: Sequence[Mapping[str, Any]] = (
    {"use": "best_of_n", "n": 16},
    {"use": "branching", "rollouts": 4},
    {"use": "adaptive"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """Of one strategy on a set of problems."""

    num_kept: int
    num_tokens: int
    num_problems: int
    num_solved: int
    """Problems with a trace that is kept."""
    whole: Sequence[tuple[int, int]]
    """For each problem: of the whole rollouts that are sampled whatever comes back those whose outcome
    is known, and those that are right."""

    @classmethod
    def of(cls, traces: Sequence[Trace], design: Design) -> "Yield":
        """Counts what a search has found."""
        return cls(
            num_kept=sum(len(trace.kept) for trace in traces),
            num_tokens=sum(trace.tree.num_tokens for trace in traces),
            num_problems=len(traces),
            num_solved=sum(bool(trace.kept) for trace in traces),
            whole=[_whole(trace.tree, design) for trace in traces],
        )

    @property
    def kept_per_million(self) -> float:
        """Distinct verified traces for a million sampled tokens."""
        return self.num_kept / self.num_tokens * 1e6

    def coverage(self, k: int) -> float | None:
        """Mean pass@k of the whole rollouts; None where a problem has fewer than k."""
        if min(rollouts for rollouts, _ in self.whole) < k:
            return None
        return mean(pass_at_k(rollouts, passes, k) for rollouts, passes in self.whole)


async def measure_yields(
    solver: Solver, num_problems: int, seeds: Sequence[int]
) -> dict[str, list[Yield]]:
    """Strategy -> its yield with each seed."""
    found: dict[str, list[Yield]] = {}
    for section in _SECTIONS:
        for seed in seeds:
            problems = solver.problems(seed, num_problems)
            traces = await search(solver, section, BudgetConfig(), problems, seed)
            found.setdefault(section["use"], []).append(Yield.of(traces, _design(section, solver)))
    return found


def yield_table(solver: Solver, found: Mapping[str, Sequence[Yield]]) -> str:
    """The yields as Markdown."""
    head = [
        f"### {solver.name}",
        "| strategy | traces a million tokens | tokens a problem | problems solved | pass@1 | pass@8 |",
        "|---|---|---|---|---|---|",
    ]
    rows = []
    for strategy, seeds in found.items():
        cells = [
            spread([one.kept_per_million for one in seeds]),
            spread([one.num_tokens / one.num_problems for one in seeds]),
            spread([one.num_solved / one.num_problems for one in seeds], 3),
            *(_coverage(seeds, k) for k in (1, 8)),
        ]
        rows.append(f"| {strategy} | " + " | ".join(cells) + " |")
    return "\n".join([*head, *rows])


def _coverage(seeds: Sequence[Yield], k: int) -> str:
    found = [covered for one in seeds if (covered := one.coverage(k)) is not None]
    return spread(found, 3) if found else "-"


def _design(section: Mapping[str, Any], solver: Solver) -> Design:
    strategy = KINDS["strategy"].part(dict(section)).build()
    design = Design.of(strategy, BudgetConfig(), solver.sampling.max_tokens)
    assert design is not None, f"{section['use']} fixes no number of whole rollouts"
    return design


def _whole(tree: Tree, design: Design) -> tuple[int, int]:
    outcomes = [sample_outcome(tree, leaf) for leaf in design.samples(tree) or ()]
    known = [right for right in outcomes if right is not None]
    return len(known), sum(known)
