"""Kinds of targets that a verifier takes, from its attribute `target_kinds`.

For callers that choose a verifier for a target, or refuse one.
"""

from verifiers.traits import read_traits

SEVERAL_KINDS = "`use: by_kind` judges several kinds, its `kinds` names a verifier for each"
"""Advice for a refused kind."""


def target_kinds(verifier: object) -> tuple[str, ...] | None:
    """The kinds that a verifier, or its class, takes; None for any, and if it declares none.

    Raises ValueError for an attribute that is not a collection of texts.
    """
    return read_traits(verifier).target_kinds


def refusal(verifier: object, kind: str) -> str | None:
    """Reason why the verifier does not take targets of this kind; None if it does."""
    return read_traits(verifier).refusal(kind)
