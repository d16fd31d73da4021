"""The main path: one problem becomes one trace.

    1. encode the problem, once
    2. ask the strategy where to grow the tree
    3. sample those continuations, cut them into steps, judge the complete ones and score the steps
    4. put them into the tree; back to 2 as soon as any expansion is back
    5. let the responses vote where nothing says what is right (`pipeline/majority.py`)
    6. prune, and give back everything that was found

Thousands of these coroutines share one engine, so its batch stays full. Each waits only for the first
of its own expansions, which the engine or a verifier wakes; none waits for another problem.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.engines import Completion, Engine, Request, RequestRejected, Sampling
from pipeline.engines.steps import StepSplitter
from pipeline.engines.stepwise import generate_steps
from pipeline.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.scoring import Scored
from pipeline.search import Expansion, Strategy
from pipeline.seeds import derive_seed
from pipeline.tree import ROOT, Finish, Rollout, Tree
from reward_models import Steps
from verifiers import Target, Verdict


class Judge(Protocol):
    """Where a response is judged: in this process or in a pool of verifier actors."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; a verifier that fails is an ERROR verdict, not an exception."""
        ...


class Scorer(Protocol):
    """Where steps are scored."""

    async def score(self, batch: Sequence[Steps]) -> Scored:
        """A value or None for every step of every item; does not raise for what a model does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Explorer:
    """The parts that every problem of a run shares."""

    engine: Engine
    splitter: StepSplitter
    strategy: Strategy
    judge: Judge
    pruner: Pruner
    sampling: Sampling
    seed: int
    """The run's; all else that is random follows from it and from the problem's id."""
    scorer: Scorer | None = None
    """Scores every new step; None leaves all of them unscored."""
    majority: Majority | None = None
    """Votes where nothing says what is right; None if nobody is to."""

    async def explore(self, problem: Problem, tree: Tree | None = None) -> Trace:
        """Everything found about one problem; a stored tree of it is grown further, in place.

        A strategy never sees a vote's verdicts: those of an earlier vote are taken back. Raises
        EngineDied, after which the problem can be explored again from its start; a problem that the
        engine refuses has a trace without rollouts that says why.
        """
        seed = derive_seed(self.seed, problem.id)
        if tree is None:
            prompt = self.engine.encode(problem)
            tree = Tree(prompt.token_ids, prompt.text, seed)
        withdraw_votes(tree)
        errors = []
        warnings = set[str]()
        try:
            await self._grow(tree, problem, warnings)
        except RequestRejected as e:
            errors.append(str(e))
        tree = tree.sorted()
        if self.majority is not None:
            await self.majority.vote(problem, tree)
        found = trajectories(tree)
        return Trace(
            problem=problem,
            seed=seed,
            tree=tree,
            trajectories=found,
            decisions=self.pruner.prune(found),
            errors=tuple(errors),
            warnings=tuple(sorted(warnings)),
            num_unscored=None if self.scorer is None else len(tree) - 1 - len(tree.scores),
        )

    async def _grow(self, tree: Tree, problem: Problem, warnings: set[str]) -> None:
        under_way: dict[asyncio.Task[None], Expansion] = {}
        try:
            while True:
                for expansion in self.strategy.propose(tree, list(under_way.values())):
                    slot = tree.reserve(expansion.parent, expansion.num_rollouts)
                    task = asyncio.create_task(self._expand(tree, expansion, slot, problem, warnings))
                    under_way[task] = expansion
                if not under_way:
                    return
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del under_way[task]
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _expand(
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem, warnings: set[str]
    ) -> None:
        """Samples, judges and scores one expansion, then adds it to the tree in one go."""
        completions = await self._sample(tree, expansion, slot)
        rollouts = [self._cut(completion, expansion) for completion in completions]
        prefix = tree.response(expansion.parent)
        verdicts, scored = await asyncio.gather(
            asyncio.gather(*(self._judge(problem, prefix + c.text, c.finish) for c in completions)),
            self._score(tree, expansion.parent, rollouts, problem),
        )
        warnings.update(scored.warnings)
        for index, (rollout, verdict) in enumerate(zip(rollouts, verdicts, strict=True)):
            leaf = tree.add(expansion.parent, slot + index, rollout)
            if verdict is not None:
                tree.judge(leaf, verdict)
            for node, value in zip(tree.rollout(leaf), scored.values[index], strict=True):
                if value is not None:
                    tree.scores[node.id] = value

    def _cut(self, completion: Completion, expansion: Expansion) -> Rollout:
        limits = [limit for limit in (expansion.num_steps, expansion.max_nodes) if limit is not None]
        return Rollout(
            steps=self.splitter.split(completion, min(limits, default=None)),
            finish=completion.finish,
            model_version=self.engine.model_version,
        )

    async def _score(
        self, tree: Tree, parent: int, rollouts: Sequence[Rollout], problem: Problem
    ) -> Scored:
        """A value or None for every step of the rollouts, which start at `parent`."""
        if self.scorer is None:
            return Scored(values=[[None] * len(rollout.steps) for rollout in rollouts])
        before = tree.path(parent)[1:]
        batch = [
            Steps(
                prompt=problem.prompt,
                prompt_token_ids=tree.nodes[ROOT].token_ids,
                texts=(*(node.text for node in before), *(step.text for step in rollout.steps)),
                token_ids=(
                    *(node.token_ids for node in before),
                    *(step.token_ids for step in rollout.steps),
                ),
            )
            for rollout in rollouts
        ]
        scored = await self.scorer.score(batch)
        return replace(scored, values=[values[len(before) :] for values in scored.values])

    async def _sample(self, tree: Tree, expansion: Expansion, slot: int) -> list[Completion]:
        left = self.sampling.max_tokens - tree.num_response_tokens(expansion.parent)
        request = Request(
            token_ids=tree.prefix_token_ids(expansion.parent),
            num_rollouts=expansion.num_rollouts,
            max_tokens=left if expansion.max_tokens is None else min(left, expansion.max_tokens),
            sampling=self.sampling,
            seed=derive_seed(tree.seed, tree.address(expansion.parent), slot),
        )
        if expansion.num_steps is None:
            return await self.engine.generate(request)
        request = replace(request, pause=self.splitter.pauses)
        return await generate_steps(self.engine, request, expansion.num_steps)

    async def _judge(self, problem: Problem, response: str, finish: Finish) -> Verdict | None:
        """None for a truncated response: what it would have said is unknown."""
        if finish is not Finish.STOP:
            return None
        return await self.judge.verify(problem.prompt, response, problem.target)
