"""Which rollouts of a problem are its samples.

A sample is a whole rollout from the problem's start. How many there are must not depend on how they
turned out: where more are sampled because none has passed, a mean over all of them is too high, as the
search stops at a success. So the samples are those of the first slots, as many as the strategy takes
whatever comes back (`fixed_rollouts`).
"""

from dataclasses import dataclass

from pipeline.config import KINDS
from pipeline.datasets.folder import RunFolder
from pipeline.evaluation.errors import EvaluationError
from pipeline.search import Strategy
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Finish, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which rollouts of a problem were to be its samples before any came back."""

    num_samples: int
    cut_below: int | None
    """A rollout of fewer tokens that was cut off was cut by the budget; None if it has no tokens."""

    @classmethod
    def of(cls, strategy: Strategy, budget: BudgetConfig, max_tokens: int) -> "Design | None":
        """None for a strategy that samples no whole rollouts of a number that is fixed."""
        fixed: int | None = getattr(strategy, "fixed_rollouts", None)
        if fixed is None:
            return None
        allowed = fixed if budget.rollouts is None else min(fixed, budget.rollouts)
        return cls(num_samples=allowed, cut_below=None if budget.tokens is None else max_tokens)

    def samples(self, tree: Tree) -> list[int] | None:
        """Leaves of the samples in order of slots; None where some are missing.

        That is so where a budget has ended the search, and which ones are then missing depends on the
        lengths of the others; and where the engine has refused the problem.
        """
        starts = sorted(tree.children(ROOT), key=lambda child: tree.nodes[child].slot)
        leaves = [tree.leaf_of(start) for start in starts if tree.nodes[start].slot < self.num_samples]
        if len(leaves) < self.num_samples or any(self._is_cut_short(tree, leaf) for leaf in leaves):
            return None
        return leaves

    def _is_cut_short(self, tree: Tree, leaf: int) -> bool:
        if self.cut_below is None or tree.nodes[leaf].finish is not Finish.LENGTH:
            return False
        return tree.num_response_tokens(leaf) < self.cut_below


def _check_fixed(strategy: Strategy) -> None:
    """Raises ValueError for a strategy of somebody's own that gives no number."""
    fixed = getattr(strategy, "fixed_rollouts", None)
    if fixed is not None and (type(fixed) is not int or fixed < 1):
        raise ValueError(f"fixed_rollouts: expected a whole number of 1 or more, got {fixed!r}")


def design_of(folder: RunFolder) -> Design:
    """Which rollouts of the run are samples. Raises EvaluationError where none are."""
    config = folder.run["config"]
    section = dict(config["strategy"])
    try:
        strategy = KINDS["strategy"].part(section).build()
        _check_fixed(strategy)
        budget = BudgetConfig.model_validate(config.get("budget") or {})
    except ValueError as e:
        raise EvaluationError(f"{folder.path}: the run's strategy cannot be used: {e}") from e
    design = Design.of(strategy, budget, config["sampling"]["max_tokens"])
    if design is None:
        raise EvaluationError(
            f"{folder.path}: expected a strategy that samples a number of whole rollouts whatever "
            f"comes back, as best_of_n does, got {section['use']}; one of your own says how many in "
            "a property `fixed_rollouts`"
        )
    return design
