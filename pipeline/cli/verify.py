"""`berry verify`: judges a file of responses."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from pipeline.cli.options import at_least, json_option, print_json, run_path
from pipeline.errors import PartlyDone, UserMistake

if TYPE_CHECKING:
    from pipeline.responses.file import Columns
    from verifiers import Verifier

_RUN = "run"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _OrRun(click.Group):
    """Takes the folder of a run in place of a command, if a config is given with it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and any(one.partition("=")[0] == "--with" for one in args):
            return _RUN, self.commands[_RUN], args
        return super().resolve_command(ctx, args)


@click.group(cls=_OrRun, subcommand_metavar="COMMAND [ARGS]... | OUT --with CONFIG")
def verify() -> None:
    """Judge a jsonl file of responses, or those of a run again.

    `berry verify OUT --with CONFIG` judges the stored responses of the run in folder OUT by the
    verifier of another config, and shows where the verdicts differ. `berry verify run --help` lists
    its options.
    """


def _file_options(
    rows: str, verdicts: str, *, processes: bool = True
) -> Callable[[_Command], _Command]:
    """The options that every `berry verify` command has."""
    file = click.Path(path_type=Path)
    options = [
        click.option(
            "--input", "source", required=True, type=file, help=f"A file with rows of {rows}."
        ),
        click.option(
            "--output",
            required=True,
            type=file,
            help=f"The file for rows of {verdicts}, in the same order.",
        ),
    ]
    if processes:
        number = at_least(1)
        options.append(click.option("--processes", type=number, help="Processes that check."))
        about = "The old name of --processes."
        options.append(click.option("--workers", type=number, hidden=True, help=about))

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
    help="last: if no answer is stated, take the last formula or number.",
)
@click.option("--last-number", is_flag=True, hidden=True, help="The old name of --extract last.")
def verify_math(
    source: Path,
    output: Path,
    processes: int | None,
    workers: int | None,
    extract: Literal["stated", "last"],
    last_number: bool,
) -> None:
    """Judge final answers to mathematics problems."""
    from pipeline.responses.file import MATH
    from verifiers.math.verifier import MathVerifier

    if last_number:
        _warn_renamed("--last-number", "--extract last")
    options = MathVerifier.Config(
        check_processes=_num_processes(processes, workers) or 1,
        extract=extract,
        last_number=last_number,
    )
    _verify(MathVerifier(options), source, output, MATH)


@verify.command("code")
@_file_options('{"id", "target", "response"}', '{"id", "outcome", "reason", "evidence"}')
@click.option(
    "--allow-weak", is_flag=True, help="Run code even if the sandbox cannot keep it from reading files."
)
def verify_code(
    source: Path, output: Path, processes: int | None, workers: int | None, allow_weak: bool
) -> None:
    """Judge programs by running them in the sandbox.

    A target is {"kind": "stdin_stdout", "cases": [{"input", "output"}]}, {"kind": "calls",
    "entry_point", "cases": [{"args", "kwargs", "expected"}]} or {"kind": "asserts", "prompt",
    "tests", "entry_point"}. docs/code.md describes all kinds.
    """
    from pipeline.responses.file import CODE
    from sandbox import SandboxConfig
    from verifiers.code import CodeVerifier

    sandbox = SandboxConfig(processes=_num_processes(processes, workers), allow_weak=allow_weak)
    _verify(CodeVerifier(CodeVerifier.Config(), sandbox), source, output, CODE)


@verify.command("use")
@click.argument("use")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@_file_options(
    '{"id", "target", "response"}',
    '{"id", "outcome", "reason", "extracted", "verifier", "evidence"}',
    processes=False,
)
def verify_use(use: str, options: tuple[str, ...], source: Path, output: Path) -> None:
    """Judge with any verifier: USE is a name or my_module:MyVerifier.

    A target is {"kind", "value", ...}; its other keys are the target's tests. KEY=VALUE sets an
    option of the verifier, as in a config: processes=4 judges in four processes.
    """
    from pipeline.config import check_section
    from pipeline.responses.file import ANY
    from verifiers.catalog import VERIFIER, CannotBuild, build_verifier

    try:
        verifier = build_verifier(check_section(VERIFIER, use, options))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    _verify(verifier, source, output, ANY)


