"""What `berry status` and `berry show` print: a run's summary, and one problem's tree."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rich.markup import escape
from rich.tree import Tree as RichTree

from pipeline.chat import MessageMatch
from pipeline.config import read_rules
from pipeline.datasets.damage import part_rows
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.metrics import Metrics
from pipeline.datasets.reasons import commonest
from pipeline.datasets.trees import problem_text, read_trace
from pipeline.datasets.views import flawed_share
from pipeline.labels import LabelConfig, TrajectoryLabels, credible_interval, label_tree
from pipeline.majority import VOTE
from pipeline.records import Stage
from pipeline.run_state import prefixes, run_state
from pipeline.shortfall import name_reasons
from pipeline.tree import Finish

_PREVIEW = 100


def summary(folder: RunFolder) -> str:
    """The run in a few lines: what went in, what came out, what became of the rest."""
    counts, facts = folder.counts, folder.complete
    verdicts = {key: counts[f"verdict.{key}"] for key in ("pass", "fail", "abstain", "error")}
    dropped = _dropped(counts)
    others = {key: counts[f"status.{key}"] for key in ("unfinished", "pruned")}
    rest = "".join(f", {number} {key}" for key, number in others.items() if number)
    votes = {key: counts[f"vote.{key}"] for key in ("pass", "fail", "abstain")}
    lines = [
        f"run        {folder.path} ({'unfinished' if facts is None else 'complete'})",
        f"problems   {counts['problems']}, {counts['problems_solved']} with a survivor, "
        f"{counts['problems_failed']} failed",
        f"rollouts   {counts['rollouts']} ({counts['status.completed']} completed, "
        f"{counts['status.truncated']} truncated{rest}), {counts['tokens']} tokens",
        f"verdicts   {sum(verdicts.values())} ({_listed(verdicts)})",
        f"survivors  {counts['kept']} traces; dropped: {_listed(dropped) or 'none'}",
    ]
    if any(votes.values()):
        lines.insert(-1, f"votes      {sum(votes.values())} ({_listed(votes)})")
    lines[-1:-1] = _reasons(counts)
    lines += _flawed(counts)
    lines += _messages(counts)
    lines += _scores(counts)
    # Folders of earlier versions do not say.
    lines += [f"scored by  {model}" for model in folder.run.get("reward_models", ())]
    if facts is not None:
        lines += _speed(folder, Metrics.of(facts))
    else:
        lines = [*lines[:1], *run_state(folder), *(lines[1:] if counts else [])]
    return "\n".join(lines)


def _reasons(counts: Counter[str]) -> list[str]:
    """Why verdicts are no trials; no line where all are."""
    named = {"errors": "error", "abstained": "abstain"}
    return [
        f"{label:<10} {counts[f'verdict.{kind}']}: {name_reasons(counts, kind)}"
        for label, kind in named.items()
        # Runs of earlier versions have counts without reasons.
        if commonest(counts, kind)
    ]


def _dropped(counts: Counter[str]) -> dict[str, int]:
    """Reason -> how many, in the order of the rules; those of earlier versions come last."""
    prefix = "dropped."
    found = {key.removeprefix(prefix): n for key, n in counts.items() if key.startswith(prefix)}
    order = {stage.value: place for place, stage in enumerate(Stage)}
    return dict(sorted(found.items(), key=lambda one: (order.get(one[0], len(order)), one[0])))


def _flawed(counts: Counter[str]) -> list[str]:
    """How many survivors are expected to be wrong on the way; no line where nothing is known of it."""
    share = flawed_share(counts)
    if share is None:
        return []
    return [
        f"flawed     {share:.1%} of {counts['weighed']} survivors are expected to have a wrong step, "
        "by what rollouts from their prefixes came to"
    ]


def _messages(counts: Counter[str]) -> list[str]:
    """Whether the column `messages` can be trained on; no line if it is what was sampled."""
    exact, other_text, other_tokens = (
        counts[f"messages.{match}"]
        for match in (MessageMatch.EXACT, MessageMatch.OTHER_TEXT, MessageMatch.OTHER_TOKENS)
    )
    if not other_text + other_tokens:
        return []
    total = exact + other_text + other_tokens
    advice = "train on prompt_token_ids and response_token_ids"
    advice += ", or with a template that keeps the reasoning" if other_text else " where that matters"
    return [
        f"messages   the chat template gives back {exact} of {total} traces as sampled, {other_text} "
        f"with another text, {other_tokens} as the same text in other tokens: {advice}"
    ]


def _speed(folder: RunFolder, facts: Metrics) -> list[str]:
    """How fast a complete run was, and what it left out."""
    duplicates, bad_rows = (_known(one) for one in (facts.duplicates, facts.bad_rows))
    doubtful = f", {facts.doubtful_golds} doubtful gold answers" if facts.doubtful_golds else ""
    return [
        f"intake     {duplicates} duplicates, {bad_rows} bad rows{doubtful}",
        *_conflicts(folder),
        f"speed      {_known(facts.tokens_per_second)} tokens/s over {_known(facts.seconds)} s, after "
        f"{_known(facts.load_seconds)} s of loading, {facts.counts['restarts']} restarts",
        *prefixes(facts),
    ]


def _conflicts(folder: RunFolder) -> list[str]:
    """Problems one of whose gold answers is wrong; no line without them."""
    facts = folder.complete or {}
    # Runs of earlier versions did not count them.
    if not (number := facts.get("conflicts")):
        return []
    some = (
        "1 problem asks the same as another but has"
        if number == 1
        else (f"{number} problems ask the same as another but have")
    )
    return [f"conflicts  {some} another gold answer: {'; '.join(facts['conflict_examples'])}"]


def _scores(counts: Counter[str]) -> list[str]:
    """What reward models did and did not do; no line without them."""
    lines = []
    num_pruned, num_explored = counts["status.pruned"], counts["explored"]
    if num_pruned or num_explored:
        trials, passes = counts["explored_trials"], counts["explored_passes"]
        rate = "unknown"
        if trials:
            interval = credible_interval(passes, trials, 0.95)
            rate = f"{passes / trials:.1%} (95% interval {interval.low:.1%} to {interval.high:.1%})"
        lines.append(
            f"pruning    {num_pruned} of {counts['rollouts']} rollouts ended mid-way; {num_explored} "
            f"more went on to be seen, {passes} of {trials} turned out right: false-prune rate {rate}"
        )
    unscored = [
        f"{number} of {total} {what}"
        for number, total, what in (
            (counts["unscored"], counts["nodes"], "steps"),
            (counts["unscored_outcomes"], counts["status.completed"], "responses"),
        )
        if number
    ]
    if unscored:
        lines.append(
            f"scores     {' and '.join(unscored)} unscored: there the verifiers decided alone; "
            f"{name_reasons(counts, 'unscored')}"
        )
    return lines


def problem_ids(folder: RunFolder, limit: int) -> list[tuple[str, int, int, str]]:
    """Of the first problems: id, rollouts, survivors, prompt."""
    rows = []
    for row in _rows(folder, ["problem_id", "problem", "prompt", "trajectories"]):
        kept = sum(trajectory["kept"] for trajectory in row["trajectories"])
        rows.append((row["problem_id"], len(row["trajectories"]), kept, _preview(problem_text(row))))
        if len(rows) == limit:
            break
    return rows


def problem_tree(folder: RunFolder, problem_id: str) -> RichTree:
    """One problem's tree, drawn. Raises FolderError for an id that is not in the run."""
    return _draw(_find_row(folder, problem_id), read_rules(folder.run["config"]).labels)


