"""The main path: one problem becomes one trace.

    1. encode the problem, once
    2. ask the strategy where to grow the tree
    3. sample the continuations, split them into steps, judge the complete ones and score the steps;
       if configured, score rollouts midway and end the hopeless ones (`rollouts/branch_pruning.py`)
    4. add them to the tree; go to 2 as soon as any expansion finishes
    5. without a gold answer, let the responses vote (`labels/majority.py`)
    6. score the complete responses, prune, compare the survivors' messages with the sampled tokens, and
       return the trace

Thousands of these coroutines share one engine, which keeps its batch full. Each coroutine waits only
for the first of its own expansions to finish; no problem waits for another.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from pipeline.chat import MessageMatch
from pipeline.dispatch.scoring import Scored, ScoringNotes, steps_of
from pipeline.engines import (
    Completion,
    Engine,
    MessageMatcher,
    Request,
    Sampling,
)
from pipeline.failures import collected, failing_in
from pipeline.hashing import derive_seed
from pipeline.labels.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Decision, Failure, Phase, Problem, Stage, Trace, Trajectory, trajectories
from pipeline.rollouts.branch_pruning import (
    NEVER,
    BranchPruning,
    PrunableRollout,
    Standing,
    sample_with_pruning,
)
from pipeline.rollouts.steps import StepSplitter
from pipeline.rollouts.stepwise import Paused, generate_steps
from pipeline.search import Expansion, Strategy
from pipeline.tree import Finish, Rollout, Tree
from reward_models import Steps
from verifiers import Target, Verdict

Result = TypeVar("Result")
_HEAVY_TOKENS = 20_000
"""Tokens of a tree whose pruning and encoding hold up other work noticeably: some 10 ms."""
_ASIDE = ThreadPoolExecutor(1, thread_name_prefix="heavy-tree")
"""One thread: each further one would make the event loop wait 5 ms longer for its turn."""


class Judge(Protocol):
    """Judges responses, in this process or in a pool of verifier actors."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; a failing verifier yields an ERROR verdict instead of an exception."""
        ...


