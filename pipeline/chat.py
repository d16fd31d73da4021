"""Records of a chat: the turns sent to a model, and how a chat compares with the sampled tokens.

`engines/chat_format.py` turns a chat into text.
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
    """The turns sent to a model before its answer."""

    messages: tuple[Message, ...]
    opening: str = ""
    """Text with which the prompt begins the assistant's turn, such as `<think>\\n`. It belongs to the
    assistant's content although the model did not sample it."""

    @classmethod
    def plain(cls, text: str) -> "Chat":
        """A chat for a model without a chat template: one user turn with the model's exact input."""
        return cls(messages=(Message(role="user", content=text),))

    def answer(self, response: str) -> Message:
        """The assistant's whole turn for a sampled response."""
        return Message(role="assistant", content=self.opening + response)


class MessageMatch(StrEnum):
    """How the output of the model's chat template for a chat compares with what was sampled."""

    EXACT = "exact"
    """The same token ids as the prompt and the response."""
    OTHER_TOKENS = "other_tokens"
    """The same text in different tokens."""
    OTHER_TEXT = "other_text"
    """Different text, or none: the template drops or trims part of the answer, or rejects it."""
