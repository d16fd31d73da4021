"""The output of `berry status` and `berry show`: a run's summary, and a problem's tree."""

from pipeline.chat import MessageMatch
from pipeline.datasets.cleaned import dropped_lines
from pipeline.datasets.counts import PASS_RATES, Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics
from pipeline.datasets.reader import RunReader
from pipeline.datasets.tallies.domains import PassRate
from pipeline.datasets.trust.people import Agreement, Judgements, describe_agreement
from pipeline.datasets.views.trees import problem_text
from pipeline.dispatch.batching import LOST
from pipeline.dispatch.reward_pool import DISABLED
from pipeline.inspection.breakdown import domain_lines, rate_text, verifier_lines
from pipeline.inspection.funnel import funnel
from pipeline.inspection.run_state import prefixes, run_state
from pipeline.inspection.shortfall import name_reasons
from pipeline.labels.step_labels import credible_interval

_PREVIEW = 100
_LOST_AS = {"failed": "failed", "abstain": "abstained", "error": "errors"}
"""Kind of reasons -> how a line about them begins."""


def summary(folder: RunFolder) -> str:
    """The run in lines: what is left after each stage and why, how good it is, and how it was made.

    What decides whether to train on the data comes first.
    """
    counts, facts = folder.counts, folder.complete
    lines = [f"run        {folder.path} ({'unfinished' if facts is None else 'complete'})"]
    if facts is None and "cleaned" not in folder.run:
        lines += run_state(folder)
        if counts == Counts():
            return "\n".join(lines)
    lines += _stages(counts)
    lines += _flawed(counts)
    lines += _people(folder)
    lines += _messages(counts)
    lines += _pass_rates(counts)
    lines += domain_lines(counts)
    lines += verifier_lines(counts)
    lines += _scores(counts)
    # Missing in folders of earlier versions.
    lines += [f"scored by  {model}" for model in folder.run.get("reward_models", ())]
    if "cleaned" in folder.run:
        lines += _cleaned(folder)
    elif facts is not None:
        lines += _speed(folder, Metrics.of(facts))
    lines += _lost(counts)
    return "\n".join(lines)


def _stages(counts: Counts) -> list[str]:
    """What is left after each stage, and under it, why the rest is lost."""
    lines = [
        f"problems   {counts.problems}, {counts.problems_solved} with a survivor, "
        f"{counts.problems_failed} failed",
        *_reasons(counts, "failed", counts.problems_failed),
        f"rollouts   {counts.rollouts}, {counts.tokens} tokens",
    ]
    for one in funnel(counts)[1:]:
        of_all = "" if one.fraction is None else f" ({one.fraction:.1%})"
        lost = f"; lost: {_listed(one.lost)}" if one.lost else ""
        if one.stage == "kept":
            lines.append(f"survivors  {one.count} traces{of_all}{lost}")
        else:
            lines.append(f"{one.stage:<10} {one.count}{of_all}{lost}")
        if one.stage == "judged":
            lines += _reasons(counts, "abstain", counts.verdicts["abstain"])
            lines += _reasons(counts, "error", counts.verdicts["error"])
            lines += _votes(counts)
    return lines


def _votes(counts: Counts) -> list[str]:
    """How many verdicts are those of majority votes; no line without any."""
    votes = {key: counts.votes[key] for key in ("pass", "fail", "abstain")}
    if not any(votes.values()):
        return []
    return [f"           {sum(votes.values())} by a majority vote: {_listed(votes)}"]


def _reasons(counts: Counts, kind: str, total: int) -> list[str]:
    """The most common reasons of a kind; no line without any, as in runs of earlier versions."""
    if not counts.most_common(kind):
        return []
    return [f"           {_LOST_AS[kind]} {total}: {name_reasons(counts, kind)}"]


def _pass_rates(counts: Counts) -> list[str]:
    """Problems by the range of their pass rate; no line without a gold answer."""
    ranges = {name: counts.pass_rates[name] for name in PASS_RATES if counts.pass_rates[name]}
    total = sum(ranges.values())
    if not total:
        return []
    rate = PassRate.of(counts.right, counts.not_right)
    right = "" if rate is None else f"{rate_text(rate)} of the rollouts are right; "
    listed = ", ".join(f"{number} at {name}" for name, number in ranges.items())
    return [f"difficulty {right}problems by pass rate: {listed}"]


def _flawed(counts: Counts) -> list[str]:
    """The expected fraction of survivors with a wrong step; no line if unknown."""
    fraction = counts.flawed_fraction
    if fraction is None:
        return []
    return [
        f"flawed     {fraction:.1%} of {counts.weighed} survivors are expected to have a wrong step, "
        "judging from the outcomes of rollouts from their prefixes"
    ]


def _people(folder: RunFolder) -> list[str]:
    """Whether people agree with the verifier; no line if nobody has judged."""
    found = Agreement.of(Judgements(folder.path).all())
    return [f"people     {describe_agreement(found)}"] if found.judged else []