def _num_processes(processes: int | None, workers: int | None) -> int | None:
    """The number given under the current or the old name; the current name wins."""
    if workers is not None:
        _warn_renamed("--workers", "--processes")
    return workers if processes is None else processes


def _warn_renamed(old: str, new: str) -> None:
    from pipeline.config.renamed import warn

    warn(old, new)


def _verify(verifier: "Verifier", source: Path, output: Path, columns: "Columns") -> None:
    from pipeline.cli.terminal import counter
    from pipeline.responses.file import verify_file

    with counter("rows judged") as advance:
        outcomes = asyncio.run(verify_file(verifier, source, output, columns, advance))
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()), err=True)


@verify.command(_RUN)
@click.argument("out", type=run_path)
@click.option(
    "--with",
    "config",
    required=True,
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="A YAML file with a section `verifier`.",
)
@click.option(
    "--output",
    type=run_path,
    metavar="FILE",
    help="A new .jsonl file for the responses whose verdict differs.",
)
@click.option("--record", "records", is_flag=True, help="Add the agreement to the run's trust report.")
@json_option
def verify_run(out: Path, config: Path, output: Path | None, records: bool, as_json: bool) -> None:
    """Judge the stored responses of the run in folder OUT again.

    The run's data does not change. With --record, its dataset card says how often the two verifiers
    agree.
    """
    from pipeline.cli.terminal import counter
    from pipeline.derive.trust import record
    from pipeline.derive.verify_again import describe, facts, read_verifier, verify_again

    verifier = read_verifier(config)
    with counter("responses judged") as advance:
        compared = asyncio.run(verify_again(out, verifier, output, advance))
    if as_json:
        print_json(facts(compared))
    else:
        click.echo(describe(compared))
    if compared.failed is not None:
        raise PartlyDone(f"every verdict is an error; the most common reason: {compared.failed}")
    if records:
        record(out, "agreement", facts(compared))


@click.command("audit-verifier")
@click.argument("out", type=run_path)
@click.option(
    "--with",
    "config",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="A YAML file with a section `verifier`, to audit instead of the run's own.",
)
@click.option(
    "--problems", type=at_least(1), default=200, show_default=True, help="Problems to make answers for."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the problems.")
@click.option(
    "--output",
    type=run_path,
    metavar="FILE",
    help="A new .jsonl file for the answers that were judged wrongly.",
)
@click.option("--no-record", is_flag=True, help="Leave the run's trust report as it is.")
@json_option
def audit_verifier(
    out: Path,
    config: Path | None,
    problems: int,
    seed: int,
    output: Path | None,
    no_record: bool,
    as_json: bool,
) -> None:
    """Measure how often the verifier of the run in folder OUT is wrong.

    Rules make answers that are known to be right or wrong from the run's own gold answers and
    responses: other notations of the gold answer, other values, two answers at once, none at all. The
    verifier judges them, and the rates of its mistakes go into the run's dataset card.
    docs/trust.md describes the rules.
    """
    from pipeline.audit.audit import audit
    from pipeline.audit.report import describe, facts
    from pipeline.cli.terminal import counter
    from pipeline.datasets.folder import RunFolder
    from pipeline.derive.trust import record
    from pipeline.derive.verify_again import read_verifier, verifier_of

    verifier = verifier_of(RunFolder.read(out)) if config is None else read_verifier(config)
    with counter("answers judged") as advance:
        audited = asyncio.run(
            audit(out, verifier, num_problems=problems, seed=seed, output=output, advance=advance)
        )
    if as_json:
        print_json(facts(audited))
    else:
        click.echo(describe(audited))
    if audited.failed is not None:
        raise PartlyDone(f"every verdict is an error; the most common reason: {audited.failed}")
    if not no_record:
        record(out, "audit", facts(audited))
