"""Training examples from rows of `traces`, `preferences`, `outcomes` and `packed`.

Ids are those in the tree: nothing is tokenised. The loss counts the sampled tokens alone, including an
end token that the model sampled.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.hashing import LinesDigest
from pipeline.problems.variants.making import originals_of
from pipeline.training.policy import trees
from pipeline.training.policy.sampling import sampled_by
from pipeline.training.policy.settings import Method, PolicySettings
from pipeline.training.policy.trees import TreeExample
from pipeline.training.rows import view_rows
from reward_models.training.examples import is_held_out

VIEWS: Mapping[Method, str] = {
    "sft": "traces",
    "dpo": "preferences",
    "kto": "outcomes",
    "ppo": "packed",
}
"""Method -> the view that it learns from."""
_SHARED = ("problem_id", "problem", "meta", "prompt_token_ids")
_COLUMNS: Mapping[Method, Sequence[str]] = {
    "sft": (*_SHARED, "response", "response_token_ids"),
    "dpo": (*_SHARED, "kind", "chosen", "chosen_token_ids", "rejected", "rejected_token_ids"),
    "kto": (*_SHARED, "response", "response_token_ids", "label"),
    "ppo": trees.COLUMNS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A prompt with a response, or with the better and the worse text of a pair."""

    problem_id: str
    prompt: "array[int]"
    """Token ids of the prompt."""
    answers: tuple["array[int]", ...]
    """Token ids of the response; of a pair, the better one first."""
    texts: tuple[str, ...]
    """Texts of `answers`, to check the tokenizer with."""
    label: bool | None = None
    """For KTO, whether the response is right."""

    @property
    def num_tokens(self) -> int:
        """Tokens in the loss."""
        return sum(map(len, self.answers))

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return len(self.prompt) + max(map(len, self.answers))

    @property
    def highest(self) -> int:
        """The highest token id."""
        return max(max(self.prompt), *map(max, self.answers))

    def lines(self) -> list[str]:
        """What it holds, as lines for a hash."""
        ids = (one.tobytes().hex() for one in (self.prompt, *self.answers))
        return [f"{self.problem_id} {self.label}", *ids]


One = TypeVar("One", bound=Example | TreeExample)


@dataclass(slots=True, kw_only=True)
class Split(Generic[One]):
    """Training and held-out examples, without common problems."""

    train: list[One] = field(default_factory=list)
    held_out: list[One] = field(default_factory=list)
    train_problems: dict[str, str] = field(default_factory=dict)
    """Id -> text of each problem in `train`."""
    num_too_long: int = 0
    """Rows left out for their length; of trees, responses."""
    num_empty: int = 0
    """Rows left out because a text of theirs has no tokens, or a tree no advantage but 0."""

    @property
    def num_rows(self) -> int:
        """All rows that were read."""
        return len(self.train) + len(self.held_out) + self.num_too_long + self.num_empty

    @property
    def num_tokens(self) -> int:
        """Training tokens in the loss."""
        return sum(example.num_tokens for example in self.train)

    def digest(self) -> str:
        """A hash of all ids and labels, on both sides and in order."""
        found = LinesDigest()
        for example in (*self.train, *self.held_out):
            found.add(example.lines())
        return found.digest


def read_split(folders: Sequence[Path], settings: PolicySettings, max_positions: int) -> Split[Any]:
    """Reads the rows of all folders; no sequence has more than `max_positions` tokens.

    Raises TrainError, FolderError and StorageError.
    """
    found: Split[Any] = Split()
    method = settings.method
    for folder in folders:
        uses_stored = method != "ppo" or _has_logprobs(folder, settings)
        for row in _wanted(view_rows(folder, VIEWS[method], _COLUMNS[method]), settings):
            if method == "ppo":
                if not uses_stored:
                    row["logprobs"] = None
                _add_tree(found, row, settings, max_positions)
            else:
                _add(found, row, settings, min(settings.max_length, max_positions))
    return found


def _has_logprobs(folder: Path, settings: PolicySettings) -> bool:
    """Whether stored log-probabilities are those of the distribution that `ppo` compares."""
    sampled = sampled_by(folder)
    return sampled is None or sampled.has_logprobs_at(settings.temperature or 1.0)


def _wanted(rows: Iterable[dict[str, Any]], settings: PolicySettings) -> Iterator[dict[str, Any]]:
    """The rows of the kind of pairs that is asked for."""
    for row in rows:
        if settings.method != "dpo" or settings.pairs in ("all", row["kind"]):
            yield row


def _add(found: Split[Any], row: dict[str, Any], settings: PolicySettings, max_length: int) -> None:
    example = _example(row, settings.method)
    if not all(example.answers) or not example.prompt:
        found.num_empty += 1
    elif example.longest > max_length:
        found.num_too_long += 1
    else:
        _put(found, example, row, settings)


def _add_tree(
    found: Split[Any], row: dict[str, Any], settings: PolicySettings, max_positions: int
) -> None:
    pieces, num_too_long = trees.tree_examples(row, settings, settings.max_length, max_positions)
    found.num_too_long += num_too_long
    found.num_empty += not pieces
    for piece in pieces:
        _put(found, piece, row, settings)


def _put(
    found: Split[Any],
    example: Example | TreeExample,
    row: Mapping[str, Any],
    settings: PolicySettings,
) -> None:
    # What is made of a held-out problem would show it to the training.
    originals = originals_of(example.problem_id, row["meta"])
    if any(is_held_out(one, settings.held_out, settings.seed) for one in originals):
        found.held_out.append(example)
    else:
        found.train.append(example)
        found.train_problems[example.problem_id] = row["problem"]


def _example(row: Mapping[str, Any], method: Method) -> Example:
    names = ("chosen", "rejected") if method == "dpo" else ("response",)
    return Example(
        problem_id=row["problem_id"],
        prompt=array("i", row["prompt_token_ids"]),
        answers=tuple(array("i", row[f"{name}_token_ids"]) for name in names),
        texts=tuple(row[name] for name in names),
        label=row["label"] if method == "kto" else None,
    )
