"""What was measured about how far the data can be trusted, read from the run folder and checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.trust.people import Agreement as PeopleAgreement
from pipeline.datasets.trust.people import Judgements
from pipeline.datasets.trust.stored import measured_state, read_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class MistakeRate:
    """How often a verifier is wrong about answers that are known."""

    rate: float | None
    """None if no such answer could be made and judged."""
    low: float | None
    high: float | None
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """`berry audit-verifier`."""

    verifier: str
    false_passes: MistakeRate
    false_fails: MistakeRate


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`berry verify --record`: a second verifier's verdicts on the same responses."""

    judged_by: str
    agreement: float | None
    decided: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """`berry clean --record`."""

    dropped: bool
    """Whether what was found is no longer in the data."""
    duplicate_problems: int | None
    """None if duplicates were not looked for."""
    repeated_responses: int | None
    contaminated: int | None
    """Problems that are questions of test sets; None if no test set was given."""
    test_sets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All measurements; None for those that are missing."""

    audit: Audited | None = None
    agreement: Agreement | None = None
    hygiene: Hygiene | None = None
    people: PeopleAgreement = field(default_factory=PeopleAgreement)
    """What people said in `berry ui`."""
    outdated: tuple[str, ...] = ()
    """Names of measurements of an earlier state of the data."""
    damaged: tuple[str, ...] = ()
    """Names of measurements that cannot be read."""


def read_measurements(folder: RunFolder) -> Trust:
    """The recorded measurements of a run. Raises FolderError and StorageError if the store fails."""
    damage: dict[str, FolderError] = {}
    stored, now = read_trust(folder.path, damage), measured_state(folder)
    damaged, found = list(damage), dict[str, Any]()
    for name, read in _READERS.items():
        if name not in stored:
            continue
        try:
            found[name] = read(stored[name]["facts"])
        except (KeyError, TypeError, ValueError, AttributeError):
            # The file was edited by hand, or is of another version.
            damaged.append(name)
    outdated = tuple(name for name in found if stored[name]["state"] != now)
    people = PeopleAgreement.of(Judgements(folder.path).all())
    return Trust(**found, people=people, outdated=outdated, damaged=tuple(damaged))


def _audit(facts: Mapping[str, Any]) -> Audited:
    return Audited(
        verifier=str(facts["verifier"]),
        false_passes=_rate(facts["wrong"]),
        false_fails=_rate(facts["right"]),
    )


def _rate(facts: Mapping[str, Any]) -> MistakeRate:
    rate, low, high = (
        None if facts[key] is None else float(facts[key]) for key in ("rate", "low", "high")
    )
    return MistakeRate(rate=rate, low=low, high=high, judged=int(facts["judged"]))


def _agreement(facts: Mapping[str, Any]) -> Agreement:
    agreement = facts["agreement"]
    return Agreement(
        judged_by=str(facts["judged_by"]),
        agreement=None if agreement is None else float(agreement),
        decided=int(facts["decided"]),
    )


def _hygiene(facts: Mapping[str, Any]) -> Hygiene:
    duplicates, found = facts.get("duplicates"), facts.get("contamination")
    return Hygiene(
        dropped=bool(facts.get("dropped")),
        duplicate_problems=None if duplicates is None else int(duplicates["problems"]),
        repeated_responses=None if duplicates is None else int(duplicates["responses"]),
        contaminated=None if found is None else int(found["problems"]),
        test_sets=() if found is None else tuple(map(str, found["against"])),
    )


_READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "audit": _audit,
    "agreement": _agreement,
    "hygiene": _hygiene,
}
