"""What a model was asked, as the turns of a chat, and how a chat compares with what was sampled.

Plain records: how a chat becomes text is the affair of `engines/chat_format.py`.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The turns that were sent to a model, before it answered."""

    messages: tuple[Message, ...]
    opening: str = ""
    """How the prompt begins the assistant's turn, such as `<think>\\n`: text that the model goes on
    from, so that it belongs to the assistant's content although it was not sampled."""

    @classmethod
    def plain(cls, text: str) -> "Chat":
        """Of a model without a chat template: one user turn with the exact text that it got."""
        return cls(messages=(Message(role="user", content=text),))

    def answer(self, response: str) -> Message:
        """The assistant's whole turn, for a sampled response."""
        return Message(role="assistant", content=self.opening + response)


class MessageMatch(StrEnum):
    """What the model's own chat template makes of a chat and its answer, beside what was sampled."""

    EXACT = "exact"
    """The very token ids of the prompt and the response."""
    OTHER_TOKENS = "other_tokens"
    """The same text, cut into other tokens than the model sampled."""
    OTHER_TEXT = "other_text"
    """Another text, or none: the template drops or trims a part of the answer, or refuses it."""
