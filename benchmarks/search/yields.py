"""Verified traces for the tokens they cost, and coverage, of strategies on the same problems.

A trace counts if pruning keeps it: it is complete, passes the verifier, and differs in its text from
every other one of its problem. It is clean if every step of it is right, where that is known. Tokens
are those that were sampled: a prefix that rollouts share counts once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.measure import spread
from benchmarks.search.solvers import Solver, search
from pipeline.config import KINDS
from pipeline.datasets.counts import Counts
from pipeline.evaluation.design import Design
from pipeline.labels.outcomes import sample_outcome
from pipeline.records import Trace
from pipeline.search.budget import BudgetConfig
from pipeline.tree import Tree
from reward_models.evaluation.choosing import pass_at_k

CAPTION = """Of the same problems under each strategy, for a million sampled tokens: problems with a
trace that is kept, traces, and clean traces, all of whose steps are right. Flawed: the share of traces
with a wrong step, and the one that `p_correct` lets expect. pass@k: of the whole rollouts that the
strategy samples whatever comes back, by the estimator of Chen et al. (2021)."""
_SECTIONS: Sequence[Mapping[str, Any]] = (
    {"use": "survivors"},
    {"use": "best_of_n", "rollouts": 4},
    {"use": "best_of_n", "rollouts": 8},
    {"use": "best_of_n", "rollouts": 16},
    {"use": "branching", "rollouts": 4},
    {"use": "adaptive"},
)
TrueSteps = Callable[[Tree, int], Sequence[bool] | None]
"""As `Solver` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """Of one strategy on a set of problems."""

    num_kept: int
    num_clean: int | None
    """Of those kept; None where no step's truth is known."""
    expected_flawed: float | None
    """Share of those kept, by what the rollouts tell; None without any."""
    num_tokens: int
    num_problems: int
    num_solved: int
    """Problems with a trace that is kept."""
    whole: Sequence[tuple[int, int]]
    """For each problem: of the whole rollouts that are sampled whatever comes back those whose outcome
    is known, and those that are right."""

    @classmethod
    def of(cls, traces: Sequence[Trace], true_steps: TrueSteps, design: Design) -> "Yield":
        """Counts what a search has found."""
        kept = [true_steps(trace.tree, one.leaf) for trace in traces for one in trace.kept]
        counts = sum(map(Counts.of, traces), Counts())
        return cls(
            num_kept=len(kept),
            num_clean=None if None in kept else sum(all(truths or ()) for truths in kept),
            expected_flawed=counts.flawed_fraction,
            num_tokens=sum(trace.tree.num_tokens for trace in traces),
            num_problems=len(traces),
            num_solved=sum(bool(trace.kept) for trace in traces),
            whole=[_whole(trace.tree, design) for trace in traces],
        )

    def per_million(self, number: int) -> float:
        """So many, for a million sampled tokens."""
        return number / self.num_tokens * 1e6

    @property
    def flawed(self) -> float | None:
        """Share of the traces with a wrong step; None where that is unknown, and without traces."""
        if self.num_clean is None or not self.num_kept:
            return None
        return 1 - self.num_clean / self.num_kept

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
            made = Yield.of(traces, solver.true_steps, _design(section, solver))
            found.setdefault(_name(section), []).append(made)
    return found


def _name(section: Mapping[str, Any]) -> str:
    return ", ".join([section["use"], *(f"{key} = {section[key]}" for key in section if key != "use")])


def yield_table(solver: Solver, found: Mapping[str, Sequence[Yield]]) -> str:
    """The yields as Markdown."""
    head = [
        f"### {solver.name}",
        "| strategy | solved | traces | clean traces | flawed | expected | tokens a problem | "
        "problems solved | pass@1 | pass@8 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = []
    for strategy, seeds in found.items():
        cells = [
            spread([one.per_million(one.num_solved) for one in seeds]),
            spread([one.per_million(one.num_kept) for one in seeds]),
            _known(
                [None if one.num_clean is None else one.per_million(one.num_clean) for one in seeds]
            ),
            _known([one.flawed for one in seeds], 3),
            _known([one.expected_flawed for one in seeds], 3),
            spread([one.num_tokens / one.num_problems for one in seeds]),
            spread([one.num_solved / one.num_problems for one in seeds], 3),
            *(_coverage(seeds, k) for k in (1, 8)),
        ]
        rows.append(f"| {strategy} | " + " | ".join(cells) + " |")
    return "\n".join([*head, *rows])


def _coverage(seeds: Sequence[Yield], k: int) -> str:
    return _known([one.coverage(k) for one in seeds], 3)


def _known(figures: Sequence[float | None], digits: int = 0) -> str:
    known = [figure for figure in figures if figure is not None]
    return spread(known, digits) if known else "-"


def _design(section: Mapping[str, Any], solver: Solver) -> Design:
    strategy = KINDS["strategy"].part(dict(section)).build()
    design = Design.of(strategy, BudgetConfig(), solver.sampling.max_tokens)
    assert design is not None, f"{section['use']} fixes no number of whole rollouts"
    return design


def _whole(tree: Tree, design: Design) -> tuple[int, int]:
    outcomes = [sample_outcome(tree, leaf) for leaf in design.samples(tree) or ()]
    known = [right for right in outcomes if right is not None]
    return len(known), sum(known)
