"""Ends rollouts midway if a process reward model scores them low.

A rollout pauses after every `every_steps` steps and is scored. Among the unfinished rollouts of one
expansion, those with a score under `min_score` end, and then all but the best `keep_fraction`; equal
scores are ranked by the last step. A rollout without a score always continues. A fraction
`explore_fraction` of the rollouts that would end, drawn by a hash, continues to its end and is not
checked again: the pass rate of these branches is the model's false-prune rate, which the run reports.

An ended rollout is not a trial, because its outcome is unknown. So a pass rate below a prefix only
covers the rollouts that the model kept.
"""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dispatch.scoring import as_float32
from pipeline.engines import Completion, Engine, Request
from pipeline.hashing import derive_seed
from pipeline.rollouts.stepwise import Paused, begin, go_on
from pipeline.tree import Finish, Tree
from reward_models.aggregate import Aggregate, aggregate

_DRAWS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Standing:
    """A rollout's score so far, for ranking; rounded to 32 bits."""

    score: float
    """The aggregated score."""
    last: float
    """The last step's score, which breaks ties between rollouts with the same worst step."""


class BranchPruning(BaseModel):
    """Rules for ending rollouts midway; off unless `min_score` or `keep_fraction` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_score: float | None = Field(default=None, gt=0, le=1)
    """Rollouts with a lower score end."""
    keep_fraction: float | None = Field(default=None, gt=0, le=1)
    """Fraction, rounded up, of an expansion's unfinished rollouts that continue; the rest end."""
    every_steps: int = Field(default=1, ge=1)
    """Steps between two checks."""
    explore_fraction: float = Field(default=0.1, ge=0, le=1)
    """Fraction of the rollouts to end that continue to their end anyway, to measure false prunes."""
    aggregate: Aggregate = "min"
    """How the scores of all steps of a response become its score."""

    @property
    def is_on(self) -> bool:
        """Whether any rule is on."""
        return self.min_score is not None or self.keep_fraction is not None

    @model_validator(mode="after")
    def _check_use(self) -> Self:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = [name for name, value in self if value != defaults[name]]
        if given and not self.is_on:
            raise ValueError(
                f"expected `min_score` or `keep_fraction` with {given[0]!r}, because without them "
                "no rollout ends"
            )
        return self

    def low(self, standings: Mapping[int, Standing]) -> list[int]:
        """The unfinished rollouts to end, the lowest score first.

        `standings` has the rollouts with known scores; in a tie the earlier rollout continues.
        """
        order = sorted(standings, key=lambda rollout: (standings[rollout], -rollout))
        num_low = 0
        if self.min_score is not None:
            bound = as_float32(self.min_score)
            num_low = sum(one.score < bound for one in standings.values())
        if self.keep_fraction is not None:
            # The decimal number as written: in floats 0.1 * 30 is over 3.
            num_kept = math.ceil(Fraction(str(self.keep_fraction)) * len(order))
            num_low = max(num_low, len(order) - num_kept)
        return order[:num_low]

    def stand(self, steps: Sequence[float | None]) -> Standing | None:
        """Standing of a rollout with these scores; None if a step that decides it is unscored."""
        value = aggregate(self.aggregate, steps)
        last = steps[-1] if steps else None
        if value is None or last is None:
            return None
        return Standing(score=as_float32(value), last=as_float32(last))

    def explores(self, tree: Tree, parent: int, slot: int) -> bool:
        """Whether this rollout continues regardless of its score; the answer never changes."""
        draw = derive_seed(tree.seed, tree.address(parent), slot, "explore") % _DRAWS
        return draw < self.explore_fraction * _DRAWS


NEVER = BranchPruning()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunableRollout:
    """A rollout that was checked midway."""

    completion: Completion
    """Finished as PRUNED if it was ended midway."""
    num_steps: int | None = None
    """Number of steps at the check that it failed; None if it passed all checks."""
    score: float | None = None
    """Its score at that check."""


Look = Callable[[Sequence[Paused]], Awaitable[Sequence[Standing | None]]]
"""Scores the rollouts' current steps."""


async def sample_with_pruning(
    engine: Engine,
    request: Request,
    rules: BranchPruning,
    *,
    look: Look,
    explores: Callable[[int], bool],
    max_steps: int | None,
) -> list[PrunableRollout]:
    """Samples the request's rollouts and checks each when it pauses; `max_steps` limits their length.

    The last call of `look` for a rollout sees its final state. `explores` says by a rollout's index
    whether it continues regardless of its score. Each round waits for its slowest rollout. Raises
    EngineDied, RequestRejected, and ValueError for a request without strings to pause at.
    """
    most = sys.maxsize if max_steps is None else max_steps

    async def advance(rollouts: Iterable[Paused], num_steps: int) -> list[Paused]:
        return await asyncio.gather(
            *(go_on(engine, request, one, min(one.num_steps + num_steps, most)) for one in rollouts)
        )

    done, explored = dict[int, PrunableRollout](), list[tuple[Paused, float]]()
    running = await advance(await begin(engine, request), rules.every_steps - 1)
    while running:
        found = dict(zip((one.index for one in running), await look(running), strict=True))
        open_ones = {r.index: s for r in running if r.can_go_on and (s := found[r.index]) is not None}
        low = set(rules.low(open_ones))
        going_on = []
        for one in running:
            if one.index in low and explores(one.index):
                explored.append((one, open_ones[one.index].score))
            elif one.index in low:
                done[one.index] = _cut(one, open_ones[one.index].score, Finish.PRUNED)
            elif one.can_go_on and one.num_steps < most:
                going_on.append(one)
            else:
                done[one.index] = PrunableRollout(completion=one.completion)
        running = await advance(going_on, rules.every_steps)
    ended = await advance((one for one, _ in explored), most)
    if ended:
        await look(ended)
    for (before, score), one in zip(explored, ended, strict=True):
        done[one.index] = replace(_cut(before, score, Finish.STEP), completion=one.completion)
    return [done[index] for index in sorted(done)]


def _cut(one: Paused, score: float, finish: Finish) -> PrunableRollout:
    completion = replace(one.completion, finish=finish)
    return PrunableRollout(completion=completion, num_steps=one.num_steps, score=score)
