"""Runs to train a tiny generator on, with the token ids of its tokenizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree
from tests.conftest import make_verdict
from tests.runs import write_run
from verifiers import Outcome, Target

ENGINE = {"use": "vllm", "model": "tiny"}


def policy_problem(number: int) -> Problem:
    """A sum."""
    target = Target(kind="math", value=str(2 * number))
    return Problem.create(prompt=f"What is {number} + {number}?", target=target, source="sums")


def policy_trace(tokenizer: Any, problem: Problem, outcomes: Sequence[bool]) -> Trace:
    """A response for each outcome, of two steps; its last token is the end token."""
    prompt = tokenizer.encode(f"<|user|>{problem.prompt}<|end|><|assistant|>", add_special_tokens=False)
    tree = Tree(tuple(prompt), problem.prompt)
    for number, passed in enumerate(outcomes):
        answer = problem.target.value if passed else f"{number} less"
        texts = [f"First we add, try {number}.\n", f"The answer is {answer}."]
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        ids[-1].append(tokenizer.eos_token_id)
        steps = tuple(
            Step(token_ids=tuple(one), text=text, logprob=-1.0)
            for one, text in zip(ids, texts, strict=True)
        )
        rollout = Rollout(steps=steps, finish=Finish.STOP, model_version="tiny-1")
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), rollout)
        tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))
    tree = tree.sorted()
    found = trajectories(tree)
    return Trace(
        problem=problem,
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )


def policy_run(
    path: Path, tokenizer: Any, outcomes: Sequence[bool] = (True, True, False), **more: Any
) -> Path:
    """A run on 20 problems."""
    traces = [policy_trace(tokenizer, policy_problem(number), outcomes) for number in range(20)]
    sections: dict[str, Any] = {
        "engine": ENGINE,
        "verifier": {"use": "math"},
        "sampling": {"max_tokens": 64},
    }
    return write_run(path, traces, **(sections | more))


def branched_trace(tokenizer: Any, problem: Problem, *, logprob: float | None = None) -> Trace:
    """Two rollouts from the prompt, and two from the end of the first one's first step, one of which
    repeats what was sampled there. `logprob` is each token's log-probability, if they are stored."""
    prompt = tokenizer.encode(f"<|user|>{problem.prompt}<|end|><|assistant|>", add_special_tokens=False)
    tree = Tree(tuple(prompt), problem.prompt)

    def add(parent: int, passed: bool, *texts: str) -> None:
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        ids[-1].append(tokenizer.eos_token_id)
        steps = tuple(
            Step(
                token_ids=tuple(one),
                text=text,
                logprob=None if logprob is None else logprob * len(one),
                logprobs=None if logprob is None else (logprob,) * len(one),
            )
            for one, text in zip(ids, texts, strict=True)
        )
        rollout = Rollout(steps=steps, finish=Finish.STOP, model_version="tiny-1")
        leaf = tree.add(parent, tree.reserve(parent, 1), rollout)
        tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))

    right = f"The answer is {problem.target.value}."
    add(ROOT, True, "First we add.\n", right)
    add(ROOT, False, "I guess, ", "as before: ", "it is 7.")
    add(1, False, "The answer is less.")
    add(1, True, right)
    tree = tree.sorted()
    found = trajectories(tree)
    return Trace(
        problem=problem,
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )


class MadeRuns:
    """Stands for `berry run`: writes the run that a config asks for, with given outcomes."""

    def __init__(self, tokenizer: Any, outcomes: dict[str, Sequence[bool]]) -> None:
        """`outcomes` are those of each problem, by the name of the run's folder."""
        self.tokenizer, self.outcomes = tokenizer, outcomes
        self.models: list[str] = []
        """The models that were measured, in order."""

    def __call__(self, config: Path, overrides: Sequence[str], log: Path) -> None:
        from pipeline.config import load_config
        from pipeline.problems.border import open_source

        read = load_config(config, overrides)
        raw = yaml.safe_load(config.read_text())
        self.models.append(raw["engine"]["model"])
        outcomes = self.outcomes[read.output.name]
        traces = [
            policy_trace(self.tokenizer, problem, outcomes)
            for problem in open_source(read.problems, read.seed).rows()
            if isinstance(problem, Problem)
        ]
        sections = {name: raw[name] for name in ("engine", "verifier", "sampling", "strategy")}
        write_run(read.output, traces, **sections)
