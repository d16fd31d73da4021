"""Steps as the token ids that a reward model reads, and the positions of its scores.

A model trained by berry reads the sampled ids themselves. Published models were trained on text in one
of these formats, so they read text through their own tokenizer:

    tags        a tag after each step, at which the head scores it: Qwen2.5-Math-PRM (Zhang et al.,
                2025, arXiv:2501.07301), `<extra_0>` in the assistant's turn of a chat
    words       a tag after each step, at which the model says one of two words: Math-Shepherd (Wang et
                al., 2023, arXiv:2312.08935), `ки` and then `+` or `-`
    separator   steps joined by a separator, at whose end the head scores the step before: TRL's PRMs
    chat        problem and response as a chat, whose end the head scores: outcome reward models
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reward_models.records import Steps

_QWEN_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True)
class Input:
    """A backend's input for one response."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    """Increasing indices in `ids`; a score is read after each of these tokens."""


class Format(Protocol):
    """Input format of a model."""

    def encode(self, steps: Steps) -> Input:
        """One end for each step. Raises ValueError if the format cannot separate the steps."""
        ...


class TokenIds:
    """The sampled ids; each step is scored at its last token."""

    def encode(self, steps: Steps) -> Input:
        """Raises ValueError for a step without tokens."""
        ids, ends = list(steps.prompt_token_ids), []
        for step in steps.token_ids:
            if not step:
                raise ValueError("expected steps with at least one token, got an empty step")
            ids += step
            ends.append(len(ids) - 1)
        return Input(tuple(ids), tuple(ends))


class Tagged:
    """Text with a tag after each step."""

    def __init__(self, tokenizer: Any, tag: str, *, as_chat: bool) -> None:
        """`as_chat` puts problem and steps into the turns of the tokenizer's chat template."""
        self._tokenizer = tokenizer
        self._tag = tag
        self._as_chat = as_chat
        self._tag_id = tokenizer.encode(tag, add_special_tokens=False)[-1]

    def encode(self, steps: Steps) -> Input:
        """Raises ValueError if a step contains the tag."""
        texts = [text.strip() for text in steps.texts]
        if self._as_chat:
            messages = [
                {"role": "system", "content": _QWEN_SYSTEM},
                {"role": "user", "content": steps.prompt},
                {"role": "assistant", "content": "".join(text + self._tag for text in texts)},
            ]
            text = self._tokenizer.apply_chat_template(messages, tokenize=False)
            ids = self._tokenizer.encode(text, add_special_tokens=False)
        else:
            ids = self._tokenizer.encode(
                "\n".join(
                    [f"{steps.prompt} {texts[0]} {self._tag}"] + [f"{t} {self._tag}" for t in texts[1:]]
                )
            )
        ends = [place for place, token in enumerate(ids) if token == self._tag_id]
        if len(ends) != len(texts):
            raise ValueError(
                f"expected {len(texts)} tags {self._tag!r}, one after each step, got {len(ends)}; "
                "does the text contain it too?"
            )
        return Input(tuple(ids), tuple(ends))


class Separated:
    """Text with a separator after each step; the pieces are tokenized separately."""

    def __init__(self, tokenizer: Any, separator: str) -> None:
        self._tokenizer = tokenizer
        self._separator = self._read(separator)

    def encode(self, steps: Steps) -> Input:
        """Each step is scored at its separator's last token."""
        begin = getattr(self._tokenizer, "bos_token_id", None)
        ids = [] if begin is None else [begin]
        ids += self._read(steps.prompt)
        ends = []
        for text in steps.texts:
            ids += [*self._read(text.strip()), *self._separator]
            ends.append(len(ids) - 1)
        return Input(tuple(ids), tuple(ends))

    def _read(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids


class Chat:
    """Problem and response as a chat's turns, with one score for the whole at the end."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, steps: Steps) -> Input:
        """One end. Raises ValueError if the tokenizer has no chat template."""
        messages = [
            {"role": "user", "content": steps.prompt},
            {"role": "assistant", "content": "".join(steps.texts)},
        ]
        text = self._tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return Input(tuple(ids), (len(ids) - 1,))


def reads_as(tokenizer: Any, batch: Sequence[Steps]) -> bool:
    """Whether the steps' ids belong to this tokenizer: at least one response's decode to its text.

    Ignores white space, and ids beyond the text: a stop string has ids but no text.
    """
    checked = [steps for steps in batch if "".join(steps.texts).strip()]
    return not checked or any(_reads_as(tokenizer, steps) for steps in checked)


def _reads_as(tokenizer: Any, steps: Steps) -> bool:
    ids = [token for step in steps.token_ids for token in step]
    if max(ids) >= len(tokenizer):
        return False
    decoded = "".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    text = "".join("".join(steps.texts).split())
    # Text that ends within a character ends in the replacement character.
    return decoded.startswith(text.rstrip("\ufffd"))
