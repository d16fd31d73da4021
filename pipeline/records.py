"""What a run is made of, from a problem to its trace; the tree itself is in `tree.py`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from pipeline.chat import MessageMatch
from pipeline.tree import Finish, Tree
from verifiers import Target, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One row of a problem set."""

    id: str
    """A hash of domain, prompt and target, and of the columns that the prompt template takes: the
    same problem has the same id in every run."""
    domain: str
    prompt: str
    """What is asked, before any prompt template or chat template."""
    target: Target
    source: str
    """Where it came from, for a reader: a file name, a dataset's name, a task."""
    split: str | None = None
    meta: Mapping[str, object] = field(default_factory=dict)
    """What else the source says of the problem, as JSON."""
    source_id: str | None = None
    """The problem's own id in its source; None if it has none. It need not be unique."""
    where: str | None = field(default=None, compare=False)
    """Its file and line, or dataset and row, for messages; not kept in the data."""

    @classmethod
    def create(
        cls,
        *,
        prompt: str,
        target: Target,
        source: str,
        domain: str = "math",
        split: str | None = None,
        meta: Mapping[str, object] | None = None,
        asked: Mapping[str, object] | None = None,
        source_id: str | None = None,
        where: str | None = None,
    ) -> "Problem":
        """A problem with the id that its content gives it; `asked` is what the prompt template takes of
        `meta`."""
        content: list[object] = [domain, prompt, target.kind, target.value, dict(target.tests)]
        if asked:
            content.append(dict(asked))
        digest = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8)
        return cls(
            id=digest.hexdigest(),
            domain=domain,
            prompt=prompt,
            target=target,
            source=source,
            split=split,
            meta=meta or {},
            source_id=source_id,
            where=where,
        )

    def asking(self, asked: Mapping[str, object]) -> "Problem":
        """The problem with an id that depends on `asked` too, if its id does not yet."""
        create = partial(
            Problem.create,
            prompt=self.prompt,
            target=self.target,
            domain=self.domain,
            source=self.source,
        )
        with_asked = create(asked=asked).id
        if not asked or self.id == with_asked:
            return self
        if self.id != create().id:
            # Its source tells problems apart by something else besides, which has to stay.
            with_asked = create(asked={**asked, "": self.id}).id
        return replace(self, id=with_asked)


class Status(StrEnum):
    """What became of a trajectory."""

    COMPLETED = "completed"
    UNFINISHED = "unfinished"
    """It paused after a step, and the search did not go on with it."""
    PRUNED = "pruned"
    """A reward model's score ended it after a step."""
    TRUNCATED = "truncated"
    ERROR = "error"


_STATUS = {
    Finish.STOP: Status.COMPLETED,
    Finish.STEP: Status.UNFINISHED,
    Finish.LENGTH: Status.TRUNCATED,
    Finish.ABORT: Status.ERROR,
    Finish.PRUNED: Status.PRUNED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """A root-to-leaf path of a tree."""

    leaf: int
    status: Status
    response: str
    num_tokens: int
    """Sampled tokens, the prompt's not counted."""
    verdict: Verdict | None
    """None when the response was not judged, because it is not complete."""
    score: float | None = None
    """An outcome reward model's, of a complete response; None if it is unscored."""
    cut_score: float | None = None
    """The score that ended a pruned one."""


class Stage(StrEnum):
    """Why pruning dropped a trajectory, in the order in which the rules are applied."""

    PRUNED = "pruned"
    """A reward model's score ended it mid-way."""
    TRUNCATED = "truncated"
    """It reached the token limit."""
    UNFINISHED = "unfinished"
    """It paused after a step, and the search did not go on with it."""
    ENGINE_ERROR = "engine_error"
    """The engine gave up on it."""
    NOT_JUDGED = "not_judged"
    """It is complete and has no verdict."""
    FAILED = "failed"
    """The verifier says that it is wrong."""
    ABSTAINED = "abstained"
    """The verifier cannot tell."""
    VERIFIER_ERROR = "verifier_error"
    """The verifier broke or ran out of time."""
    MAJORITY_ONLY = "majority_only"
    """Only a majority vote passed it."""
    TOO_LONG = "too_long"
    LOW_SCORE = "low_score"
    DOUBTFUL_PREFIX = "doubtful_prefix"
    """It goes on from a prefix that is probably wrong, by what other rollouts came to."""
    DOUBTFUL = "doubtful"
    """One of its steps is probably wrong."""
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    BEYOND_MAX = "beyond_max"
    """The problem has as many survivors as are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What pruning did with one trajectory."""

    leaf: int
    stage: Stage | None
    """The rule that dropped it; None if it was kept."""
    reason: str
    score: float | None = None
    """The reward model's score that decided; None where none did."""
    p_correct: float | None = None
    """Of a survivor: probability that every step is right; None where nothing is known."""

    @property
    def kept(self) -> bool:
        """Whether it is a survivor."""
        return self.stage is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that a run found out about one problem."""

    problem: Problem
    seed: int
    tree: Tree
    trajectories: tuple[Trajectory, ...]
    decisions: tuple[Decision, ...] = ()
    errors: tuple[str, ...] = ()
    """What went wrong; a problem that could not be explored has a trace that says why."""
    warnings: tuple[str, ...] = ()
    """What went wrong beside: why reward models left steps unscored, each reason once."""
    message_matches: Mapping[int, MessageMatch] = field(default_factory=dict)
    """Leaf of a survivor -> how its messages compare with what was sampled; nothing is known of what
    only later rules keep, and nothing at all where the model has no chat template."""
    scored_by: tuple[str, ...] = ()
    """Names and revisions of the reward models that gave scores, sorted."""
    num_unscored: int | None = None
    """Nodes that process reward models left unscored, the root aside; None without such models."""
    num_unscored_outcomes: int | None = None
    """Complete responses that outcome reward models left unscored; None without such models."""

    @property
    def kept(self) -> list[Trajectory]:
        """The survivors: trajectories that pruning decided to keep."""
        kept = {decision.leaf for decision in self.decisions if decision.kept}
        return [trajectory for trajectory in self.trajectories if trajectory.leaf in kept]


def trajectories(tree: Tree) -> tuple[Trajectory, ...]:
    """Every rollout of the tree as a trajectory, in order of its leaf's id."""
    found = []
    for leaf in tree.leaves():
        finish = tree.nodes[leaf].finish
        assert finish is not None
        found.append(
            Trajectory(
                leaf=leaf,
                status=_STATUS[finish],
                response=tree.response(leaf),
                num_tokens=tree.num_response_tokens(leaf),
                verdict=tree.verdicts.get(leaf),
                score=tree.outcome_scores.get(leaf),
                cut_score=tree.cut_scores.get(leaf) if finish is Finish.PRUNED else None,
            )
        )
    return tuple(found)
