"""Types of command-line options that say in berry's words what they expect."""

from collections.abc import Callable

import click


def share(value: str | float) -> float:
    """Reads a number from 0 to 1. Raises click.BadParameter."""
    try:
        read = float(value)
    except ValueError:
        read = -1
    # NaN is between no two numbers.
    if not 0 <= read <= 1:
        raise click.BadParameter(f"expected a number from 0 to 1, got {value!r}")
    return read


def at_least(minimum: int, maximum: int | None = None) -> Callable[[str | int], int]:
    """Reads a whole number of `minimum` or more, up to `maximum` if there is one.

    What it returns raises click.BadParameter.
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
