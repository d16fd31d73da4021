"""A stored tree, read from its row, goes on to what one longer search gives."""

import pytest

from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.trees import read_trace
from pipeline.engines import PromptFormat
from pipeline.engines.simulated import SimulatedEngine
from pipeline.records import Trace
from pipeline.search.branching import Branching
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import Tree
from tests.conftest import make_problem
from tests.unit.pipeline.test_explore import explorer


async def explore(rollouts: int | None, tree: Tree | None = None, steps: int = 4) -> Trace:
    engine = SimulatedEngine(SimulatedEngine.Config(min_steps=steps), PromptFormat())
    search = Budgeted(
        Branching(Branching.Config(rollouts=4, points=2, branches=2, depth=2)),
        BudgetConfig(rollouts=rollouts),
        max_tokens=400,
        max_steps=64,
    )
    return await explorer(engine, search).explore(make_problem(), tree)


# The budgets are such that each cuts between expansions, not within one: an expansion asked for in
# two requests gets other samples than one asked for in one.
@pytest.mark.parametrize(("small", "large"), [(4, 40), (8, None), (12, 44), (2, None)])
async def test_a_small_budget_then_a_larger_one_is_one_larger_one(
    small: int, large: int | None
) -> None:
    whole = await explore(large)
    half = await explore(small)
    assert half.tree.num_rollouts == small < whole.tree.num_rollouts
    (row,) = decode("trees", [EncodedTrace.of(half)]).to_pylist()
    stored = read_trace(row).tree
    rest = await explore(large, stored)
    if small >= 4:
        assert EncodedTrace.of(rest).rows == EncodedTrace.of(whole).rows
    assert rest.tree.num_rollouts == whole.tree.num_rollouts
    again = read_trace(row).tree
    assert [n.token_ids for n in again.nodes] == [n.token_ids for n in half.tree.nodes]
