"""`berry`: thin commands over the library.

Exit status: 0 when all that was asked for was done; 1 when the run ended but some problems failed, or
when it broke; 2 for bad input, with one line; 130 when it was interrupted.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

_app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="From problems to verified reasoning data.",
)
_verify = typer.Typer(no_args_is_help=True, help="Judge a jsonl file of responses.")
_app.add_typer(_verify, name="verify")


@_app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; see configs/.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value ...]", help="Keys to set, such as seed=1."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster to join, such as auto or ray://host:10001.")
    ] = None,
) -> None:
    """Run a config, or go on with it where its output folder holds an unfinished run."""
    from pipeline.config import load_config
    from pipeline.progress import TerminalProgress
    from pipeline.report import next_commands, summary
    from pipeline.run import execute

    given = list(overrides or [])
    if address is not None:
        given.append(f"cluster.address={address}")
    loaded = load_config(config, given)
    progress = TerminalProgress()
    try:
        folder = execute(loaded, progress)
    finally:
        progress.close()
    typer.echo(f"\n{summary(folder)}\n\n{next_commands(folder)}")
    if failed := folder.counts["problems_failed"]:
        raise SystemExit(_complain(f"{failed} problems failed; `berry show` says why", 1))


@_app.command()
def status(out: Annotated[Path, typer.Argument(metavar="OUT", help="A run folder.")]) -> None:
    """Tell how far a run is, also while it runs."""
    from pipeline.datasets.folder import RunFolder
    from pipeline.report import summary

    typer.echo(summary(RunFolder.read(out)))


@_app.command()
def show(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A run folder.")],
    problem_id: Annotated[
        str | None, typer.Argument(metavar="[PROBLEM_ID]", help="An id, or how it starts.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Problems to list.")] = 20,
) -> None:
    """Show a run's summary and problems, or one problem's tree."""
    from pipeline.datasets.folder import RunFolder
    from pipeline.report import problem_ids, problem_tree, summary

    folder = RunFolder.read(out)
    if problem_id is not None:
        Console().print(problem_tree(folder, problem_id))
        return
    typer.echo(f"{summary(folder)}\n")
    for found, rollouts, kept, prompt in problem_ids(folder, limit):
        typer.echo(f"{found}  {kept:3d} of {rollouts:3d} kept  {prompt}")


@_verify.command("math")
def verify_math(
    input: Annotated[Path, typer.Option(help='Rows of {"id", "gold", "response"}.')],
    output: Annotated[Path, typer.Option(help="Where the verdicts go, one a row, same order.")],
    workers: Annotated[int, typer.Option(min=1, help="Checking processes.")] = 1,
    last_number: Annotated[
        bool, typer.Option(help="Take the last number where no answer is stated.")
    ] = False,
) -> None:
    """Judge final answers of mathematics problems."""
    from pipeline.verify_file import verify_file
    from verifiers.math import MathVerifier

    options = MathVerifier.Config(workers=workers, last_number=last_number)
    outcomes = asyncio.run(verify_file(MathVerifier(options), input, output))
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()), err=True)


@_app.command()
def doctor() -> None:
    """Tell what this machine can do, and how to get what is missing."""
    from pipeline.doctor import examine

    findings = examine()
    for finding in findings:
        mark = {True: "ok  ", False: "MISS", None: "    "}[finding.ok]
        typer.echo(f"{mark} {finding.name:<12} {finding.text}")
    if any(finding.ok is False and finding.needed for finding in findings):
        raise SystemExit(1)


def main() -> None:
    """The console script: turns what went wrong into one line and an exit status."""
    from pipeline.errors import FAILURES, USER_MISTAKES

    _check_verifiers_package()
    try:
        raise SystemExit(_app(standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as e:
        typer.echo(e.format_message())
        status = 2
    except click.ClickException as e:
        status = _complain(e.format_message(), 2)
    except USER_MISTAKES as e:
        status = _complain(str(e), 2)
    except FAILURES as e:
        status = _complain(str(e), 1)
    except (KeyboardInterrupt, click.exceptions.Abort):
        status = _complain("interrupted; the same command goes on with the run", 130)
    raise SystemExit(status)


def _complain(text: str, status: int) -> int:
    line = " ".join(text.split())
    typer.echo(f"berry: {line}", err=True)
    return status


def _check_verifiers_package() -> None:
    """PyPI has another package that imports as `verifiers`."""
    import verifiers

    if not hasattr(verifiers, "Verdict"):
        sys.exit(
            f"berry: expected berry's own package `verifiers`, got {verifiers.__file__}; "
            "uninstall the package `verifiers` from this environment"
        )
