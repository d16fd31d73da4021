"""Selects the rollouts of a problem that are its samples.

A sample is a whole rollout from the problem's start. The number of samples must not depend on their
outcomes: if a search samples until a rollout passes, the mean over all rollouts is biased. So the
samples are the rollouts of the first slots, whose number the strategy fixes (`fixed_rollouts`).
"""

from dataclasses import dataclass

from pipeline.config import KINDS
from pipeline.datasets.folder import RunFolder
from pipeline.evaluation.errors import EvaluationError
from pipeline.search import Strategy
from pipeline.search.border import fixed_rollouts
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Finish, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The rollouts that are a problem's samples, determined before any outcome is known."""

    num_samples: int
    cut_below: int | None
    """A truncated rollout with fewer tokens was cut by the budget; None without a token budget."""

    @classmethod
    def of(cls, strategy: Strategy, budget: BudgetConfig, max_tokens: int) -> "Design | None":
        """The design of a strategy; None if it samples no fixed number of whole rollouts.

        Raises ValueError if a third-party strategy states something other than a number.
        """
        fixed = fixed_rollouts(strategy)
        if fixed is None:
            return None
        allowed = fixed if budget.rollouts is None else min(fixed, budget.rollouts)
        return cls(num_samples=allowed, cut_below=None if budget.tokens is None else max_tokens)

    def samples(self, tree: Tree) -> list[int] | None:
        """Leaves of the samples in order of slots; None if some are missing.

        Samples are missing if the engine rejected the problem or a budget ended the search; in the
        latter case the missing ones depend on the lengths of the others.
        """
        starts = tree.children_by_slot(ROOT)
        leaves = [tree.leaf_of(start) for start in starts if tree.nodes[start].slot < self.num_samples]
        if len(leaves) < self.num_samples or any(self._is_cut_short(tree, leaf) for leaf in leaves):
            return None
        return leaves

    def _is_cut_short(self, tree: Tree, leaf: int) -> bool:
        if self.cut_below is None or tree.nodes[leaf].finish is not Finish.LENGTH:
            return False
        return tree.num_response_tokens(leaf) < self.cut_below


def design_of(folder: RunFolder) -> Design:
    """The design of a run. Raises EvaluationError if the run has no samples."""
    config = folder.run["config"]
    section = dict(config["strategy"])
    try:
        strategy = KINDS["strategy"].part(section).build()
        budget = BudgetConfig.model_validate(config.get("budget") or {})
        design = Design.of(strategy, budget, config["sampling"]["max_tokens"])
    except ValueError as e:
        raise EvaluationError(f"{folder.path}: the run's strategy cannot be used: {e}") from e
    if design is None:
        raise EvaluationError(
            f"{folder.path}: expected a strategy with a fixed number of whole rollouts, such as "
            f"best_of_n, got {section['use']}; a strategy of your own states the number in its "
            "property `fixed_rollouts`"
        )
    return design
