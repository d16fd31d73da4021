"""What run.json says about `berry clean`, of a run that it made: a step for each cleaning in turn."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pipeline.datasets.folder import RunFolder


class DropRule(StrEnum):
    """The rule that dropped a problem or a response, in order of application."""

    CONTAMINATED = "contaminated"
    DUPLICATE_PROBLEM = "duplicate_problem"
    TOO_HARD = "too_hard"
    TOO_EASY = "too_easy"
    REPEATED = "repeated"
    UNBALANCED = "unbalanced"


_MEANINGS = {
    DropRule.CONTAMINATED: "a question of a test set",
    DropRule.DUPLICATE_PROBLEM: "repeats an earlier problem",
    DropRule.TOO_HARD: "the pass rate is under the window",
    DropRule.TOO_EASY: "the pass rate is over the window",
    DropRule.REPEATED: "repeats a response to an earlier problem",
    DropRule.UNBALANCED: "its group has enough problems",
}


def dropped_lines(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """How much each rule dropped: `3 problems: too hard`."""
    for rule, numbers in counts.items():
        for what, number in numbers.items():
            if number:
                plural = what if number > 1 else what.removesuffix("s")
                yield f"{number} {plural}: {rule.replace('_', ' ')}"


def cleaned_section(folder: RunFolder) -> Iterator[str]:
    """The section of the dataset card; no line for another run."""
    if not (steps := folder.run.get("cleaned")):
        return
    first = steps[0]
    source = "a run" if first["is_complete"] else "an unfinished run"
    yield from (
        "",
        "## What was cleaned",
        "",
        f"`berry clean` made this data from {source} with {first['problems']} problems and "
        f"{first['survivors']} survivors.",
        "",
        "| problems | responses | rule | meaning |",
        "|---|---|---|---|",
    )
    for step in steps:
        for rule, numbers in step["dropped"].items():
            meaning = _MEANINGS[DropRule(rule)]
            yield f"| {numbers['problems']} | {numbers['responses']} | `{rule}` | {meaning} |"
