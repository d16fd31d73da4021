"""`berry export`, `berry clean`, `berry vary`, `berry push` and `berry compact`."""

from pathlib import Path

import click

from pipeline.cli.options import address_option, at_least, json_option, print_json, run_path
from pipeline.errors import UserMistake


@click.command()
@click.argument("out", type=run_path)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--as", "view", required=True, metavar="VIEW", help="The view to write; docs/views.md lists them."
)
@click.option(
    "--output",
    type=run_path,
    metavar="PATH",
    help="A new folder or a new file (.jsonl or .parquet) for the view, instead of OUT itself.",
)
@click.option(
    "--with",
    "other",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="For backtracking: a config whose engine generates, instead of the run's own.",
)
@click.option(
    "--selection",
    metavar="NAME",
    help="Read only the problems of a selection that was saved in `berry ui`; needs --output.",
)
@address_option
@json_option
def export(
    out: Path,
    overrides: tuple[str, ...],
    view: str,
    output: Path | None,
    other: Path | None,
    selection: str | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Derive a view from the trees of the run in folder OUT.

    No model runs, but for the view `backtracking`, whose rows an engine generates. Without --output,
    the view in OUT is written by the run's own rules. KEY=VALUE sets an option of the view, or a key of
    `labels`, `prune` or `views`, for example prune.max_per_problem=2, and needs --output.
    """
    from pipeline.cli.terminal import counter
    from pipeline.derive import export as derived
    from pipeline.derive.backtracking import writing as generated

    if view == derived.BACKTRACKING:
        if selection is not None:
            raise UserMistake(f"--selection {selection}: expected another view than {view} with it")
        with counter("problems read") as advance:
            chains = generated.export_backtracking(out, output, overrides, other, advance)
        if as_json:
            print_json(generated.facts(chains))
        else:
            click.echo(generated.describe(chains))
        return
    if other is not None:
        raise UserMistake(f"--with {other}: expected it with --as {derived.BACKTRACKING} alone")
    with counter("problems read") as advance:
        exported = derived.export_view(out, view, output, overrides, advance, address, selection)
    if as_json:
        print_json(derived.facts(exported))
    else:
        click.echo(derived.describe(exported))


@click.command()
@click.argument("out", type=run_path)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--output", required=True, type=run_path, metavar="FOLDER", help="A new folder for what stays."
)
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    help="A test set whose questions are dropped: .jsonl, .json, .csv or .parquet; can be repeated.",
)
@click.option(
    "--with",
    "config",
    type=click.Path(path_type=Path),
    metavar="RULES",
    help="A YAML file with rules: sections `hygiene`, `prune`, `labels` or `views`.",
)
@click.option(
    "--as",
    "views",
    multiple=True,
    metavar="VIEW",
    help="Store this view; can be repeated.  [default: those of the run]",
)
@click.option("--keep-dropped", is_flag=True, help="Write what is dropped to FOLDER/dropped.parquet.")
@click.option("--record", is_flag=True, help="Add what is found to the trust report of OUT.")
@address_option
@json_option
def clean(
    out: Path,
    overrides: tuple[str, ...],
    output: Path,
    against: tuple[str, ...],
    config: Path | None,
    views: tuple[str, ...],
    keep_dropped: bool,
    record: bool,
    address: str | None,
    as_json: bool,
) -> None:
    """Write what is clean in the run in folder OUT to a new run folder.

    Drops what repeats an earlier problem or response, and questions of test sets, also with other
    numbers. KEY=VALUE sets more rules: difficulty.max_pass_rate=0.9 drops easy problems,
    balance.max_ratio=2 limits the largest groups. docs/hygiene.md has all of them. OUT does not change,
    but for its trust report with --record.
    """
    from pipeline.cli.terminal import counter
    from pipeline.datasets.folder import RunFolder
    from pipeline.derive.cleaning.clean import clean as write_clean
    from pipeline.derive.cleaning.report import describe, facts, record_hygiene
    from pipeline.derive.cleaning.rules import read_clean_rules

    rules = read_clean_rules(RunFolder.read(out).run, config, against, overrides)
    with counter("problems") as advance:
        cleaned = write_clean(
            out,
            output,
            rules,
            views=views,
            keeps_dropped=keep_dropped,
            advance=advance,
            address=address,
        )
    record_hygiene(cleaned, in_source=record)
    if as_json:
        print_json(facts(cleaned))
    else:
        click.echo(describe(cleaned))


@click.command()
@click.argument("out", type=run_path)
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="A new folder."
)
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    help="A test set whose questions are dropped: .jsonl, .json, .csv or .parquet; can be repeated.",
)
@json_option
def vary(
    out: Path, options: tuple[str, ...], output: Path, against: tuple[str, ...], as_json: bool
) -> None:
    """Make new problems from the verified solutions of the run in folder OUT.

    Changes numbers, composes two problems, and lets the run's model rewrite problems; then the model
    answers them without being told any answer, and what is well posed is kept in
    FOLDER/problems.jsonl. KEY=VALUE sets an option, for example kinds=numbers or samples=16;
    docs/variants.md has all of them. Repeat the command to resume it.
    """
    from pipeline.config import read_settings
    from pipeline.derive.varying.report import describe, facts
    from pipeline.derive.varying.settings import VarySettings
    from pipeline.derive.varying.vary import vary as make

    def tell(line: str) -> None:
        click.echo(line, err=True)

    report = make(out, output, read_settings(VarySettings, options), against=against, tell=tell)
    if as_json:
        print_json(facts(report))
    else:
        click.echo(describe(report))


@click.command()
@click.argument("out", type=run_path)
@click.argument("repo_id")
@click.option("--view", "views", multiple=True, help="Send this view only; can be repeated.")
@click.option("--public", is_flag=True, help="Create a public dataset instead of a private one.")
@click.option("--revision", help="The branch to send to.  [default: main]")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
def push(
    out: Path, repo_id: str, views: tuple[str, ...], public: bool, revision: str | None, dry_run: bool
) -> None:
    """Send the stored views of the run in folder OUT to the dataset REPO_ID of the Hugging Face Hub.

    A dataset that does not exist is created, private unless --public is given. Repeat the command to
    go on after a failure, or to send what is new.
    """
    from pipeline.derive.push import describe, plan_push
    from pipeline.derive.push import push as send

    plan = plan_push(out, repo_id, views=views, revision=revision, is_private=not public)
    click.echo(describe(plan, None if dry_run else send(plan)))


@click.command()
@click.argument("out", type=run_path)
@click.option(
    "--part-bytes",
    type=at_least(1),
    help="Bytes of a file of `trees`.  [default: 128000000]",
)
def compact(out: Path, part_bytes: int | None) -> None:
    """Merge the small files of the run in folder OUT into larger ones.

    The rows stay the same. A run does this itself at its end.
    """
    import asyncio

    from pipeline.cli.terminal import counter
    from pipeline.datasets.card import renew_views
    from pipeline.datasets.folder import RunFolder
    from pipeline.datasets.part import PART_BYTES
    from pipeline.derive.compact import compact as merge_parts

    folder = RunFolder.reopen(out)
    try:
        with counter("files written") as advance:
            done = asyncio.run(merge_parts(folder, part_bytes or PART_BYTES, advance))
        if done.num_rows:
            renew_views(folder, "trees", has_changed=True)
    finally:
        folder.close()
    click.echo(f"{done.num_before} parts are now {done.num_after}")
