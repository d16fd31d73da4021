"""Training examples from rows of `traces`, `preferences` and `outcomes`.

Ids are those in the tree: nothing is tokenised. The loss counts the sampled tokens alone, including an
end token that the model sampled.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.hashing import LinesDigest
from pipeline.training.policy.settings import Method, PolicySettings
from pipeline.training.rows import view_rows
from reward_models.training.examples import is_held_out

VIEWS: Mapping[Method, str] = {"sft": "traces", "dpo": "preferences", "kto": "outcomes"}
"""Method -> the view that it learns from."""
_COLUMNS: Mapping[Method, Sequence[str]] = {
    "sft": ("response", "response_token_ids"),
    "dpo": ("kind", "chosen", "chosen_token_ids", "rejected", "rejected_token_ids"),
    "kto": ("response", "response_token_ids", "label"),
}
_SHARED = ("problem_id", "problem", "prompt_token_ids")


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


@dataclass(slots=True, kw_only=True)
class Split:
    """Training and held-out examples, without common problems."""

    train: list[Example] = field(default_factory=list)
    held_out: list[Example] = field(default_factory=list)
    train_problems: dict[str, str] = field(default_factory=dict)
    """Id -> text of each problem in `train`."""
    num_too_long: int = 0
    """Rows left out for their length."""
    num_empty: int = 0
    """Rows left out because a text of theirs has no tokens."""

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
            ids = (one.tobytes().hex() for one in (example.prompt, *example.answers))
            found.add([f"{example.problem_id} {example.label}", *ids])
        return found.digest


def read_split(folders: Sequence[Path], settings: PolicySettings, max_length: int) -> Split:
    """Reads the rows of all folders. Raises TrainError, FolderError and StorageError."""
    found = Split()
    method = settings.method
    for folder in folders:
        rows = view_rows(folder, VIEWS[method], (*_SHARED, *_COLUMNS[method]))
        _add(found, _wanted(rows, settings), settings, max_length)
    return found


def _wanted(rows: Iterable[dict[str, Any]], settings: PolicySettings) -> Iterator[dict[str, Any]]:
    """The rows of the kind of pairs that is asked for."""
    for row in rows:
        if settings.method != "dpo" or settings.pairs in ("all", row["kind"]):
            yield row


def _add(
    found: Split, rows: Iterable[dict[str, Any]], settings: PolicySettings, max_length: int
) -> None:
    for row in rows:
        example = _example(row, settings.method)
        if not all(example.answers) or not example.prompt:
            found.num_empty += 1
        elif example.longest > max_length:
            found.num_too_long += 1
        elif is_held_out(example.problem_id, settings.held_out, settings.seed):
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
