"""Checks for mistakes that would waste hours of training; each error is one line for the user."""

from collections.abc import Sequence
from typing import Any

from pipeline.training.errors import TrainError
from pipeline.training.policy.examples import VIEWS, Example, Split
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.policy.trees import TreeExample
from reward_models.records import Steps
from reward_models.serving.inputs import reads_as

_NUM_CHECKED = 64


def check_examples(found: Split[Any], settings: PolicySettings, data: str) -> None:
    """Raises TrainError without examples, and for KTO if all responses are right or all are wrong."""
    view = VIEWS[settings.method]
    if not found.num_rows:
        what = {
            "sft": "survivors",
            "dpo": "pairs of a better and a worse text",
            "kto": "judged responses",
            "ppo": "trees with steps of different worth",
        }
        raise TrainError(
            f"--data {data}: expected {what[settings.method]} to train on, got none: the view `{view}` "
            "has no row to learn from; use easier problems or more rollouts"
        )
    if not found.train:
        lacked = "advantage other than 0" if settings.method == "ppo" else "tokens"
        raise TrainError(
            f"--data {data}: expected examples to train on, got none of {found.num_rows} rows of "
            f"`{view}`: {found.num_too_long} are longer than max_length, {found.num_empty} have no "
            f"{lacked}, {len(found.held_out)} are held out"
        )
    if settings.method == "kto" and len(labels := {example.label for example in found.train}) < 2:
        got = "right" if True in labels else "wrong"
        raise TrainError(
            f"--data {data}: expected right and wrong responses for method=kto, got {len(found.train)} "
            f"that are all {got}"
        )


def check_tokenizer(base: str, tokenizer: Any, num_embeddings: int, found: Split[Any]) -> None:
    """Raises TrainError if the ids do not belong to the base's tokenizer.

    `num_embeddings` is the size of the model's vocabulary, which may be larger than the tokenizer's.
    """
    examples = [*found.train, *found.held_out]
    highest = max(one.highest for one in examples)
    if highest >= num_embeddings:
        raise TrainError(
            f"--base {base}: expected the model, or one with the tokenizer, that sampled the data; "
            f"they have the token id {highest}, its vocabulary ends at {num_embeddings - 1}"
        )
    some = _spread(examples)
    num_other = sum(not _reads(tokenizer, one) for one in some)
    if num_other > len(some) / 2:
        raise TrainError(
            f"--base {base}: expected the model, or one with the tokenizer, that sampled the data; its "
            f"tokenizer reads other text from {num_other} of {len(some)} examples' ids"
        )


def _spread(examples: Sequence[Example | TreeExample]) -> Sequence[Example | TreeExample]:
    """At most a few examples, from all over the data."""
    return examples[:: max(1, len(examples) // _NUM_CHECKED)][:_NUM_CHECKED]


def _reads(tokenizer: Any, example: Example | TreeExample) -> bool:
    """Whether the tokenizer reads the text from the ids: of the response, or of a tree's problem."""
    if isinstance(example, TreeExample):
        prompt = tokenizer.decode(list(example.prompt))
        return "".join(example.problem.split()) in "".join(prompt.split())
    steps = Steps(
        prompt="",
        prompt_token_ids=tuple(example.prompt),
        texts=example.texts[:1],
        token_ids=(tuple(example.answers[0]),),
    )
    return reads_as(tokenizer, [steps])


def check_apart(evaluated: Sequence[tuple[str, str]], found: Split[Any], named: str) -> None:
    """Raises TrainError if a problem to evaluate, given by id and text, is a training problem.

    A text is the same whatever its letters' case and its white space.
    """
    texts = {plain(text) for text in found.train_problems.values()}
    shared = [text for id_, text in evaluated if id_ in found.train_problems or plain(text) in texts]
    if shared:
        raise TrainError(
            f"eval_problems={named}: expected problems that are not trained on, got "
            f"{len(shared)} of {len(evaluated)} that are, such as {shared[0][:60]!r}; leave them out "
            "of either"
        )


def plain(text: str) -> str:
    """The text without what does not tell problems apart."""
    return " ".join(text.casefold().split())
