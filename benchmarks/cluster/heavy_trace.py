"""A heavy problem: many long rollouts, with token ids and texts like those of a real tokenizer.

The simulated engine's tokens are bytes, which compress better than real ones. Here a token is a word of
a vocabulary, drawn by Zipf's law, so that ids have the spread and texts the length of a real model's.
Real text has more structure than this: files of real runs are smaller.
"""

from dataclasses import replace
from random import Random

from pipeline.explore import half_grown
from pipeline.records import Decision, Problem, Stage, Trace
from pipeline.tree import Finish, Rollout, Step, Tree
from verifiers import Outcome, Target, Verdict

_VOCABULARY = 50_000
_STEP_TOKENS = 50
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def heavy_trace(num_rollouts: int, num_tokens: int, seed: int = 0) -> Trace:
    """A trace of `num_rollouts` independent rollouts of about `num_tokens` tokens each."""
    random = Random(seed)
    words = [
        " " + "".join(random.choices(_LETTERS, k=random.randint(1, 7))) for _ in range(_VOCABULARY)
    ]
    weights = [1 / (rank + 2) for rank in range(_VOCABULARY)]
    problem = Problem.create(
        domain="math", prompt="What is 1 + 1?", target=Target(kind="number", value="2"), source="heavy"
    )
    tree = Tree(range(300, 400), problem.prompt, seed)
    for _ in range(num_rollouts):
        length = max(_STEP_TOKENS, round(num_tokens * random.uniform(0.8, 1.2)))
        ids = random.choices(range(_VOCABULARY), weights, k=length)
        steps = [
            Step(
                token_ids=tuple(part),
                text="".join(words[token] for token in part),
                logprob=-random.expovariate(0.05),
                max_surprisal=random.expovariate(0.5),
            )
            for part in (ids[at : at + _STEP_TOKENS] for at in range(0, length, _STEP_TOKENS))
        ]
        rollout = Rollout(steps=tuple(steps), finish=Finish.STOP, model_version="heavy-1")
        leaf = tree.add(0, tree.reserve(0, 1), rollout)
        outcome = Outcome.PASS if random.random() < 0.5 else Outcome.FAIL
        tree.judge(
            leaf,
            Verdict(outcome=outcome, reason="compared", verifier="exact", version="1", extracted="2"),
        )
    trace = half_grown(problem, tree)
    kept = [
        Decision(leaf=one.leaf, stage=None if tree.passed(one.leaf) else Stage.FAILED, reason="judged")
        for one in trace.trajectories
    ]
    return replace(trace, decisions=tuple(kept))
