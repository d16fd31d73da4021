"""`berry`: thin commands over the library.

Exit status: 0 when all that was asked for was done; 1 when the run ended but some problems failed, or
when it broke; 2 for bad input, with one line; 130 when it was interrupted.
"""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from pipeline.cli_options import at_least
from pipeline.errors import RunFailure, UserMistake
from pipeline.evaluation.cli import evaluate
from pipeline.signals import treat_as_interrupt

if TYPE_CHECKING:
    from pipeline.verify_file import Columns
    from reward_models.training.records import Kind
    from verifiers import Verifier

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Interrupted(Exception):
    """Ctrl-C, or a signal that is treated like it."""


class _InOrder(click.Group):
    """Lists commands in the order in which they are used, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Keeps KeyboardInterrupt from click, which would write to a terminal that may be closed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as e:
            raise _Interrupted from e


def _print_versions(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from pipeline.versions import describe_versions

        click.echo(describe_versions())
        context.exit()


@click.group(cls=_InOrder)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Show the versions of berry, Python, vLLM, torch and Ray.",
)
def berry() -> None:
    """From a problem set to verified reasoning data."""


@berry.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--address", help="A Ray cluster to join, such as auto or host:6379.")
def run(config: Path, overrides: tuple[str, ...], address: str | None) -> None:
    """Run CONFIG, or go on where its output folder holds an unfinished run.

    KEY=VALUE sets a key of the config, for example seed=1 or strategy.use=branching.
    """
    from pipeline.config import load_config
    from pipeline.hints import next_commands
    from pipeline.progress import TerminalProgress
    from pipeline.report import summary
    from pipeline.run import execute
    from pipeline.shortfall import shortfall

    given = overrides if address is None else (*overrides, f"cluster.address={address}")
    loaded = load_config(config, given)
    progress = TerminalProgress()
    try:
        folder = execute(loaded, progress)
    finally:
        progress.close()
    click.echo(f"\n{summary(folder)}\n\n{next_commands(folder)}")
    if why := shortfall(folder.counts):
        raise SystemExit(_complain(why, 1))


@berry.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def check(config: Path, overrides: tuple[str, ...]) -> None:
    """Check the problem set of CONFIG before a run: rows, gold answers, prompts, tokens and time.

    No model is loaded. Exit status 1 says that something was found that would spoil a run.
    """
    from pipeline.check import check as check_problems
    from pipeline.check_report import describe
    from pipeline.config import load_config
    from pipeline.progress import counter
    from verifiers.catalog import CannotBuild

    loaded = load_config(config, overrides)
    try:
        with counter("problems checked") as advance:
            found = asyncio.run(check_problems(loaded, advance))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    click.echo(describe(found))
    if found.findings:
        total = sum(one.count for one in found.findings)
        raise SystemExit(_complain(f"findings that would spoil a run: {total}", 1))


@berry.command()
@click.argument("out", type=click.Path(path_type=Path))
def status(out: Path) -> None:
    """Tell how far the run in folder OUT is, also while it runs.

    Exit status 1 says that files of it are missing or damaged.
    """
    from pipeline.datasets.damage import find_damage
    from pipeline.datasets.folder import RunFolder
    from pipeline.report import summary

    folder = RunFolder.read(out)
    click.echo(summary(folder))
    if damage := find_damage(folder):
        click.echo("\n".join(f"damage     {one}" for one in damage))
        raise SystemExit(_complain(f"missing or damaged files of {out}: {len(damage)}", 1))


@berry.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("problem_id", required=False)
@click.option("--limit", default=20, show_default=True, type=at_least(1), help="Problems to list.")
def show(out: Path, problem_id: str | None, limit: int) -> None:
    """Show the run in folder OUT, or the tree of one problem.

    PROBLEM_ID is an id of the problem set's own (`source_id`), or the beginning of a `problem_id`.
    """
    from rich.console import Console

    from pipeline.datasets.folder import RunFolder
    from pipeline.report import problem_ids, problem_tree, summary

    folder = RunFolder.read(out)
    if problem_id is not None:
        Console().print(problem_tree(folder, problem_id))
        return
    click.echo(f"{summary(folder)}\n" if folder.parts else summary(folder))
    for found, rollouts, kept, prompt in problem_ids(folder, limit):
        click.echo(f"{found}  {kept:3d} of {rollouts:3d} kept  {prompt}")


@berry.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--as", "view", required=True, metavar="VIEW", help="steps or traces.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A new folder for it, or one new file (.jsonl or .parquet), instead of OUT itself.",
)
def export(out: Path, overrides: tuple[str, ...], view: str, output: Path | None) -> None:
    """Derive a view again from the trees of the run in folder OUT; no model runs.

    Without --output the view is replaced in OUT, by the run's own rules. KEY=VALUE sets a key of
    `labels` or `prune`, for example prune.max_per_problem=2, and needs --output.
    """
    from pipeline.export import describe, export_view
    from pipeline.progress import counter

    with counter("problems read") as advance:
        exported = export_view(out, view, output, overrides, advance)
    click.echo(describe(exported))


@berry.group()
def verify() -> None:
    """Judge a jsonl file of responses."""


def _file_options(rows: str, verdicts: str, *, workers: bool = True) -> Callable[[_Command], _Command]:
    """The options that every kind of check has."""
    file = click.Path(path_type=Path)
    options = [
        click.option("--input", "source", required=True, type=file, help=f"Rows of {rows}."),
        click.option(
            "--output", required=True, type=file, help=f"Rows of {verdicts}, in the same order."
        ),
    ]
    if workers:
        options.append(click.option("--workers", type=at_least(1), help="Checks at the same time."))

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@verify.command("math")
@_file_options('{"id", "gold", "response"}', '{"id", "outcome", "reason", "extracted", "verifier"}')
@click.option(
    "--extract",
    type=click.Choice(["stated", "last"]),
    default="stated",
    help="last: take the last formula or number where no answer is stated.",
)
@click.option("--last-number", is_flag=True, hidden=True, help="An older name of --extract last.")
def verify_math(
    source: Path,
    output: Path,
    workers: int | None,
    extract: Literal["stated", "last"],
    last_number: bool,
) -> None:
    """Judge final answers of mathematics problems."""
    from pipeline.verify_file import MATH
    from verifiers.math import MathVerifier

    options = MathVerifier.Config(workers=workers or 1, extract=extract, last_number=last_number)
    _verify(MathVerifier(options), source, output, MATH)


@verify.command("code")
@_file_options('{"id", "target", "response"}', '{"id", "outcome", "reason", "evidence"}')
@click.option("--allow-weak", is_flag=True, help="Go on where code cannot be kept from reading files.")
def verify_code(source: Path, output: Path, workers: int | None, allow_weak: bool) -> None:
    """Judge programs by running them, in the sandbox.

    A target is {"kind": "stdin_stdout", "cases": [{"input", "output"}]}, {"kind": "calls",
    "entry_point", "cases": [{"args", "kwargs", "expected"}]} or {"kind": "asserts", "prompt",
    "tests", "entry_point"}. docs/code.md has the rest.
    """
    from pipeline.verify_file import CODE
    from sandbox import SandboxConfig
    from verifiers.code import CodeVerifier

    sandbox = SandboxConfig(workers=workers, allow_weak=allow_weak)
    _verify(CodeVerifier(CodeVerifier.Config(), sandbox), source, output, CODE)


@verify.command("use")
@click.argument("use")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@_file_options(
    '{"id", "target", "response"}',
    '{"id", "outcome", "reason", "extracted", "verifier", "evidence"}',
    workers=False,
)
def verify_use(use: str, options: tuple[str, ...], source: Path, output: Path) -> None:
    """Judge by any verifier: USE is a name or my_module:MyVerifier.

    A target is {"kind", "value", ...}: what else it has are the target's tests. KEY=VALUE sets an
    option of the verifier, as in a config's section: processes=4 judges in processes.
    """
    from pipeline.config import check_section
    from pipeline.verify_file import ANY
    from verifiers.catalog import VERIFIER, CannotBuild, build_verifier

    try:
        verifier = build_verifier(check_section(VERIFIER, use, options))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    _verify(verifier, source, output, ANY)


def _verify(verifier: "Verifier", source: Path, output: Path, columns: "Columns") -> None:
    from pipeline.progress import counter
    from pipeline.verify_file import verify_file

    with counter("rows judged") as advance:
        outcomes = asyncio.run(verify_file(verifier, source, output, columns, advance))
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()), err=True)


@berry.group()
def serve() -> None:
    """Serve a part of berry over HTTP."""


@serve.command("verify")
@click.option("--use", required=True, help="A verifier: a name or my_module:MyVerifier.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8000, show_default=True, type=at_least(0, 65535), help="0: a free one.")
@click.option("--max-rows", default=1024, show_default=True, type=at_least(1), help="In a request.")
@click.option(
    "--max-waiting",
    default=8192,
    show_default=True,
    type=at_least(1),
    help="Rows judged or waiting; beyond that requests are answered by 503.",
)
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def serve_verify(
    use: str, host: str, port: int, max_rows: int, max_waiting: int, options: tuple[str, ...]
) -> None:
    """Judge responses that trainers send: POST /verify, GET /health, GET /metrics.

    KEY=VALUE sets an option of the verifier. If BERRY_TOKEN is set, requests need the header
    `Authorization: Bearer` with it. docs/serving.md has the protocol, and reward functions for TRL
    and verl.
    """
    from pipeline.config import check_section
    from pipeline.serve_verify import ServeOptions, serve
    from verifiers.catalog import VERIFIER, CannotBuild, build_verifier

    try:
        verifier = build_verifier(check_section(VERIFIER, use, options))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    settings = ServeOptions(
        host=host,
        port=port,
        max_rows=max_rows,
        max_waiting=max_waiting,
        token=os.environ.get("BERRY_TOKEN") or None,
    )
    asyncio.run(serve(verifier, settings, lambda where: click.echo(f"serving {use} on {where}")))


@berry.group()
def train() -> None:
    """Train a reward model on the step labels of runs."""


def _train_command(kind: "Kind", what: str) -> None:
    @train.command(name=kind, help=what)
    @click.option(
        "--data",
        "data",
        multiple=True,
        required=True,
        type=click.Path(path_type=Path),
        metavar="OUT...",
        help="Run folders, or folders of `berry export --as steps`.",
    )
    @click.option(
        "--base", required=True, metavar="MODEL", help="A model folder, a bundled name or a Hub id."
    )
    @click.option(
        "--output", required=True, type=click.Path(path_type=Path), help="The model's folder."
    )
    @click.argument("rest", nargs=-1, metavar="[OUT]... [KEY=VALUE]...")
    def command(data: tuple[Path, ...], base: str, output: Path, rest: tuple[str, ...]) -> None:
        from pipeline.train import train_reward_model

        folders = [*data, *(Path(one) for one in rest if "=" not in one)]
        options = [one for one in rest if "=" in one]
        if told := train_reward_model(kind, folders, base, output, options):
            click.echo(told)


_train_command(
    "prm",
    "Train a process reward model: a score for the end of each step.\n\nKEY=VALUE sets how, for "
    "example labels=hard or freeze_layers=20. The same command again goes on from the last checkpoint.",
)
_train_command(
    "orm",
    "Train an outcome reward model: a score for a complete response.\n\nKEY=VALUE sets how, for "
    "example epochs=1 or lora_rank=16. The same command again goes on from the last checkpoint.",
)


berry.add_command(evaluate)


@berry.command()
def doctor() -> None:
    """Tell what this machine can do, and how to get what is missing."""
    from pipeline.doctor import examine

    findings = examine()
    for finding in findings:
        mark = {True: "ok", False: "missing", None: ""}[finding.ok]
        click.echo(f"{mark:<8}{finding.name:<10} {finding.text}")
    if any(finding.ok is False and finding.needed for finding in findings):
        raise SystemExit(1)


_RAY = {
    # The engine is the job itself, it need not yield to anything else.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Ray reads these when it is imported; what the user has set stays."""


