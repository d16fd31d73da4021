"""The main path: one problem becomes one trace.

    1. encode the problem, once
    2. ask the strategy where to grow the tree
    3. sample those continuations, cut them into steps, judge the complete ones and score the steps;
       where asked to, score them on their way and end those with little hope (`branch_pruning.py`)
    4. put them into the tree; back to 2 as soon as any expansion is back
    5. let the responses vote where nothing says what is right (`majority.py`)
    6. score the complete responses, prune, compare the survivors' messages with what was sampled, and
       give back everything that was found

Thousands of these coroutines share one engine, so its batch stays full. Each waits only for the first
of its own expansions, which the engine or a verifier wakes; none waits for another problem.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.branch_pruning import NEVER, BranchPruning, Standing, Watched, sample_watched
from pipeline.chat import MessageMatch
from pipeline.engines import (
    Completion,
    Engine,
    MessageMatcher,
    Request,
    RequestRejected,
    Sampling,
)
from pipeline.engines.steps import StepSplitter
from pipeline.engines.stepwise import Paused, generate_steps
from pipeline.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.scoring import Heard, Scored, steps_of
from pipeline.search import Expansion, Strategy
from pipeline.seeds import derive_seed
from pipeline.tree import Finish, Rollout, Tree
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
    outcome_scorer: Scorer | None = None
    """Scores every complete response; None leaves all of them unscored."""
    branch_pruning: BranchPruning = NEVER
    """Which rollouts are ended mid-way."""
    majority: Majority | None = None
    """Votes where nothing says what is right; None if nobody is to."""
    matcher: MessageMatcher | None = None
    """Compares the survivors' messages with what was sampled; None where the engine cannot."""

    async def explore(self, problem: Problem, tree: Tree | None = None) -> Trace:
        """Everything found about one problem; a stored tree of it is grown further, in place.

        A strategy never sees a vote's verdicts: those of an earlier vote are taken back. Raises
        EngineDied, after which the problem can be explored again from its start; a problem that the
        engine refuses has a trace without rollouts that says why.
        """
        seed = derive_seed(self.seed, problem.id)
        if tree is None:
            prompt = self.engine.encode(problem)
            tree = Tree(prompt.token_ids, prompt.text, seed, prompt.chat)
        withdraw_votes(tree)
        errors = []
        heard = Heard()
        try:
            await self._grow(tree, problem, heard)
        except RequestRejected as e:
            errors.append(str(e))
        tree = tree.sorted()
        if self.majority is not None:
            await self.majority.vote(problem, tree)
        num_unscored_outcomes = await self._score_outcomes(tree, problem, heard)
        found = trajectories(tree)
        decisions = self.pruner.prune(found, tree)
        kept = {decision.leaf for decision in decisions if decision.kept}
        return Trace(
            problem=problem,
            seed=seed,
            tree=tree,
            trajectories=found,
            decisions=decisions,
            message_matches=self._match_messages(tree, sorted(kept)),
            errors=tuple(errors),
            warnings=tuple(sorted(heard.warnings)),
            scored_by=tuple(sorted(heard.scored_by)),
            num_unscored=None if self.scorer is None else len(tree) - 1 - len(tree.scores),
            num_unscored_outcomes=num_unscored_outcomes,
        )

    async def _grow(self, tree: Tree, problem: Problem, heard: Heard) -> None:
        under_way: dict[asyncio.Task[None], Expansion] = {}
        try:
            while True:
                for expansion in self.strategy.propose(tree, list(under_way.values())):
                    slot = tree.reserve(expansion.parent, expansion.num_rollouts)
                    task = asyncio.create_task(self._expand(tree, expansion, slot, problem, heard))
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
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem, heard: Heard
    ) -> None:
        """Samples, scores and judges one expansion, then adds it to the tree in one go."""
        if self.branch_pruning.is_on and not _is_explored(tree, expansion.parent):
            watched, scored = await self._sample_watched(tree, expansion, slot, problem)
        else:
            watched, scored = await self._sample(tree, expansion, slot, problem)
        heard.add(scored)
        prefix = tree.response(expansion.parent)
        verdicts = await asyncio.gather(
            *(self._judge(problem, prefix + w.completion.text, w.completion.finish) for w in watched)
        )
        for index, (one, verdict) in enumerate(zip(watched, verdicts, strict=True)):
            leaf = tree.add(expansion.parent, slot + index, self._cut(one.completion, expansion))
            if verdict is not None:
                tree.judge(leaf, verdict)
            nodes = tree.rollout(leaf)
            for node, value in zip(nodes, scored.values[index], strict=True):
                if value is not None:
                    tree.scores[node.id] = value
            if one.score is not None and one.num_steps is not None:
                tree.cut_scores[nodes[min(one.num_steps, len(nodes)) - 1].id] = one.score

    async def _sample(
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem
    ) -> tuple[list[Watched], Scored]:
        """The expansion's rollouts, and a value or None for every step of each."""
        request = self._request(tree, expansion, slot)
        if expansion.num_steps is None:
            completions = await self.engine.generate(request)
        else:
            request = replace(request, pause=self.splitter.pauses)
            completions = await generate_steps(self.engine, request, expansion.num_steps)
        scored = await self._score(tree, expansion, completions, problem)
        return [Watched(completion=completion) for completion in completions], scored

    async def _sample_watched(
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem
    ) -> tuple[list[Watched], Scored]:
        """The same, of rollouts that are scored on their way and may be ended there."""
        values, heard = dict[int, list[float | None]](), Heard()

        async def look(rollouts: Sequence[Paused]) -> list[Standing | None]:
            completions = [one.completion for one in rollouts]
            scored = await self._score(tree, expansion, completions, problem)
            values.update(zip((one.index for one in rollouts), scored.values, strict=True))
            heard.add(scored)
            before = [tree.scores.get(node.id) for node in tree.path(expansion.parent)[1:]]
            return [self.branch_pruning.stand([*before, *own]) for own in scored.values]

        watched = await sample_watched(
            self.engine,
            replace(self._request(tree, expansion, slot), pause=self.splitter.pauses),
            self.branch_pruning,
            look=look,
            explores=lambda index: self.branch_pruning.explores(tree, expansion.parent, slot + index),
            max_steps=expansion.num_steps,
        )
        ordered = [values[index] for index in range(len(watched))]
        return watched, Scored(
            values=ordered, warnings=tuple(heard.warnings), scored_by=tuple(heard.scored_by)
        )

    def _cut(self, completion: Completion, expansion: Expansion) -> Rollout:
        limits = [limit for limit in (expansion.num_steps, expansion.max_nodes) if limit is not None]
        return Rollout(
            steps=self.splitter.split(completion, min(limits, default=None)),
            finish=completion.finish,
            model_version=self.engine.model_version,
        )

    async def _score(
        self, tree: Tree, expansion: Expansion, completions: Sequence[Completion], problem: Problem
    ) -> Scored:
        """A value or None for every step of the expansion's rollouts."""
        rollouts = [self._cut(completion, expansion) for completion in completions]
        if self.scorer is None:
            return Scored(values=[[None] * len(rollout.steps) for rollout in rollouts])
        before = tree.path(expansion.parent)[1:]
        batch = [steps_of(problem.prompt, tree, [*before, *r.steps]) for r in rollouts]
        scored = await self.scorer.score(batch)
        return replace(scored, values=[values[len(before) :] for values in scored.values])

    async def _score_outcomes(self, tree: Tree, problem: Problem, heard: Heard) -> int | None:
        """Scores the complete responses; how many are left unscored, None if nobody is to."""
        if self.outcome_scorer is None:
            return None
        complete = [leaf for leaf in tree.leaves() if tree.nodes[leaf].finish is Finish.STOP]
        batch = [steps_of(problem.prompt, tree, tree.path(leaf)[1:]) for leaf in complete]
        scored = await self.outcome_scorer.score(batch) if batch else Scored(values=[])
        heard.add(scored)
        known = {leaf: values[-1] for leaf, values in zip(complete, scored.values, strict=True)}
        tree.outcome_scores = {leaf: value for leaf, value in known.items() if value is not None}
        return len(complete) - len(tree.outcome_scores)

    def _match_messages(self, tree: Tree, leaves: Sequence[int]) -> dict[int, MessageMatch]:
        """How the messages of these responses compare with what was sampled, where that can be told."""
        if self.matcher is None or tree.chat is None:
            return {}
        matches = {}
        for leaf in leaves:
            root, *path = tree.path(leaf)
            ids = [token for node in path for token in node.token_ids]
            match = self.matcher.match_messages(tree.chat, root.token_ids, tree.response(leaf), ids)
            if match is not None:
                matches[leaf] = match
        return matches

    def _request(self, tree: Tree, expansion: Expansion, slot: int) -> Request:
        left = self.sampling.max_tokens - tree.num_response_tokens(expansion.parent)
        return Request(
            token_ids=tree.prefix_token_ids(expansion.parent),
            num_rollouts=expansion.num_rollouts,
            max_tokens=left if expansion.max_tokens is None else min(left, expansion.max_tokens),
            sampling=self.sampling,
            seed=derive_seed(tree.seed, tree.address(expansion.parent), slot),
        )

    async def _judge(self, problem: Problem, response: str, finish: Finish) -> Verdict | None:
        """None for a truncated response: what it would have said is unknown."""
        if finish is not Finish.STOP:
            return None
        return await self.judge.verify(problem.prompt, response, problem.target)


def _is_explored(tree: Tree, node_id: int) -> bool:
    """Whether it lies on a branch that went on although its score would have ended it."""
    return any(node.id in tree.cut_scores for node in tree.path(node_id))
