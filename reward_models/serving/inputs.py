"""Steps as the token ids that a reward model reads, and where in them it says how good each step is.

A model that was trained here reads the very ids that were sampled. Published models were trained on
text in one of these ways, so theirs is text, which their own tokenizer reads:

    tags        a tag behind each step, at which the head scores it: Qwen2.5-Math-PRM (Zhang et al.,
                2025, arXiv:2501.07301), `<extra_0>` in the assistant's turn of a chat
    words       a tag behind each step, at which the model says one of two words: Math-Shepherd (Wang et
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
    """What a backend is given of one response."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    """Places in `ids`, increasing: behind each of these tokens one score is read."""


class Format(Protocol):
    """How a model is asked."""

    def encode(self, steps: Steps) -> Input:
        """One end for each step. Raises ValueError for steps that cannot be told apart in it."""
        ...


class TokenIds:
    """The ids as they were sampled, each step scored at its last token."""

    def encode(self, steps: Steps) -> Input:
        """Raises ValueError for a step without tokens."""
        ids, ends = list(steps.prompt_token_ids), []
        for step in steps.token_ids:
            if not step:
                raise ValueError("expected steps of one token or more, got one without")
            ids += step
            ends.append(len(ids) - 1)
        return Input(tuple(ids), tuple(ends))


class Tagged:
    """Text with a tag behind each step."""

    def __init__(self, tokenizer: Any, tag: str, *, as_chat: bool) -> None:
        """`as_chat` puts problem and steps into the turns of the tokenizer's chat template."""
        self._tokenizer = tokenizer
        self._tag = tag
        self._as_chat = as_chat
        self._tag_id = tokenizer.encode(tag, add_special_tokens=False)[-1]

    def encode(self, steps: Steps) -> Input:
        """Raises ValueError where a step has the tag in it."""
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
                f"expected {len(texts)} tags {self._tag!r}, one behind each step, got {len(ends)}; "
                "does the text have it too?"
            )
        return Input(tuple(ids), tuple(ends))


class Separated:
    """Text with a separator behind each step, each piece read by itself."""

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
    """Problem and response in a chat's turns, scored at the end: one score, of the whole."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, steps: Steps) -> Input:
        """One end. Raises ValueError where the tokenizer has no chat template."""
        messages = [
            {"role": "user", "content": steps.prompt},
            {"role": "assistant", "content": "".join(steps.texts)},
        ]
        text = self._tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return Input(tuple(ids), (len(ids) - 1,))


def reads_as(tokenizer: Any, batch: Sequence[Steps]) -> bool:
    """Whether the steps' ids are of this tokenizer: of one response at least they decode to its text.

    White space aside, and as far as the text goes: a stop string has ids but no text.
    """
    checked = [steps for steps in batch if "".join(steps.texts).strip()]
    return not checked or any(_reads_as(tokenizer, steps) for steps in checked)


def _reads_as(tokenizer: Any, steps: Steps) -> bool:
    ids = [token for step in steps.token_ids for token in step]
    if max(ids) >= len(tokenizer):
        return False
    decoded = "".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    text = "".join("".join(steps.texts).split())
    # Text that ends within a character ends in the sign for a broken one.
    return decoded.startswith(text.rstrip("\ufffd"))