def _messages(counts: Counts) -> list[str]:
    """Whether the column `messages` is fit for training; no line if it matches the sampled tokens."""
    exact, other_text, other_tokens = (
        counts.messages[match]
        for match in (MessageMatch.EXACT, MessageMatch.OTHER_TEXT, MessageMatch.OTHER_TOKENS)
    )
    if not other_text + other_tokens:
        return []
    total = exact + other_text + other_tokens
    advice = "train on prompt_token_ids and response_token_ids"
    advice += ", or use a template that keeps the reasoning" if other_text else " if that matters"
    return [
        f"messages   the chat template reproduces {exact} of {total} traces exactly, {other_text} "
        f"with different text, {other_tokens} with the same text in different tokens: {advice}"
    ]


def _speed(folder: RunFolder, facts: Metrics) -> list[str]:
    """Speed of a complete run, and rows left out."""
    duplicates, bad_rows = (_known(one) for one in (facts.duplicates, facts.bad_rows))
    doubtful = f", {facts.doubtful_golds} doubtful gold answers" if facts.doubtful_golds else ""
    return [
        f"intake     {duplicates} duplicates, {bad_rows} bad rows{doubtful}",
        *_conflicts(folder),
        f"speed      {_known(facts.tokens_per_second)} tokens/s over {_known(facts.seconds)} s, after "
        f"{_known(facts.load_seconds)} s of loading, {facts.counts.restarts} restarts",
        *prefixes(facts),
    ]


def _cleaned(folder: RunFolder) -> list[str]:
    """What `berry clean` dropped of the run from which it made this one."""
    steps = folder.run["cleaned"]
    first = (
        f"cleaned    {folder.counts.problems} of {steps[0]['problems']} problems and "
        f"{folder.counts.kept} of {steps[0]['survivors']} survivors stayed"
    )
    return [first, *(f"           {one}" for step in steps for one in dropped_lines(step["dropped"]))]


def _conflicts(folder: RunFolder) -> list[str]:
    """Problems with contradictory gold answers; no line without them."""
    facts = folder.complete or {}
    # Runs of earlier versions did not count them.
    if not (number := facts.get("conflicts")):
        return []
    some = (
        "1 problem has the same text as an earlier one but"
        if number == 1
        else (f"{number} problems have the same text as an earlier one but")
    )
    return [f"conflicts  {some} another gold answer: {'; '.join(facts['conflict_examples'])}"]


def _scores(counts: Counts) -> list[str]:
    """Results and failures of reward models; no line without them."""
    lines = []
    num_pruned, num_explored = counts.statuses["pruned"], counts.explored
    if num_pruned or num_explored:
        trials, passes = counts.explored_trials, counts.explored_passes
        rate = "unknown"
        if trials:
            interval = credible_interval(passes, trials, 0.95)
            rate = f"{passes / trials:.1%} (95% interval {interval.low:.1%} to {interval.high:.1%})"
        lines.append(
            f"pruning    {num_pruned} of {counts.rollouts} rollouts ended midway; {num_explored} "
            f"more continued as a check, {passes} of {trials} were right: false-prune rate {rate}"
        )
    unscored = [
        f"{number} of {total} {what}"
        for number, total, what in (
            (counts.unscored, counts.nodes, "steps"),
            (counts.unscored_outcomes, counts.statuses["completed"], "responses"),
        )
        if number
    ]
    if unscored:
        lines.append(
            f"scores     {' and '.join(unscored)} unscored: the verifiers decided alone; "
            f"{name_reasons(counts, 'unscored')}"
        )
    return lines


def _lost(counts: Counts) -> list[str]:
    """What is missing because actors were lost, which says nothing about a response; or no line."""
    verdicts, scores = (
        sum(
            number
            for text, number in counts.reasons.get(kind, {}).items()
            if LOST in text or DISABLED in text
        )
        for kind in ("error", "unscored")
    )
    if not verdicts + scores:
        return []
    return [
        f"lost       {verdicts} verdicts, and scores of up to {scores} problems, because verifiers or "
        "reward models died, hung or failed; none of it counts as a failure"
    ]


def problem_ids(reader: RunReader, limit: int) -> list[tuple[str, int, int, str]]:
    """Id, rollouts, survivors and prompt of the first problems."""
    rows = []
    for row in reader.rows("trees", ["problem_id", "problem", "prompt", "trajectories"]):
        kept = sum(trajectory["kept"] for trajectory in row["trajectories"])
        rows.append((row["problem_id"], len(row["trajectories"]), kept, preview(problem_text(row))))
        if len(rows) == limit:
            break
    return rows


def first_survivor(reader: RunReader) -> str | None:
    """The id of the first problem with a survivor; None if there is none."""
    for row in reader.rows("trees", ["problem_id", "trajectories"]):
        if any(trajectory["kept"] for trajectory in row["trajectories"]):
            return str(row["problem_id"])
    return None


def preview(text: str, most: int = _PREVIEW) -> str:
    """The text as one line of up to `most` characters."""
    # A step may have a million; no more than these can be in the line, but for long gaps.
    line = " ".join(text[: 10 * most].split())
    is_whole = len(text) <= 10 * most and len(line) <= most
    return line if is_whole else f"{line[: most - 3]}..."


def _known(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{value} {key}" for key, value in counts.items())
