"""What `berry check` prints."""

from collections.abc import Iterator

from pipeline.check import Checked
from pipeline.progress import duration


def describe(found: Checked) -> str:
    """Three prompts, the figures, and what would spoil a run."""
    return "\n".join([*_prompts(found), *_figures(found), *_findings(found)])


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
    if found.unused_columns:
        names = ", ".join(found.unused_columns)
        yield f"columns    not kept: {names} (problems.meta_fields keeps them)"
    yield (
        f"golds      {found.num_judged} judged against themselves, {found.num_passed} pass; "
        f"{found.num_without_gold} problems have none"
    )
    if found.longest_prompt is None:
        yield "lengths    unknown: this engine encodes prompts only once it has started"
    else:
        context = "" if found.context is None else f" of {found.context} that fit the model"
        yield f"lengths    the longest prompt has {found.longest_prompt} tokens{context}"
    if found.cost is not None:
        yield (
            f"search     about {found.cost.rollouts:.0f} rollouts a problem, as many tokens as "
            f"{found.cost.whole_rollouts:.1f} whole ones"
        )
    yield f"tokens     at most {found.num_tokens:,}, if every rollout is as long as it may be"
    if found.seconds is None:
        yield "time       unknown here; the first minutes of a run say it"
    else:
        yield f"time       at most {duration(found.seconds)}, roughly, on this processor"


def _findings(found: Checked) -> Iterator[str]:
    for one in found.findings:
        yield f"found      {one.what}: {one.count}, such as:"
        for example in one.examples:
            yield f"           {example}"
    if not found.findings:
        yield "found      nothing that would spoil a run"
