"""`berry export` and `berry compact`."""

from pathlib import Path

import click

from pipeline.cli.options import at_least, run_path


@click.command()
@click.argument("out", type=run_path)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--as", "view", required=True, metavar="VIEW", help="The view to write: steps or traces.")
@click.option(
    "--output",
    type=run_path,
    metavar="PATH",
    help="A new folder or a new file (.jsonl or .parquet) for the view, instead of OUT itself.",
)
def export(out: Path, overrides: tuple[str, ...], view: str, output: Path | None) -> None:
    """Derive a view again from the trees of the run in folder OUT.

    No model runs. Without --output, the run's own rules replace the view in OUT. KEY=VALUE sets a key
    of `labels` or `prune`, for example prune.max_per_problem=2, and needs --output.
    """
    from pipeline.cli.terminal import counter
    from pipeline.derive.export import describe, export_view

    with counter("problems read") as advance:
        exported = export_view(out, view, output, overrides, advance)
    click.echo(describe(exported))


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
    from pipeline.datasets.card import update_card
    from pipeline.datasets.folder import RunFolder
    from pipeline.datasets.part import PART_BYTES
    from pipeline.derive.compact import compact as merge_parts

    folder = RunFolder.reopen(out)
    try:
        with counter("files written") as advance:
            done = asyncio.run(merge_parts(folder, part_bytes or PART_BYTES, advance))
        if done.num_rows:
            update_card(folder)
    finally:
        folder.close()
    click.echo(f"{done.num_before} parts are now {done.num_after}")
