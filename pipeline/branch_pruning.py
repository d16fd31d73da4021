"""Ends rollouts mid-way that a process reward model has little hope for.

A rollout pauses after each `every` steps and is scored. Of the rollouts of one expansion that could go
on those are ended whose score is under `under`, and then all but the best share `keep`; of equal ones
those with the better last step are the better ones. A rollout whose score is not known always goes on.
Of those that would be ended a share `explore`, drawn by a hash, goes on to its end all the same, and is
not looked at again: how often such a branch turns out right is the model's false-prune rate, which the
run reports.

What is ended is no trial: how it would have ended is unknown. So a pass rate below a prefix speaks of
the rollouts that the model let live.
"""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.engines import Completion, Engine, Request
from pipeline.engines.stepwise import Paused, begin, go_on
from pipeline.scoring import as_float32
from pipeline.seeds import derive_seed
from pipeline.tree import Finish, Tree
from reward_models.aggregate import Aggregate, aggregate

_DRAWS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Standing:
    """How a rollout scores so far, among others; as 32 bits hold it."""

    score: float
    """The one that counts."""
    last: float
    """Its last step's, which tells rollouts apart that share their worst step."""


class BranchPruning(BaseModel):
    """When a rollout is ended mid-way; never, unless `under` or `keep` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    under: float | None = Field(default=None, gt=0, le=1)
    """End rollouts that are scored under this."""
    keep: float | None = Field(default=None, gt=0, le=1)
    """End all but this share, rounded up, of an expansion's rollouts that could go on."""
    every: int = Field(default=1, ge=1)
    """Steps between two looks."""
    explore: float = Field(default=0.1, ge=0, le=1)
    """Share of those to be ended that go on to their end all the same."""
    aggregate: Aggregate = "min"
    """How the scores of a rollout's steps, from the response's first on, become the one that counts."""

    @property
    def is_on(self) -> bool:
        """Whether anything is ended at all."""
        return self.under is not None or self.keep is not None

    @model_validator(mode="after")
    def _check_use(self) -> Self:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = [name for name, value in self if value != defaults[name]]
        if given and not self.is_on:
            raise ValueError(
                f"expected `under` or `keep` beside {given[0]!r}, without which nothing is ended"
            )
        return self

    def low(self, standings: Mapping[int, Standing]) -> list[int]:
        """Which of the rollouts that could go on are to be ended, the lowest first.

        `standings` has those that are known; ties go to the earlier rollout.
        """
        order = sorted(standings, key=lambda rollout: (standings[rollout], -rollout))
        num_low = 0
        if self.under is not None:
            bound = as_float32(self.under)
            num_low = sum(one.score < bound for one in standings.values())
        if self.keep is not None:
            # As it was written: in floats 0.1 * 30 is over 3.
            num_kept = math.ceil(Fraction(str(self.keep)) * len(order))
            num_low = max(num_low, len(order) - num_kept)
        return order[:num_low]

    def stand(self, steps: Sequence[float | None]) -> Standing | None:
        """Of a rollout with these scores; None if a step that it rests on is unscored."""
        value = aggregate(self.aggregate, steps[-1:] if self.aggregate == "last" else steps)
        last = steps[-1] if steps else None
        if value is None or last is None:
            return None
        return Standing(score=as_float32(value), last=as_float32(last))

    def explores(self, tree: Tree, parent: int, slot: int) -> bool:
        """Whether this rollout goes on whatever its score: the same each time it is asked."""
        draw = derive_seed(tree.seed, tree.address(parent), slot, "explore") % _DRAWS
        return draw < self.explore * _DRAWS


NEVER = BranchPruning()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A rollout that was looked at on its way."""

    completion: Completion
    """Finished as PRUNED if it was ended mid-way."""
    num_steps: int | None = None
    """Steps that it had at the look which it did not pass; None if it passed all."""
    score: float | None = None
    """What it scored then."""


Look = Callable[[Sequence[Paused]], Awaitable[Sequence[Standing | None]]]
"""Scores rollouts as they are so far."""


async def sample_watched(
    engine: Engine,
    request: Request,
    rules: BranchPruning,
    *,
    look: Look,
    explores: Callable[[int], bool],
    max_steps: int | None,
) -> list[Watched]:
    """The request's rollouts, each looked at where it pauses; `max_steps` ends those that get so far.

    `look` sees each rollout last as it is in the end. `explores` tells by a rollout's place whether it
    goes on whatever its score. Waits for the slowest rollout of each round. Raises EngineDied,
    RequestRejected, and ValueError for a request without strings to pause at.
    """
    most = sys.maxsize if max_steps is None else max_steps

    async def advance(rollouts: Iterable[Paused], num_steps: int) -> list[Paused]:
        return await asyncio.gather(
            *(go_on(engine, request, one, min(one.num_steps + num_steps, most)) for one in rollouts)
        )

    done, explored = dict[int, Watched](), list[tuple[Paused, float]]()
    running = await advance(await begin(engine, request), rules.every - 1)
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
                done[one.index] = Watched(completion=one.completion)
        running = await advance(going_on, rules.every)
    ended = await advance((one for one, _ in explored), most)
    if ended:
        await look(ended)
    for (before, score), one in zip(explored, ended, strict=True):
        done[one.index] = replace(_cut(before, score, Finish.STEP), completion=one.completion)
    return [done[index] for index in sorted(done)]


def _cut(one: Paused, score: float, finish: Finish) -> Watched:
    completion = replace(one.completion, finish=finish)
    return Watched(completion=completion, num_steps=one.num_steps, score=score)
