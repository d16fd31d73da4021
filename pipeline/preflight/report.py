"""The output of `berry check`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pipeline.inspection.time_left import duration
from pipeline.preflight.check import Checked
from pipeline.problems.variants.making import Yield


def describe(found: Checked) -> str:
    """Three prompts, the figures, and the problems that would spoil a run."""
    return "\n".join([*_prompts(found), *_figures(found), *_findings(found)])


def facts(found: Checked) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "problems": found.num_problems,
        "duplicates": found.num_duplicates,
        "bad_rows": found.bad_rows.count,
        "unused_columns": list(found.unused_columns),
        "variants": None if found.variants is None else _variant_facts(found.variants),
        "golds": {
            "judged": found.num_judged,
            "passed": found.num_passed,
            "none": found.num_without_gold,
        },
        "longest_prompt": found.longest_prompt,
        "context": found.context,
        "search": None if found.cost is None else asdict(found.cost),
        "most_tokens": found.num_tokens,
        "seconds": found.seconds,
        "prompts": found.prompts,
        "findings": [asdict(one) for one in found.findings],
    }


def _variant_facts(made: Yield) -> dict[str, Any]:
    return {
        "num_problems": made.num_problems,
        "num_templates": made.num_templates,
        "num_variants": made.num_variants,
        "refused": dict(made.refused),
    }


def _prompts(found: Checked) -> Iterator[str]:
    for number, prompt in enumerate(found.prompts, start=1):
        yield f"--- prompt {number}, as the model reads it ---"
        yield prompt.rstrip("\n")
    if found.prompts:
        yield "---"


def _figures(found: Checked) -> Iterator[str]:
    yield (
        f"problems   {found.num_problems}; {found.num_duplicates} duplicates, "
        f"{found.bad_rows.count} bad rows"
    )
    if found.variants is not None:
        yield _variants(found.variants)
    if found.unused_columns:
        names = ", ".join(found.unused_columns)
        yield f"columns    not kept: {names} (problems.meta_fields keeps them)"
    yield (
        f"golds      {found.num_judged} judged against themselves, {found.num_passed} pass; "
        f"{found.num_without_gold} problems have none"
    )
    if found.longest_prompt is None:
        yield "lengths    unknown: this engine only encodes prompts after its start"
    else:
        context = "" if found.context is None else f"; the model takes {found.context}"
        yield f"lengths    the longest prompt has {found.longest_prompt} tokens{context}"
    if found.cost is not None:
        yield (
            f"search     about {found.cost.rollouts:.0f} rollouts per problem, with the tokens of "
            f"{found.cost.whole_rollouts:.1f} whole rollouts"
        )
    yield f"tokens     at most {found.num_tokens:,}, if every rollout has the maximum length"
    if found.seconds is None:
        yield "time       unknown; the first minutes of a run will show it"
    else:
        yield f"time       at most about {duration(found.seconds)} on this processor"


def _variants(made: Yield) -> str:
    without = ", ".join(f"{count} {reason}" for reason, count in made.refused.most_common())
    return f"variants   {made.num_variants} of {made.num_problems} problems" + (
        f"; problems without any, by reason: {without}" if without else ""
    )


def _findings(found: Checked) -> Iterator[str]:
    for one in found.findings:
        yield f"found      {one.what}: {one.count}, for example:"
        for example in one.examples:
            yield f"           {example}"
    if not found.findings:
        yield "found      nothing that would spoil a run"
