"""`berry`: thin commands over the library.

Exit status: 0 for success; 1 if the command finished but part of the work failed; 2 for a user's
mistake; 3 if the machine, Ray or berry itself failed and the same command may succeed; 130 if the
command was interrupted. Every status except 0 comes with one line on standard error.
"""

import atexit
import contextlib
import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from pipeline.cli.evaluate import evaluate
from pipeline.cli.export import clean, compact, export, push, vary
from pipeline.cli.inspect import doctor, report, show, status
from pipeline.cli.keys import keys
from pipeline.cli.options import add_log_level
from pipeline.cli.plan import plan
from pipeline.cli.run import check, loop, run
from pipeline.cli.serve import serve, ui
from pipeline.cli.train import train
from pipeline.cli.verify import audit_verifier, verify
from pipeline.cli.weights import weights
from pipeline.cluster.signals import treat_as_interrupt
from pipeline.errors import BerryError, RunFailure, UserMistake, is_users, named
from pipeline.extras import explain_missing
from pipeline.inspection.plain_text import visible
from pipeline.logs import configure


class _Interrupted(Exception):
    """Ctrl-C, or a signal that is treated like it."""


class _InOrder(click.Group):
    """Lists commands in the order of use instead of alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Hides KeyboardInterrupt from click, which would write to a terminal that may be closed, and
        BrokenPipeError."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as e:
            raise _Interrupted from e
        except BrokenPipeError as e:
            # click would end with status 1, which means that part of the work failed.
            raise RunFailure("the reader of the output ended before everything was written") from e


def _print_versions(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from pipeline.datasets.versions import describe_versions

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


for _command in (
    run,
    loop,
    check,
    plan,
    status,
    show,
    report,
    ui,
    weights,
    export,
    clean,
    vary,
    push,
    compact,
    verify,
    audit_verifier,
    serve,
    train,
    evaluate,
    keys,
    doctor,
):
    berry.add_command(_command)
add_log_level(berry)


_RAY = {
    # The engine is the main job: its processes need no lower priority.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment variables that Ray reads on import; the user's own values take precedence."""


def set_ray_defaults() -> None:
    """Sets environment variables of Ray, which has to be imported after that."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _RAY.items()})


def main() -> None:
    """The console script: turns every error into one line and an exit status."""
    # What is registered first is called last, after Ray's own.
    atexit.register(_flush)
    set_ray_defaults()
    treat_as_interrupt()
    configure("warning")
    try:
        _add_current_folder()
        _check_verifiers_package()
        berry(standalone_mode=False)
        status = 0
    except click.exceptions.NoArgsIsHelpError as e:
        click.echo(e.format_message())
        status = 2
    except click.ClickException as e:
        status = complain(e.format_message(), 2)
    except BerryError as e:
        status = complain(str(e), e.status)
    except (_Interrupted, KeyboardInterrupt, click.exceptions.Abort):
        status = complain(_how_to_go_on(sys.argv[1:]), 130)
    except OSError as e:
        status = complain(f"{named(e)}", 2 if is_users(e) else 3)
    except Exception as e:  # noqa: BLE001 - a missing package, or a bug in berry
        status = _explain(e, next((one for one in sys.argv[1:] if one in berry.commands), None))
    raise SystemExit(status)


def _flush() -> None:
    """Prints what is left. If nobody reads it, as on a closed terminal, it is lost: Python would try
    again at its very end, fail, and end with status 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str, status: int) -> int:
    """Writes one line to standard error and returns the status."""
    line = visible(" ".join(text.split()))
    # The terminal may be closed.
    with contextlib.suppress(OSError):
        click.echo(f"berry: {line}", err=True)
    return status


def _add_current_folder() -> None:
    """Makes modules in the current folder importable, which a config may name; installed packages come
    first."""
    # A deleted folder has no modules; `berry doctor` works even there.
    with contextlib.suppress(OSError):
        sys.path.append(str(Path.cwd()))


def _explain(error: Exception, command: str | None) -> int:
    """Names the extra that installs a missing package; prints the traceback of any other error."""
    if isinstance(error, ModuleNotFoundError) and (missing := explain_missing(error, command)):
        return complain(missing, 2)
    traceback.print_exception(error)
    return complain(f"internal error: {named(error)}; please report it with the lines above", 3)


def _how_to_go_on(arguments: list[str]) -> str:
    """The line for an interrupted command, with the command that resumes it."""
    if arguments[:1] not in (["run"], ["loop"], ["train"]):
        return "interrupted"
    again = shlex.join(["berry", *arguments])
    return f"interrupted; finished work is saved; resume with the same command: {again}"


def _check_verifiers_package() -> None:
    """Raises UserMistake if the `verifiers` package from PyPI hides berry's own."""
    import verifiers

    if not hasattr(verifiers, "Verdict"):
        raise UserMistake(
            f"expected berry's own package `verifiers`, got {verifiers.__file__}; "
            "uninstall the package `verifiers` from this environment"
        )