def _draw(row: dict[str, Any], config: LabelConfig) -> RichTree:
    drawn = RichTree(
        f"[bold]{escape(problem_text(row))}[/bold]\n"
        f"gold: {escape(str(row['target_value']))}   id: {row['problem_id']}{_source_id(row)}"
    )
    for error in row["errors"]:
        drawn.add(f"[red]error: {escape(error)}[/red]")
    for warning in row.get("warnings") or ():
        drawn.add(f"[yellow]warning: {escape(warning)}[/yellow]")
    trajectories = {trajectory["leaf"]: trajectory for trajectory in row["trajectories"]}
    labels = {labelled.leaf: labelled for labelled in label_tree(read_trace(row).tree, config)}
    branches = {0: drawn}
    for node in row["nodes"][1:]:
        label = f"{_counts(node)} {escape(_preview(node['text']))}"
        if node["id"] in trajectories:
            label += f"\n{_ending(trajectories[node['id']], labels[node['id']])}"
        branches[node["id"]] = branches[node["parent"]].add(label)
    return drawn


def _source_id(row: dict[str, Any]) -> str:
    found = row.get("source_id")  # which files of earlier versions lack
    return "" if found is None else f"   source_id: {escape(found)}"


def _counts(node: dict[str, Any]) -> str:
    value = node.get("score")  # which files of earlier versions lack
    score = "" if value is None else f" [magenta]{value:.2f}[/magenta]"
    seen = " [yellow](went on to be seen)[/yellow]" if _is_explored(node) else ""
    return f"[cyan]{node['passes']}/{node['trials']}[/cyan]{score}{seen}"


