"""Types of command-line options whose errors say what was expected and what was got."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.logs import LEVELS, configure


def fraction(value: str | float) -> float:
    """Reads a number from 0 to 1. Raises click.BadParameter."""
    try:
        read = float(value)
    except ValueError:
        read = -1
    # This form also rejects NaN.
    if not 0 <= read <= 1:
        raise click.BadParameter(f"expected a number from 0 to 1, got {value!r}")
    return read


def positive(value: str | float) -> float:
    """Reads a number over 0. Raises click.BadParameter."""
    try:
        read = float(value)
    except ValueError:
        read = 0
    # This form also rejects NaN.
    if not 0 < read < math.inf:
        raise click.BadParameter(f"expected a number over 0, got {value!r}")
    return read


def at_least(minimum: int, maximum: int | None = None) -> Callable[[str | int], int]:
    """Returns a reader of whole numbers from `minimum` up to `maximum`, if there is a maximum.

    The reader raises click.BadParameter.
    """
    expected = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"

    def number(value: str | int) -> int:
        try:
            read = int(value)
        except ValueError:
            read = minimum - 1
        if read < minimum or (maximum is not None and read > maximum):
            raise click.BadParameter(f"expected a whole number {expected}, got {value!r}")
        return read

    return number


def run_path(value: str | Path) -> Path:
    """Reads a path, or the URL of a folder in a store. Raises FolderError."""
    from pipeline.files.storage import place

    return place(value)


address_option = click.option(
    "--address", help="A Ray cluster that does the work, such as auto or host:6379."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, as docs/json.md describes it."
)


def print_json(facts: Mapping[str, Any]) -> None:
    """Prints one JSON object on a line; numbers that are not finite become null."""
    from pipeline.files.json_rows import finite

    click.echo(json.dumps(finite(facts)))


def _set_log_level(_: click.Context, __: click.Parameter, level: str | None) -> None:
    if level is not None:
        configure(level)


log_level = click.Option(
    ["--log-level"],
    type=click.Choice(LEVELS, case_sensitive=False),
    expose_value=False,
    is_eager=True,
    callback=_set_log_level,
    help="Show log lines of this level and above.  [default: warning]",
)
"""`berry` and each of its commands take this option, so it can appear anywhere."""


def add_log_level(command: click.Command) -> None:
    """Adds `--log-level` to a command and all its subcommands."""
    command.params.append(log_level)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_log_level(inner)
