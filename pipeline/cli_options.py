"""Types of command-line options that say in berry's words what they expect."""

from collections.abc import Callable

import click


def at_least(minimum: int) -> Callable[[str | int], int]:
    """Reads a whole number of `minimum` or more. What it returns raises click.BadParameter."""

    def number(value: str | int) -> int:
        try:
            read = int(value)
        except ValueError:
            read = minimum - 1
        if read < minimum:
            raise click.BadParameter(f"expected a whole number of {minimum} or more, got {value!r}")
        return read

    return number
