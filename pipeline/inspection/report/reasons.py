"""What the reasons of the funnel mean, for readers who do not have the glossary at hand."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.inspection.funnel import FunnelStage
from pipeline.records import Stage

MEANINGS = {
    Stage.PRUNED: ("a reward model's score ended it midway", "branch_pruning"),
    Stage.TRUNCATED: ("it reached the token limit", "sampling.max_tokens"),
    Stage.UNFINISHED: ("it paused after a step, and the search went on elsewhere", ""),
    Stage.ENGINE_ERROR: ("the engine gave up on it", ""),
    Stage.NOT_JUDGED: ("it is complete and has no verdict", ""),
    Stage.FAILED: ("its answer is wrong", ""),
    Stage.ABSTAINED: ("the verifier cannot tell whether it is right", ""),
    Stage.VERIFIER_ERROR: ("the verifier broke or ran out of time", ""),
    Stage.MAJORITY_ONLY: ("only a majority vote passed it", "prune.keep_majority"),
    Stage.TOO_LONG: ("it has too many tokens", "prune.max_tokens"),
    Stage.NO_REASONING: ("it has too few words", "prune.quality.min_words"),
    Stage.LOOPS: ("too much of it repeats passages in a row", "prune.quality.max_looped"),
    Stage.MIXED_LANGUAGES: ("it uses a script that the prompt does not", "prune.quality.max_foreign"),
    Stage.NO_END: ("it ends in the middle of something", "prune.quality.finished"),
    Stage.LOW_SCORE: ("a reward model scores it too low", "prune.min_score"),
    Stage.DOUBTFUL_PREFIX: (
        "it goes on from a step that other rollouts show to be doubtful",
        "prune.min_p_prefix",
    ),
    Stage.DOUBTFUL: ("one of its steps is too likely to be wrong", "prune.min_p_correct"),
    Stage.DUPLICATE: ("an earlier response to the problem has the same text", "prune.drop_duplicates"),
    Stage.NEAR_DUPLICATE: (
        "an earlier response to the problem has nearly the same text",
        "prune.max_similarity",
    ),
    Stage.PROBLEM_FAILED: ("its problem failed before pruning could decide", ""),
    Stage.BEYOND_MAX: (
        "the problem has enough survivors, and better or more diverse ones stay",
        "prune.max_per_problem",
    ),
    Stage.REPEATED: ("berry clean found the same text in an earlier problem", "hygiene.duplicates"),
}
"""Rule -> what it says of a rollout, and the setting behind it or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason that occurs in a run."""

    name: str
    """As in the column `decided_by`."""
    count: int
    meaning: str
    setting: str
    """The config's key behind it; empty without one."""


def explain_reasons(stages: Iterable[FunnelStage]) -> list[Reason]:
    """The reasons that a funnel names, in its order, without those of earlier versions."""
    known = {stage.value: words for stage, words in MEANINGS.items()}
    return [
        Reason(name=name, count=count, meaning=known[name][0], setting=known[name][1])
        for one in stages
        for name, count in one.lost.items()
        if name in known
    ]
