"""What a cleaning says: lines, JSON values, and facts for the trust report."""

from typing import Any

from pipeline.datasets.cleaned import DropRule, dropped_lines
from pipeline.derive.cleaning.clean import Cleaned
from pipeline.derive.trust import read_trust, record
from pipeline.hygiene.contamination import Likeness


def record_hygiene(cleaned: Cleaned, *, in_source: bool) -> None:
    """Adds what was found to the trust report of the new run, and if asked of its source.

    Raises FolderError and StorageError.
    """
    found, rules = cleaned.found, cleaned.rules
    counts, likenesses = found.drops.counts(), found.drops.likenesses()
    facts: dict[str, Any] = {}
    if rules.duplicates is not None:
        facts["duplicates"] = {
            "problems": counts.get(DropRule.DUPLICATE_PROBLEM, {}).get("problems", 0),
            "responses": counts.get(DropRule.REPEATED, {}).get("responses", 0),
        }
    if rules.against:
        facts["contamination"] = {
            "against": list(found.test_sets),
            "problems": sum(likenesses.values()),
            "exact": likenesses.get(Likeness.SAME, 0),
            "reworded": likenesses.get(Likeness.REWORDED, 0),
            "numbers_changed": likenesses.get(Likeness.NUMBERS_CHANGED, 0),
        }
    # What an earlier cleaning has dropped is still not there.
    before = read_trust(cleaned.source.path).get("hygiene", {}).get("facts", {})
    earlier = before if before.get("dropped") else {}
    record(cleaned.folder.path, "hygiene", {**earlier, **facts, "dropped": True})
    if in_source:
        record(cleaned.source.path, "hygiene", facts)


def describe(cleaned: Cleaned) -> str:
    """The lines for the user."""
    counts, before, found = cleaned.folder.counts, cleaned.source.counts, cleaned.found
    lines = [
        f"{'kept':<10} {counts.problems} of {before.problems} problems, {counts.kept} of {before.kept} "
        f"survivors, in {cleaned.folder.path}"
    ]
    lines += [f"{'dropped':<10} {one}" for one in dropped_lines(found.drops.counts())]
    lines += [
        f"{'compared':<10} with {number} questions of {name}"
        for name, number in found.test_sets.items()
    ]
    if found.num_bad_rows:
        lines.append(f"{'note':<10} {found.num_bad_rows} rows of the test sets have no question")
    if cleaned.source.complete is None:
        lines.append(
            f"{'note':<10} the run in {cleaned.source.path} is unfinished: only its committed parts"
        )
    return "\n".join(lines)


def facts(cleaned: Cleaned) -> dict[str, Any]:
    """The same as JSON values."""
    found, counts, before = cleaned.found, cleaned.folder.counts, cleaned.source.counts
    return {
        "path": str(cleaned.folder.path),
        "problems": {"before": before.problems, "after": counts.problems},
        "survivors": {"before": before.kept, "after": counts.kept},
        "dropped": found.drops.counts(),
        "likenesses": found.drops.likenesses(),
        "test_sets": dict(found.test_sets),
        "bad_rows": found.num_bad_rows,
    }
