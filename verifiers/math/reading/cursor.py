"""A position in an answer's tokens."""

from verifiers.math.forms.nodes import Unreadable
from verifiers.math.reading.tokens import Token

_MOST_NESTED = 40
_MOST_LAYERS = 100
"""Together they bound the depth of a formula, and so of every recursion over it."""
END = Token("end of the answer", "", False)


class Cursor:
    """Walks over tokens and counts the nesting depth."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self.position = 0
        self.depth = 0
        self._num_layers = 0

    @property
    def next(self) -> Token:
        """The current token, or END."""
        return self._tokens[self.position] if self.position < len(self._tokens) else END

    @property
    def following(self) -> str:
        """The kind of the token after the current one."""
        return self._tokens[self.position + 1].kind if self.position + 1 < len(self._tokens) else ""

    def take(self) -> Token:
        """Returns the current token and advances."""
        token = self.next
        self.position += 1
        return token

    def expect(self, kind: str) -> None:
        """Takes a token of this kind. Raises Unreadable for any other."""
        if self.next.kind != kind:
            raise self.lost()
        self.take()

    def is_braced(self, kind: str) -> bool:
        """Whether the current tokens are one token of this kind in braces."""
        kinds = [token.kind for token in self._tokens[self.position : self.position + 3]]
        return kinds == ["{", kind, "}"]

    def skip_braced(self) -> None:
        """Takes one token, with the braces around it if there are any."""
        self.position += 3 if self.next.kind == "{" else 1

    def enter(self) -> None:
        """Enters a level of nesting, which the caller must leave again. Raises Unreadable."""
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise Unreadable(f"is nested more than {_MOST_NESTED} levels deep")

    def add_layer(self) -> None:
        """Counts an operation that wraps everything before it. Raises Unreadable."""
        self._num_layers += 1
        if self._num_layers > _MOST_LAYERS:
            raise Unreadable(f"has more than {_MOST_LAYERS} operations in a row")

    def lost(self) -> Unreadable:
        """The error for a token that does not fit."""
        token = self.next
        return Unreadable(f"{token.text or token.kind!r} does not fit there")
