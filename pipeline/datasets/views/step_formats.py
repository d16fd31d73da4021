"""Step labels in the formats of other projects: `stepwise`, `math_shepherd` and `prm800k`.

These formats need a label for every step: whether it is probably right (`p_correct` of at least 1/2,
which uses all rollouts of the tree; a hard label from one or two would be noise). Labels end at the
first wrong step, as in the data sets from which the formats come: what follows a mistake is not judged.
Responses whose first step has no label are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    problem_columns,
    tree_source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.step_labels import EVEN, StepLabel, label_tree
from pipeline.records import Status, Trace, Trajectory

_NEEDS = "a response with a labelled first step"
_MARK = "\u043a\u0438"
"""Ends a step in Math-Shepherd's `input`: two Cyrillic letters that its tokenizer has as one token."""
_PROBLEM = [(name, kind) for name, kind in PROBLEM if name != "prompt"]
_STEPWISE = pa.schema(
    [
        *_PROBLEM,
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        ("status", pa.string()),
        ("leaf", pa.int32()),
        *LABEL_SOURCE,
        ("seed", pa.int64()),
    ]
)
_MATH_SHEPHERD = pa.schema(
    [("input", pa.string()), ("label", pa.string()), ("task", pa.string()), ("problem_id", pa.string())]
)
_COMPLETION = pa.struct([("text", pa.string()), ("rating", pa.int32()), ("flagged", pa.bool_())])
_PRM800K_STEP = pa.struct(
    [
        ("completions", pa.list_(_COMPLETION)),
        ("human_completion", pa.string()),
        ("chosen_completion", pa.int32()),
    ]
)
_QUESTION = pa.struct(
    [
        ("problem", pa.string()),
        ("ground_truth_answer", pa.string()),
        ("pre_generated_steps", pa.list_(pa.string())),
        ("pre_generated_answer", pa.string()),
    ]
)
_LABEL = pa.struct([("steps", pa.list_(_PRM800K_STEP)), ("finish_reason", pa.string())])
_PRM800K = pa.schema(
    [
        ("labeler", pa.string()),
        ("generation", pa.int32()),
        ("is_quality_control_question", pa.bool_()),
        ("is_initial_screening_question", pa.bool_()),
        ("question", _QUESTION),
        ("label", _LABEL),
        ("problem_id", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A response up to its first wrong step."""

    trajectory: Trajectory
    texts: list[str]
    """All steps of the response."""
    labels: list[bool]
    """Labels of its first steps; only the last can be false."""


def _labelled(trace: Trace, rules: ViewRules) -> Iterator[_Labelled]:
    """The responses that have labels, in order of leaves."""
    of_tree = label_tree(trace.tree, rules.labels)
    for trajectory, labels in zip(trace.trajectories, of_tree, strict=True):
        texts = [node.text for node in trace.tree.path(trajectory.leaf)[1:]]
        opinions = [_opinion(step) for step in labels.steps]
        known = list(takewhile(lambda one: one is not None, opinions))
        if known:
            wrong = known.index(False) + 1 if False in known else len(known)
            yield _Labelled(trajectory, texts, [bool(one) for one in known[:wrong]])


def _opinion(step: StepLabel) -> bool | None:
    return None if step.p_correct is None else step.p_correct >= EVEN


def stepwise_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """Rows of TRL's type "stepwise supervision": `prompt`, `completions`, `labels`."""
    for one in _labelled(trace, rules):
        yield {
            **problem_columns(trace),
            "prompt": trace.tree.nodes[0].text,
            "completions": one.texts[: len(one.labels)],
            "labels": one.labels,
            "status": one.trajectory.status,
            "leaf": one.trajectory.leaf,
            **tree_source_columns(trace.tree),
        }


def math_shepherd_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """Rows of Math-Shepherd's data: `input` ends each step with a mark, `label` with + or -."""
    for one in _labelled(trace, rules):
        signs = ["+" if label else "-" for label in one.labels]
        yield {
            "input": _math_shepherd_text(trace, one, [_MARK] * len(signs)),
            "label": _math_shepherd_text(trace, one, signs),
            "task": trace.problem.source,
            "problem_id": trace.problem.id,
        }


def _math_shepherd_text(trace: Trace, one: _Labelled, marks: Sequence[str]) -> str:
    marked = zip(one.texts, marks, strict=False)
    steps = (f"Step {n}: {text.strip()} {mark}" for n, (text, mark) in enumerate(marked, start=1))
    return f"{trace.problem.prompt} " + "\n".join(steps)


def prm800k_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """Rows of PRM800K: a rating of 1 or -1 for each step up to the first wrong one."""
    for one in _labelled(trace, rules):
        verdict = one.trajectory.verdict
        rated = zip(one.texts, one.labels, strict=False)
        yield {
            "labeler": "berry",
            "generation": 0,
            "is_quality_control_question": False,
            "is_initial_screening_question": False,
            "question": {
                "problem": trace.problem.prompt,
                "ground_truth_answer": trace.problem.target.value,
                "pre_generated_steps": one.texts,
                "pre_generated_answer": verdict and verdict.extracted,
            },
            "label": {
                "steps": [_prm800k_step(text, is_right=label) for text, label in rated],
                "finish_reason": _finish_reason(one),
            },
            "problem_id": trace.problem.id,
        }


def _prm800k_step(text: str, *, is_right: bool) -> dict[str, object]:
    return {
        "completions": [{"text": text, "rating": 1 if is_right else -1, "flagged": False}],
        "human_completion": None,
        "chosen_completion": 0 if is_right else None,
    }


def _finish_reason(one: _Labelled) -> str:
    """PRM800K's word for why the labels end."""
    if not one.labels[-1]:
        return "found_error"
    is_whole = one.trajectory.status is Status.COMPLETED and len(one.labels) == len(one.texts)
    return "solution" if is_whole else "give_up"


STEPWISE = View(
    name="stepwise",
    about="step labels in TRL's format of stepwise supervision",
    needs=_NEEDS,
    schema=_STEPWISE,
    rows=stepwise_rows,
)
MATH_SHEPHERD = View(
    name="math_shepherd",
    about="step labels in the format of Math-Shepherd",
    needs=_NEEDS,
    schema=_MATH_SHEPHERD,
    rows=math_shepherd_rows,
)
PRM800K = View(
    name="prm800k",
    about="step labels in the format of PRM800K",
    needs=_NEEDS,
    schema=_PRM800K,
    rows=prm800k_rows,
)
