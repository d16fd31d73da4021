"""`berry status`, `berry show` and `berry doctor`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import at_least, json_option, print_json, run_path
from pipeline.errors import PartlyDone

if TYPE_CHECKING:
    from pipeline.cli.doctor import Job


@click.command()
@click.argument("out", type=run_path)
@json_option
def status(out: Path, as_json: bool) -> None:
    """Report the progress of the run in folder OUT, even while it runs.

    Exit status 1 means that files of the run are missing or damaged.
    """
    from pipeline.datasets.damage import find_damage
    from pipeline.datasets.folder import RunFolder
    from pipeline.inspection.facts import run_facts
    from pipeline.inspection.terminal_report import summary

    folder = RunFolder.read(out)
    damage = find_damage(folder)
    if as_json:
        print_json({**run_facts(folder), "damage": damage})
    else:
        click.echo("\n".join([summary(folder), *(f"damage     {one}" for one in damage)]))
    if damage:
        raise PartlyDone(f"{len(damage)} missing or damaged files in {out}")


@click.command()
@click.argument("out", type=run_path)
@click.argument("problem_id", required=False)
@click.option("--limit", default=20, show_default=True, type=at_least(1), help="Problems to list.")
@json_option
def show(out: Path, problem_id: str | None, limit: int, as_json: bool) -> None:
    """Show the run in folder OUT, or the tree of one problem.

    PROBLEM_ID is the problem set's own id (`source_id`) or the beginning of a `problem_id`.
    """
    from rich.console import Console

    from pipeline.datasets.reader import RunReader
    from pipeline.inspection.facts import list_facts, run_facts, tree_facts
    from pipeline.inspection.terminal_report import problem_ids, problem_tree, summary

    reader = RunReader.open(out)
    if as_json:
        if problem_id is not None:
            print_json(tree_facts(reader, problem_id))
        else:
            print_json({**run_facts(reader.folder), "problems": list_facts(reader, limit)})
        return
    if problem_id is not None:
        Console().print(problem_tree(reader, problem_id))
        return
    click.echo(f"{summary(reader.folder)}\n" if reader.parts else summary(reader.folder))
    for found, rollouts, kept, prompt in problem_ids(reader, limit):
        click.echo(f"{found}  {kept:3d} of {rollouts:3d} kept  {prompt}")


@click.command()
@click.option(
    "--for",
    "job",
    default="run",
    show_default=True,
    type=click.Choice(["verify", "run", "train", "eval"]),
    help="The job to check for; the exit status is 1 if the job needs something that is missing.",
)
@json_option
def doctor(job: "Job", as_json: bool) -> None:
    """Report what this machine can run and what is missing."""
    from pipeline.cli.doctor import examine

    findings = examine()
    missing = [one.name for one in findings if one.ok is False and job in one.needed_for]
    if as_json:
        print_json({"job": job, "missing": missing, "findings": list(map(asdict, findings))})
    for finding in findings if not as_json else ():
        mark = {True: "ok", False: "missing", None: ""}[finding.ok]
        click.echo(f"{mark:<8}{finding.name:<10} {finding.text}")
    if missing:
        raise PartlyDone(f"missing for `berry {job}`: {', '.join(missing)}")