class Scorer(Protocol):
    """Scores steps, in this process or in a pool of reward actors."""

    async def score(self, batch: Sequence[Steps]) -> Scored:
        """A value or None for every step of every item; a failing model does not raise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Explorer:
    """Explores problems with the parts that all problems of a run share."""

    engine: Engine
    splitter: StepSplitter
    strategy: Strategy
    judge: Judge
    pruner: Pruner
    sampling: Sampling
    seed: int
    """The run's seed; every random choice follows from it and the problem's id."""
    scorer: Scorer | None = None
    """Scores every new step; None leaves steps unscored."""
    outcome_scorer: Scorer | None = None
    """Scores every complete response; None leaves responses unscored."""
    branch_pruning: BranchPruning = NEVER
    """The rules for ending rollouts midway."""
    majority: Majority | None = None
    """Votes on problems without a gold answer; None disables voting."""
    matcher: MessageMatcher | None = None
    """Compares the survivors' messages with the sampled tokens; None if the engine cannot."""
    on_stage: Callable[[Phase, float], None] = lambda phase, seconds: None
    """Gets the seconds of each request for samples, verdict and batch of scores."""

    async def explore(
        self,
        problem: Problem,
        tree: Tree | None = None,
        on_tree: Callable[[Tree], None] = lambda tree: None,
    ) -> Trace:
        """Explores one problem; a stored tree is grown further, in place.

        `on_tree` gets the tree before it grows; between two awaits it is whole, so it can be copied.

        A strategy never sees the verdicts of a vote: those of an earlier vote are removed first. If the
        problem fails, the trace holds the `failures` and the rollouts made until then. Raises only
        EngineDied; the problem can then be explored again from its start.
        """
        seed = derive_seed(self.seed, problem.id)
        failures: list[Failure] = []
        if tree is None:
            tree = Tree((), "", seed)
            with collected(failures, Phase.ENCODE):
                prompt = self.engine.encode(problem)
                tree = Tree(prompt.token_ids, prompt.text, seed, prompt.chat)
        # Kept with the tree: one that is resumed may be complete, and is not scored again.
        notes = ScoringNotes(warnings=tree.warnings, scored_by=tree.scored_by)
        if not failures:
            withdraw_votes(tree)
            on_tree(tree)
            with collected(failures, Phase.SEARCH):
                await self._grow(tree, problem, notes)
        tree = await aside(tree, tree.sorted)
        if self.majority is not None:
            with collected(failures, Phase.VOTE):
                await self.majority.vote(problem, tree)
        num_unscored_outcomes = None
        with collected(failures, Phase.SCORE):
            num_unscored_outcomes = await self._score_outcomes(tree, problem, notes)
        found = trajectories(tree)
        decisions = tuple(_undecided(one) for one in found)
        with collected(failures, Phase.PRUNE):
            decisions = await aside(tree, self.pruner.prune, found, tree)
        matches: dict[int, MessageMatch] = {}
        with collected(failures, Phase.MATCH):
            kept = sorted(decision.leaf for decision in decisions if decision.kept)
            matches = self._match_messages(tree, kept)
        return Trace(
            problem=problem,
            seed=seed,
            tree=tree,
            trajectories=found,
            decisions=decisions,
            message_matches=matches,
            failures=tuple(failures),
            warnings=tuple(sorted(notes.warnings)),
            scored_by=tuple(sorted(notes.scored_by)),
            num_unscored=None if self.scorer is None else len(tree) - 1 - len(tree.scores),
            num_unscored_outcomes=num_unscored_outcomes,
        )

    async def _grow(self, tree: Tree, problem: Problem, notes: ScoringNotes) -> None:
        under_way: dict[asyncio.Task[None], Expansion] = {}
        try:
            while True:
                # Here, because a StopIteration would leave the coroutine as another error.
                with failing_in(Phase.SEARCH):
                    proposed = self.strategy.propose(tree, list(under_way.values()))
                for expansion in proposed:
                    slot = tree.reserve(expansion.parent, expansion.num_rollouts)
                    task = asyncio.create_task(self._expand(tree, expansion, slot, problem, notes))
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
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem, notes: ScoringNotes
    ) -> None:
        """Samples, scores and judges one expansion, then adds it to the tree in one step."""
        if self.branch_pruning.is_on and not _is_explored(tree, expansion.parent):
            rollouts, scored = await self._sample_with_pruning(tree, expansion, slot, problem)
        else:
            rollouts, scored = await self._sample(tree, expansion, slot, problem)
        notes.add(scored)
        prefix = tree.response(expansion.parent)
        verdicts = await asyncio.gather(
            *(self._judge(problem, prefix + w.completion.text, w.completion.finish) for w in rollouts)
        )
        for index, (one, verdict) in enumerate(zip(rollouts, verdicts, strict=True)):
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
    ) -> tuple[list[PrunableRollout], Scored]:
        """The expansion's rollouts, and a value or None for each of their steps."""
        request = self._request(tree, expansion, slot)
        with self._stage(Phase.SAMPLE):
            if expansion.num_steps is None:
                completions = await self.engine.generate(request)
            else:
                request = replace(request, pause=self.splitter.pauses)
                completions = await generate_steps(self.engine, request, expansion.num_steps)
        scored = await self._score(tree, expansion, completions, problem)
        return [PrunableRollout(completion=completion) for completion in completions], scored

    async def _sample_with_pruning(
        self, tree: Tree, expansion: Expansion, slot: int, problem: Problem
    ) -> tuple[list[PrunableRollout], Scored]:
        """The same, for rollouts that are scored midway and may end there."""
        values, notes = dict[int, list[float | None]](), ScoringNotes()

        async def look(rollouts: Sequence[Paused]) -> list[Standing | None]:
            completions = [one.completion for one in rollouts]
            scored = await self._score(tree, expansion, completions, problem)
            values.update(zip((one.index for one in rollouts), scored.values, strict=True))
            notes.add(scored)
            before = [tree.scores.get(node.id) for node in tree.path(expansion.parent)[1:]]
            return [self.branch_pruning.stand([*before, *own]) for own in scored.values]

        request = replace(self._request(tree, expansion, slot), pause=self.splitter.pauses)
        with self._stage(Phase.SAMPLE):
            rollouts = await sample_with_pruning(
                self.engine,
                request,
                self.branch_pruning,
                look=look,
                explores=lambda i: self.branch_pruning.explores(tree, expansion.parent, slot + i),
                max_steps=expansion.num_steps,
            )
        ordered = [values[index] for index in range(len(rollouts))]
        return rollouts, Scored(
            values=ordered, warnings=tuple(notes.warnings), scored_by=tuple(notes.scored_by)
        )

    def _cut(self, completion: Completion, expansion: Expansion) -> Rollout:
        limits = [limit for limit in (expansion.num_steps, expansion.max_nodes) if limit is not None]
        with failing_in(Phase.SPLIT):
            steps = self.splitter.split(completion, min(limits, default=None))
        version = completion.model_version or self.engine.model_version
        return Rollout(steps=steps, finish=completion.finish, model_version=version)

    async def _score(
        self, tree: Tree, expansion: Expansion, completions: Sequence[Completion], problem: Problem
    ) -> Scored:
        """A value or None for each step of the expansion's rollouts."""
        rollouts = [self._cut(completion, expansion) for completion in completions]
        if self.scorer is None:
            return Scored(values=[[None] * len(rollout.steps) for rollout in rollouts])
        before = tree.path(expansion.parent)[1:]
        batch = [steps_of(problem.prompt, tree, [*before, *r.steps]) for r in rollouts]
        with self._stage(Phase.SCORE):
            scored = await self.scorer.score(batch)
            return replace(scored, values=[values[len(before) :] for values in scored.values])

    async def _score_outcomes(self, tree: Tree, problem: Problem, notes: ScoringNotes) -> int | None:
        """Scores the complete responses. Returns the number left unscored, None without a scorer."""
        if self.outcome_scorer is None:
            return None
        complete = tree.complete_leaves()
        batch = [steps_of(problem.prompt, tree, tree.path(leaf)[1:]) for leaf in complete]
        scored = Scored(values=[])
        if batch:
            with self._stage(Phase.SCORE):
                scored = await self.outcome_scorer.score(batch)
        notes.add(scored)
        known = {leaf: values[-1] for leaf, values in zip(complete, scored.values, strict=True)}
        tree.outcome_scores = {leaf: value for leaf, value in known.items() if value is not None}
        return len(complete) - len(tree.outcome_scores)

    @contextmanager
    def _stage(self, phase: Phase) -> Iterator[None]:
        """Reports the time of what is done inside, and turns its exceptions into ProblemFailed."""
        began = time.monotonic()
        try:
            with failing_in(phase):
                yield
        finally:
            self.on_stage(phase, time.monotonic() - began)

    def _match_messages(self, tree: Tree, leaves: Sequence[int]) -> dict[int, MessageMatch]:
        """Leaf -> how the response's messages compare with the sampled tokens, where known."""
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
            tree=tree.seed,
        )

    async def _judge(self, problem: Problem, response: str, finish: Finish) -> Verdict | None:
        """The verdict; None for a truncated response, whose answer is unknown."""
        if finish is not Finish.STOP:
            return None
        with self._stage(Phase.JUDGE):
            return await self.judge.verify(problem.prompt, response, problem.target)


