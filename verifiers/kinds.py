"""Which kinds of targets a verifier takes, by its attribute `target_kinds`.

Whoever has to choose a verifier for a target, or to refuse one, asks here.
"""

from collections.abc import Collection

SEVERAL_KINDS = "`use: by_kind` judges several kinds, its `kinds` names a verifier for each"
"""What to do about a kind that is refused."""


def target_kinds(verifier: object) -> tuple[str, ...] | None:
    """The kinds that a verifier, or its class, takes; None for any, also where it names none.

    Raises ValueError for an attribute that is no collection of texts.
    """
    kinds = getattr(verifier, "target_kinds", None)
    if kinds is None:
        return None
    texts = isinstance(kinds, Collection) and not isinstance(kinds, str | bytes)
    if not texts or not kinds or not all(isinstance(kind, str) and kind for kind in kinds):
        raise ValueError(
            f"expected `target_kinds` to be a tuple of texts or None for any kind, got {kinds!r:.100}"
        )
    return tuple(kinds)


def refusal(verifier: object, kind: str) -> str | None:
    """Why a verifier does not take targets of a kind; None if it does."""
    kinds = target_kinds(verifier)
    if kinds is None or kind in kinds:
        return None
    *others, last = kinds
    named = f"{', '.join(others)} or {last}" if others else last
    return f"takes targets of kind {named}, not {kind}"
