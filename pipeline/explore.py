"""The main path: one problem becomes one trace.

    1. encode the problem, once
    2. ask the strategy where to grow the tree
    3. sample those continuations, cut them into steps, judge the complete ones
    4. put them into the tree; back to 2 as soon as any expansion is back
    5. let the responses vote where nothing says what is right (`pipeline/majority.py`)
    6. prune, and give back everything that was found

Thousands of these coroutines share one engine, so its batch stays full. Each waits only for the first
of its own expansions, which the engine or a verifier wakes; none waits for another problem.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.engines import Completion, Engine, Request, RequestRejected, Sampling
from pipeline.engines.steps import StepSplitter
from pipeline.engines.stepwise import generate_steps
from pipeline.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.search import Expansion, Strategy
from pipeline.seeds import derive_seed
from pipeline.tree import Finish, Rollout, Tree
from verifiers import Target, Verdict


class Judge(Protocol):
    """Where a response is judged: in this process or in a pool of verifier actors."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; a verifier that fails is an ERROR verdict, not an exception."""
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
        try:
            await self._grow(tree, problem)
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
        )

    async def _grow(self, tree: Tree, problem: Problem) -> None:
        under_way: dict[asyncio.Task[None], Expansion] = {}
        try:
            while True:
                for expansion in self.strategy.propose(tree, list(under_way.values())):
                    slot = tree.reserve(expansion.parent, expansion.num_rollouts)
                    task = asyncio.create_task(self._expand(tree, expansion, slot, problem))
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

    async def _expand(self, tree: Tree, expansion: Expansion, slot: int, problem: Problem) -> None:
        """Samples and judges one expansion, then adds it to the tree in one go."""
        completions = await self._sample(tree, expansion, slot)
        prefix = tree.response(expansion.parent)
        verdicts = await asyncio.gather(
            *(
                self._judge(problem, prefix + completion.text, completion.finish)
                for completion in completions
            )
        )
        for index, (completion, verdict) in enumerate(zip(completions, verdicts, strict=True)):
            steps = self.splitter.split(completion, expansion.max_nodes)
            rollout = Rollout(
                steps=steps, finish=completion.finish, model_version=self.engine.model_version
            )
            leaf = tree.add(expansion.parent, slot + index, rollout)
            if verdict is not None:
                tree.judge(leaf, verdict)

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
