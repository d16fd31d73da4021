"""`berry status`, `berry show`, `berry report` and `berry doctor`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import at_least, json_option, positive, print_json, run_path
from pipeline.errors import PartlyDone, UserMistake

if TYPE_CHECKING:
    from pipeline.cli.doctor import Job
    from pipeline.cli.terminal import TerminalProgress

_WATCH_SECONDS = 2.0
_PLAIN_COLUMNS = 120
"""Least width of a tree that goes to a file or a pipe."""


@click.command()
@click.argument("out", type=run_path)
@click.option("--watch", is_flag=True, help="Show the state again and again until the run is complete.")
@click.option(
    "--every",
    type=positive,
    default=_WATCH_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two looks, with --watch.",
)
@json_option
def status(out: Path, watch: bool, every: float, as_json: bool) -> None:
    """Report the progress of the run in folder OUT, even while it runs.

    For a folder of `berry loop`, the command shows a row for each round. Exit status 1 means that
    files of the run are missing or damaged. With --watch, files are not
    examined; the command waits until there is a run in OUT, and ends when it is complete, or with
    Ctrl-C.
    """
    if watch:
        _watch(out, every, as_json=as_json)
        return
    if _showed_loop(out, as_json=as_json):
        return
    from pipeline.cli.terminal import show_lines
    from pipeline.datasets.damage import find_damage
    from pipeline.datasets.folder import RunFolder
    from pipeline.inspection.facts import run_facts
    from pipeline.inspection.plain_text import visible
    from pipeline.inspection.terminal_report import summary

    folder = RunFolder.read(out)
    damage = find_damage(folder)
    if as_json:
        print_json({**run_facts(folder), "damage": damage})
    else:
        lines = [summary(folder), *(f"damage     {one}" for one in damage)]
        show_lines(visible("\n".join(lines)))
    if damage:
        raise PartlyDone(f"{len(damage)} missing or damaged files in {out}")


def _showed_loop(out: Path, *, as_json: bool) -> bool:
    """Shows the rounds of a loop; returns whether OUT is the folder of one."""
    from pipeline.loop.folder import LoopFolder, is_loop

    if not is_loop(out):
        return False
    from pipeline.cli.terminal import show_lines
    from pipeline.inspection.plain_text import visible
    from pipeline.loop.report import describe, facts

    folder = LoopFolder.read(out)
    if as_json:
        print_json(facts(folder))
    else:
        show_lines(visible(describe(folder)))
    return True


def _watch(out: Path, every: float, *, as_json: bool) -> None:
    """Looks at the run at intervals, until it is complete or nobody reads any more."""
    from pipeline.cli.terminal import PatientConsole, TerminalProgress
    from pipeline.datasets.folder import RunFolder
    from pipeline.files.storage import exists
    from pipeline.inspection.facts import run_facts
    from pipeline.inspection.watching import look

    screen = TerminalProgress(PatientConsole(), plain_seconds=0.0)
    try:
        if not exists(out):
            _wait_for_run(out, every, screen)
        while not screen.is_gone:
            folder = RunFolder.read(out)
            if as_json:
                print_json(run_facts(folder))
            else:
                seen = look(folder)
                screen.show(seen.header, seen.snapshot)
            if folder.complete is not None:
                return
            time.sleep(every)
    except BrokenPipeError:
        # Nobody reads any more, as where a terminal is closed; nothing has failed.
        return
    finally:
        screen.close()


def _wait_for_run(out: Path, every: float, screen: "TerminalProgress") -> None:
    """Waits for a run that is about to begin in this folder: `berry run` takes seconds to get there."""
    from pipeline.files.storage import exists

    while not screen.is_gone and not exists(out / "run.json"):
        screen.show(f"{out}  waiting for a run: there is no such folder yet", None)
        time.sleep(every)


@click.command()
@click.argument("out", type=run_path)
@click.argument("problem_id", required=False)
@click.option("--limit", default=20, show_default=True, type=at_least(1), help="Problems to list.")
@click.option("--all", "whole", is_flag=True, help="Show all nodes of a large tree.")
@click.option(
    "--path", "path", type=int, metavar="LEAF", help="Show one response of the problem, step by step."
)
@click.option("--why", type=int, metavar="LEAF", help="Show what decided about a response, in order.")
@json_option
def show(
    out: Path,
    problem_id: str | None,
    limit: int,
    whole: bool,
    path: int | None,
    why: int | None,
    as_json: bool,
) -> None:
    """Show the run in folder OUT, the tree of one problem, or one of its responses.

    PROBLEM_ID is the problem set's own id (`source_id`) or the beginning of a `problem_id`. LEAF is the
    node at which a response ends, as the views have it (`leaf`). For a folder of `berry loop`, the
    command shows a row for each round.
    """
    if problem_id is None and _showed_loop(out, as_json=as_json):
        return
    from rich.console import Console

    from pipeline.cli.terminal import show_cut, show_lines
    from pipeline.datasets.reader import RunReader
    from pipeline.inspection.facts import list_facts, run_facts, tree_facts
    from pipeline.inspection.plain_text import visible
    from pipeline.inspection.problem_tree import problem_tree
    from pipeline.inspection.terminal_report import problem_ids, summary
    from pipeline.inspection.trajectory import find_response, path_text, response_facts, why_lines

    reader = RunReader.open(out)
    leaf = why if path is None else path
    if leaf is not None:
        if problem_id is None:
            raise UserMistake("--path and --why: expected a PROBLEM_ID with them")
        response = find_response(reader, problem_id, leaf)
        if as_json:
            print_json(response_facts(response))
        else:
            text = path_text(response) if path is not None else "\n".join(why_lines(response))
            click.echo(visible(text))
        return
    if as_json:
        if problem_id is not None:
            print_json(tree_facts(reader, problem_id))
        else:
            print_json({**run_facts(reader.folder), "problems": list_facts(reader, limit)})
        return
    if problem_id is not None:
        console = Console()
        if not console.is_terminal:
            # Else lines would be cut at 80 columns, for nobody's screen.
            console.width = max(console.width, _PLAIN_COLUMNS)
        console.print(problem_tree(reader, problem_id, whole=whole))
        return
    text = summary(reader.folder)
    show_lines(visible(f"{text}\n" if reader.parts else text))
    for found, rollouts, kept, prompt in problem_ids(reader, limit):
        show_cut(visible(f"{found}  {kept:3d} of {rollouts:3d} kept  {prompt}"))


@click.command()
@click.argument("out", type=run_path)
@click.option(
    "--output",
    type=run_path,
    metavar="FILE",
    help="Write the report here.  [default: OUT/report.html]",
)
@json_option
def report(out: Path, output: Path | None, as_json: bool) -> None:
    """Write a report of the run in folder OUT: one HTML file that opens without a network.

    It says first what speaks against training on the data. A run writes it at its end; this command
    writes it again, also for a run that is under way. Exit status 1 means that files of the run are
    missing or damaged; the report leaves them out.
    """
    from pipeline.cli.hints import in_sentence
    from pipeline.cli.terminal import counter
    from pipeline.datasets.folder import RunFolder
    from pipeline.inspection.report.findings import verdict
    from pipeline.inspection.report.page import write_report
    from pipeline.inspection.report.wording import size

    folder = RunFolder.read(out)
    with counter("parts read") as advance:
        written = write_report(folder, output, advance)
    if as_json:
        facts = {"output": str(written.path), "num_bytes": written.num_bytes}
        print_json({**facts, **written.figures.to_json()})
    else:
        said = in_sentence(verdict(written.figures.findings)[1])
        click.echo(f"{written.path} ({size(written.num_bytes)}): {said}")
    if written.figures.damage:
        raise PartlyDone(f"{len(written.figures.damage)} missing or damaged files in {out}")


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
