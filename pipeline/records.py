"""The records of a run, from a problem to its trace; `pipeline/tree/` has the tree."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from pipeline.chat import MessageMatch
from pipeline.hashing import digest_json
from pipeline.tree import Finish, Tree
from verifiers import Target, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One row of a problem set."""

    id: str
    """A hash of the domain, prompt, target and the columns that the prompt template uses: the same
    problem has the same id in every run."""
    domain: str
    prompt: str
    """The problem's text, without prompt template and chat template."""
    target: Target
    source: str
    """The origin, for readers: a file name, a dataset's name or a task."""
    split: str | None = None
    meta: Mapping[str, object] = field(default_factory=dict)
    """Other columns of the problem, as JSON values."""
    source_id: str | None = None
    """The problem's id in its source, which may not be unique; None if it has none."""
    where: str | None = field(default=None, compare=False)
    """File and line, or dataset and row, for messages; not stored in the data."""
    worked: str | None = field(default=None, compare=False)
    """The worked solution in the source, from which variants are made; None if unknown or not wanted;
    not stored in the data."""

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
        worked: str | None = None,
    ) -> "Problem":
        """A problem with an id derived from its content. `asked` has the entries of `meta` that the
        prompt template uses."""
        content: list[object] = [domain, prompt, target.kind, target.value, dict(target.tests)]
        if asked:
            content.append(dict(asked))
        return cls(
            id=digest_json(content),
            domain=domain,
            prompt=prompt,
            target=target,
            source=source,
            split=split,
            meta=meta or {},
            source_id=source_id,
            where=where,
            worked=worked,
        )

    def asking(self, asked: Mapping[str, object]) -> "Problem":
        """The problem with an id that also depends on `asked`."""
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
            # The source's id depends on more than the content; the new id has to keep that.
            with_asked = create(asked={**asked, "": self.id}).id
        return replace(self, id=with_asked)


class Status(StrEnum):
    """State of a trajectory."""

    COMPLETED = "completed"
    UNFINISHED = "unfinished"
    """It paused after a step, and the search did not continue it."""
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
    """Sampled tokens, without the prompt's."""
    verdict: Verdict | None
    """None if the response is incomplete and was not judged."""
    score: float | None = None
    """An outcome reward model's score of a complete response; None if unscored."""
    cut_score: float | None = None
    """The score that ended a pruned trajectory."""


class Stage(StrEnum):
    """The rule by which pruning dropped a trajectory, in order of application."""

    PRUNED = "pruned"
    """A reward model's score ended it midway."""
    TRUNCATED = "truncated"
    """It reached the token limit."""
    UNFINISHED = "unfinished"
    """It paused after a step, and the search did not continue it."""
    ENGINE_ERROR = "engine_error"
    """The engine aborted it."""
    NOT_JUDGED = "not_judged"
    """It is complete but has no verdict."""
    FAILED = "failed"
    """The verifier judged it wrong."""
    ABSTAINED = "abstained"
    """The verifier abstained."""
    VERIFIER_ERROR = "verifier_error"
    """The verifier failed or ran out of time."""
    MAJORITY_ONLY = "majority_only"
    """Only a majority vote accepted it."""
    TOO_LONG = "too_long"
    NO_REASONING = "no_reasoning"
    """It has hardly any words."""
    LOOPS = "loops"
    """It repeats passages in a row."""
    MIXED_LANGUAGES = "mixed_languages"
    """It has letters of a script that the prompt does not use."""
    NO_END = "no_end"
    """It ends in the middle of something."""
    LOW_SCORE = "low_score"
    DOUBTFUL_PREFIX = "doubtful_prefix"
    """It continues a prefix that is probably wrong, judging from the outcomes of other rollouts."""
    DOUBTFUL = "doubtful"
    """One of its steps is probably wrong."""
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    PROBLEM_FAILED = "problem_failed"
    """The problem failed before pruning could decide."""
    BEYOND_MAX = "beyond_max"
    """The problem already has its maximum number of survivors."""
    REPEATED = "repeated"
    """`berry clean` found the same text in an earlier problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Pruning's decision on one trajectory."""

    leaf: int
    stage: Stage | None
    """The rule that dropped it; None if it was kept."""
    reason: str
    score: float | None = None
    """The reward model's score that decided; None if no score did."""
    p_correct: float | None = None
    """Probability that every step of a survivor is right; None if unknown."""

    @property
    def kept(self) -> bool:
        """Whether the trajectory is a survivor."""
        return self.stage is None


class Phase(StrEnum):
    """Phase in which a problem failed."""

    ENCODE = "encode"
    """The engine could not encode the prompt."""
    SEARCH = "search"
    """The strategy raised an error or proposed an invalid expansion."""
    SAMPLE = "sample"
    """The engine rejected a request, or died `cluster.attempts` times."""
    SPLIT = "split"
    JUDGE = "judge"
    SCORE = "score"
    VOTE = "vote"
    PRUNE = "prune"
    MATCH = "match"
    """Comparing messages with the sampled tokens."""
    STORE = "store"
    """Labelling, or converting the trace to rows."""
    UNKNOWN = "unknown"
    """Any other phase, or data of an earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Reason why a problem could not be fully explored."""

    phase: Phase
    type: str
    """Class name of the exception."""
    message: str
    """One line, with the file and line that raised the exception if known."""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.phase}: {self.type}: {self.message}" if self.type else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Complete result of exploring one problem."""

    problem: Problem
    seed: int
    tree: Tree
    trajectories: tuple[Trajectory, ...]
    decisions: tuple[Decision, ...] = ()
    failures: tuple[Failure, ...] = ()
    """Reasons why the problem could not be fully explored; empty if it was."""
    warnings: tuple[str, ...] = ()
    """Reasons why reward models left steps unscored, each once."""
    message_matches: Mapping[int, MessageMatch] = field(default_factory=dict)
    """Leaf of a survivor -> how its messages compare with the sampled tokens. Empty if the model has
    no chat template; trajectories that only a later export keeps have no entry."""
    scored_by: tuple[str, ...] = ()
    """Names and revisions of the reward models that gave scores, sorted."""
    num_unscored: int | None = None
    """Nodes, except the root, that process reward models left unscored; None without such models."""
    num_unscored_outcomes: int | None = None
    """Complete responses that outcome reward models left unscored; None without such models."""

    @property
    def kept(self) -> list[Trajectory]:
        """The survivors: trajectories that pruning decided to keep."""
        kept = {decision.leaf for decision in self.decisions if decision.kept}
        return [trajectory for trajectory in self.trajectories if trajectory.leaf in kept]


def trajectories(tree: Tree) -> tuple[Trajectory, ...]:
    """Every rollout of the tree as a trajectory, ordered by leaf id."""
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