def _is_explored(node: dict[str, Any]) -> bool:
    return node.get("cut_score") is not None and node["finish"] != Finish.PRUNED


def _ending(trajectory: dict[str, Any], labels: TrajectoryLabels) -> str:
    outcome = trajectory["outcome"] or trajectory["status"]
    colour = {"pass": "green", "fail": "red"}.get(outcome, "yellow")
    answer = "" if trajectory["extracted"] is None else f" {escape(trajectory['extracted'])}"
    if trajectory.get("score") is not None:
        answer += f" [magenta]{trajectory['score']:.2f}[/magenta]"
    fate = _kept(trajectory) if trajectory["kept"] else f"dropped: {escape(trajectory['decision'])}"
    is_voted = trajectory["verifier"] == VOTE and outcome in ("pass", "fail")
    vote = " by majority vote" if is_voted else ""
    reason = f": {escape(trajectory['reason'])}" if trajectory["reason"] else ""
    ending = f"[{colour}]{outcome}[/{colour}]{answer}{vote}{reason}"
    return f"{ending} [dim]({fate}{_mistake(labels)})[/dim]"


def _kept(trajectory: dict[str, Any]) -> str:
    # Files of earlier versions lack it.
    chance = trajectory.get("p_correct")
    return "kept" if chance is None else f"kept; all steps right: {chance:.0%}"


def _mistake(labels: TrajectoryLabels) -> str:
    """Where the trajectory went wrong, counted from 1; nothing where that cannot be told."""
    if labels.first_wrong is None:
        return ""
    before = labels.steps[labels.first_wrong - 1].right if labels.first_wrong else 1.0
    right = labels.steps[labels.first_wrong].right
    chance = "" if before is None or right is None else f" ({before - right:.0%})"
    return f"; wrong from step {labels.first_wrong + 1} of {len(labels.steps)}{chance}"


def _rows(folder: RunFolder, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of `trees` in order. Raises FolderError for a damaged part."""
    for index in sorted(folder.parts):
        yield from part_rows(folder, "trees", index, columns)


def _find_row(folder: RunFolder, wanted: str) -> dict[str, Any]:
    """The first row of `trees` with this id, its own or the source's; if there is none, the first whose
    own id starts so. Raises FolderError if there is none either."""
    starts_so: tuple[int, int] | None = None
    for index in sorted(folder.parts):
        for number, row in enumerate(part_rows(folder, "trees", index, ["problem_id", "source_id"])):
            # Files of earlier versions have no source_id.
            if wanted in (row["problem_id"], row.get("source_id")):
                return _row_at(folder, index, number)
            if starts_so is None and row["problem_id"].startswith(wanted):
                starts_so = index, number
    if starts_so is not None:
        return _row_at(folder, *starts_so)
    so_far = "" if folder.complete else f" (so far {folder.counts['problems']} are committed)"
    raise FolderError(
        f"{folder.path}: no committed problem has the source_id {wanted}, or an id that starts with "
        f"it{so_far}"
    )


def _row_at(folder: RunFolder, index: int, number: int) -> dict[str, Any]:
    return next(islice(part_rows(folder, "trees", index, batch_rows=8), number, None))


def first_survivor(folder: RunFolder) -> str | None:
    """The id of the first problem with a trace that was kept; None if there is none."""
    for row in _rows(folder, ["problem_id", "trajectories"]):
        if any(trajectory["kept"] for trajectory in row["trajectories"]):
            return str(row["problem_id"])
    return None


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else f"{line[: _PREVIEW - 3]}..."


def _known(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{value} {key}" for key, value in counts.items())