async def aside(tree: Tree, work: Callable[..., Result], *arguments: object) -> Result:
    """Does work on a tree that does not grow any more.

    That for a heavy tree runs in a thread, so that the engine's other requests and the heartbeats go on
    meanwhile; for a small one, a thread would only cost time.
    """
    if tree.num_tokens < _HEAVY_TOKENS:
        return work(*arguments)
    do = partial(copy_context().run, work, *arguments)
    return await asyncio.get_running_loop().run_in_executor(_ASIDE, do)


def half_grown(problem: Problem, tree: Tree) -> Trace:
    """The trace of a problem whose tree is still growing: it can be stored, and explored further."""
    found = trajectories(tree)
    return Trace(
        problem=problem,
        seed=tree.seed,
        tree=tree,
        trajectories=found,
        decisions=tuple(map(_undecided, found)),
        warnings=tuple(sorted(tree.warnings)),
        scored_by=tuple(sorted(tree.scored_by)),
    )


def _is_explored(tree: Tree, node_id: int) -> bool:
    """Whether the node is on a branch that continued despite a score below the threshold."""
    return any(node.id in tree.cut_scores for node in tree.path(node_id))


def _undecided(trajectory: Trajectory) -> Decision:
    """The decision for a trajectory that pruning did not reach."""
    return Decision(leaf=trajectory.leaf, stage=Stage.PROBLEM_FAILED, reason="pruning failed")
