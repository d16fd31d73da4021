"""Traits of a verifier: its attributes, checked and read into one record.

A user's verifier declares as attributes whatever differs from the defaults:

    attribute       default           meaning
    `name`          the class's name  names the verifier in verdicts and messages
    `version`       "0"               changes whenever any response could get another outcome
    `target_kinds`  None              kinds of targets that it judges; None for any
    `uses_sandbox`  False             its constructor takes the run's sandbox settings after its options
"""

from collections.abc import Collection
from dataclasses import dataclass

from verifiers.attributes import attribute, flag

UNVERSIONED = "0"
"""The version of a verifier that declares none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """A verifier's attributes, checked."""

    name: str
    version: str
    target_kinds: tuple[str, ...] | None
    uses_sandbox: bool

    def refusal(self, kind: str) -> str | None:
        """Reason why the verifier does not take targets of this kind; None if it does."""
        if self.target_kinds is None or kind in self.target_kinds:
            return None
        *others, last = self.target_kinds
        named = f"{', '.join(others)} or {last}" if others else last
        return f"takes targets of kind {named}, not {kind}"


def read_traits(verifier: object) -> Traits:
    """The traits of a verifier, or of its class, where instance attributes are still unknown.

    Raises ValueError for an attribute of a wrong type; the message says what it should be.
    """
    cls = verifier if isinstance(verifier, type) else type(verifier)
    return Traits(
        name=_text(verifier, "name", cls.__name__),
        version=_text(verifier, "version", UNVERSIONED),
        target_kinds=_kinds(verifier),
        uses_sandbox=flag(cls, "uses_sandbox"),
    )


def _text(verifier: object, name: str, default: str) -> str:
    value = attribute(verifier, name, default)
    if value is None and isinstance(verifier, type):
        # Set in the constructor, and checked then.
        return default
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}`, a text, got {'none' if value is None else repr(value)}")
    return value


def _kinds(verifier: object) -> tuple[str, ...] | None:
    kinds = attribute(verifier, "target_kinds")
    if kinds is None:
        return None
    is_texts = isinstance(kinds, Collection) and not isinstance(kinds, str | bytes)
    if not is_texts or not kinds or not all(isinstance(kind, str) and kind for kind in kinds):
        raise ValueError(f"`target_kinds`, a tuple of texts or None for any kind, got {kinds!r:.100}")
    return tuple(kinds)
