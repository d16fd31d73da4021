"""`berry run`, `berry loop` and `berry check`."""

import asyncio
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import json_option, print_json, run_path
from pipeline.errors import PartlyDone, RunFailure, UserMistake

if TYPE_CHECKING:
    from pipeline.config import RunConfig


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--address", help="A Ray cluster to join, such as auto or host:6379.")
@click.option("--dry-run", is_flag=True, help="Print what would start and where, and start nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print one JSON object.")
def run(
    config: Path, overrides: tuple[str, ...], address: str | None, dry_run: bool, as_json: bool
) -> None:
    """Run CONFIG, or resume the unfinished run in its output folder.

    KEY=VALUE sets a key of the config, for example seed=1 or strategy.use=branching.
    """
    if as_json and not dry_run:
        raise UserMistake("--json: needs --dry-run; `berry status OUT --json` describes a run")
    from pipeline.cli.hints import next_commands, report_line
    from pipeline.cli.terminal import TerminalProgress, show_lines
    from pipeline.config import load_config
    from pipeline.inspection.shortfall import shortfall
    from pipeline.inspection.terminal_report import summary
    from pipeline.run import execute

    given = overrides if address is None else (*overrides, f"cluster.address={address}")
    loaded = load_config(config, given)
    if dry_run:
        _plan(loaded, as_json=as_json)
        return
    progress = TerminalProgress()
    try:
        folder = execute(loaded, progress, _started_by("run", config, given))
    finally:
        progress.close()
    show_lines(f"\n{summary(folder)}\n{report_line(folder)}")
    click.echo(next_commands(folder))
    if why := shortfall(folder.counts):
        raise PartlyDone(why)


def _started_by(what: str, config: Path, given: tuple[str, ...]) -> dict[str, str] | None:
    """The command that goes on with a run or a loop, and where; None in a folder that was deleted."""
    try:
        here = str(Path.cwd())
    except OSError:
        return None
    return {"command": shlex.join(["berry", what, str(config), *given]), "folder": here}


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@json_option
def loop(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run the loop of CONFIG, or go on with it: search, train, evaluate, and again.

    KEY=VALUE sets a key of the loop's config, for example rounds=5 or run.strategy.use=branching.
    Repeat the command to go on after an interruption.
    """
    from pipeline.cli.terminal import LastLine, show_lines
    from pipeline.loop.config import load_loop
    from pipeline.loop.loop import run_loop
    from pipeline.loop.report import describe, facts

    loaded, run_config = load_loop(config, overrides)
    with LastLine() as display:
        folder = run_loop(loaded, run_config, display, _started_by("loop", config, overrides) or {})
    if as_json:
        print_json(facts(folder))
    else:
        show_lines(f"\n{describe(folder)}")


def _plan(config: "RunConfig", *, as_json: bool) -> None:
    from pipeline.preflight.dry_run import describe, plan
    from pipeline.run import describe as describe_run

    found = plan(config, describe_run(config))
    if as_json:
        print_json(found.to_json())
    else:
        click.echo("\n".join([*config.notes, describe(found)]))
    if found.missing is not None:
        raise RunFailure(found.missing)


@click.command()
@click.argument("config", type=run_path, metavar="CONFIG|OUT")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--repair", is_flag=True, help="Make damaged files of the run in OUT again.")
@json_option
def check(config: Path, overrides: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Check the problem set of CONFIG before a run, or the files of the run in OUT.

    With CONFIG, the check covers rows, gold answers and prompts, and estimates tokens and time. No
    model is loaded. Exit status 1 means that the check found problems that would spoil a run.

    With OUT, every file is compared with the checksums in the run's journal. Exit status 1 means that
    files are damaged. --repair derives views from sound trees again, and withdraws parts with damaged
    trees, whose problems the next `berry run` explores again.
    """
    from pipeline.derive.whole import is_run
    from pipeline.files.publishing import require_run
    from pipeline.loop.folder import is_loop

    if is_loop(config):
        # Says which runs it has.
        require_run(config)
    if is_run(config):
        _check_files(config, overrides, repair, as_json=as_json)
        return
    if repair:
        raise UserMistake(f"--repair: expected a run folder, got {config}")
    from pipeline.cli.terminal import counter
    from pipeline.config import load_config
    from pipeline.preflight.check import check as check_problems
    from pipeline.preflight.report import describe, facts
    from verifiers.catalog import CannotBuild

    loaded = load_config(config, overrides)
    try:
        with counter("problems checked") as advance:
            found = asyncio.run(check_problems(loaded, advance))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    if as_json:
        print_json({**facts(found), "notes": loaded.notes})
    else:
        click.echo("\n".join([*loaded.notes, describe(found)]))
    if found.findings:
        total = sum(one.count for one in found.findings)
        raise PartlyDone(f"findings that would spoil a run: {total}")


def _check_files(out: Path, overrides: tuple[str, ...], repair: bool, *, as_json: bool) -> None:
    from pipeline.cli.terminal import counter
    from pipeline.derive.whole import check_run, describe

    if overrides:
        raise UserMistake(f"{overrides[0]}: expected no keys of a config with a run folder")
    with counter("parts checked") as advance:
        checked = check_run(out, repair=repair, advance=advance)
    if as_json:
        print_json(asdict(checked))
    else:
        click.echo(describe(checked))
    if checked.remaining:
        more = f" (and {len(checked.remaining) - 1} more)" if len(checked.remaining) > 1 else ""
        raise PartlyDone(f"{checked.remaining[0]}{more}")