def main() -> None:
    """The console script: turns what went wrong into one line and an exit status."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _RAY.items()})
    _check_verifiers_package()
    treat_as_interrupt()
    # Modules that a config names lie where the command is called; installed packages come first.
    sys.path.append(str(Path.cwd()))
    try:
        berry(standalone_mode=False)
        status = 0
    except click.exceptions.NoArgsIsHelpError as e:
        click.echo(e.format_message())
        status = 2
    except click.ClickException as e:
        status = _complain(e.format_message(), 2)
    except UserMistake as e:
        status = _complain(str(e), 2)
    except RunFailure as e:
        status = _complain(str(e), 1)
    except (_Interrupted, KeyboardInterrupt, click.exceptions.Abort):
        status = _complain(_how_to_go_on(sys.argv[1:]), 130)
    raise SystemExit(status)


def _how_to_go_on(arguments: list[str]) -> str:
    """What to say of an interrupted command."""
    if arguments[:1] not in (["run"], ["train"]):
        return "interrupted"
    again = shlex.join(["berry", *arguments])
    return f"interrupted; what was saved stays, and it goes on by the same command: {again}"


def _complain(text: str, status: int) -> int:
    line = " ".join(text.split())
    # A terminal that was closed takes no more lines.
    with contextlib.suppress(OSError):
        click.echo(f"berry: {line}", err=True)
    return status


def _check_verifiers_package() -> None:
    """PyPI has another package that imports as `verifiers`."""
    import verifiers

    if not hasattr(verifiers, "Verdict"):
        message = (
            f"expected berry's own package `verifiers`, got {verifiers.__file__}; "
            "uninstall the package `verifiers` from this environment"
        )
        raise SystemExit(_complain(message, 2))


if __name__ == "__main__":
    # What `accelerate launch -m pipeline.cli train ...` runs in each of its processes.
    main()
