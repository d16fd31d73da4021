"""Calls stages, which may be a user's own code: whatever goes wrong there is one line, and what they
give back can be written down."""

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.dispatch.own_code import raised
from pipeline.errors import BerryError, RunFailure, UserMistake, is_users, named
from pipeline.loop.records import Bundle
from pipeline.loop.work import Done, Work
from verifiers.attributes import method
from verifiers.mistakes import shown
from verifiers.plugins import Part

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "candidate": ((Bundle,), "a Bundle of pipeline.loop.records"),
    "problems": ((Path,), "a Path"),
    "promoted": ((bool,), "True or False"),
    "why": ((str,), "a text"),
}
"""Field of a Done, all of which may be None -> its type."""


def call(part: Part, what: str, work: Work) -> Done | None:
    """Builds a stage and calls one of its methods. What it prints goes to standard error, since
    standard output may be read as JSON.

    Raises BerryError, also for whatever else it raises or if it gives back something else.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = method(part.build(), what)
            assert found is not None
            done = found(work)
    except (BerryError, KeyboardInterrupt):
        raise
    except OSError as e:
        error = RunFailure if not is_users(e) else UserMistake
        raise error(f"{named(e)}; finished stages are saved") from e
    except (Exception, SystemExit) as e:
        raise UserMistake(f"{what}() raised {raised(e, part.cls)}") from e
    if done is None:
        return None
    if not isinstance(done, Done):
        raise UserMistake(f"{what}(): expected a Done of pipeline.loop.work, got {shown(done)}")
    _check(done, what)
    return done


def _check(done: Done, what: str) -> None:
    """Raises UserMistake for a Done that cannot be written down."""
    for name, (types, wanted) in _TYPES.items():
        value: Any = getattr(done, name)
        if value is not None and not isinstance(value, types):
            raise UserMistake(f"{what}(): Done.{name}: expected {wanted}, got {shown(value)}")
    figures: Any = done.figures
    if not isinstance(figures, Mapping) or not all(isinstance(name, str) for name in figures):
        raise UserMistake(f"{what}(): Done.figures: expected names and values, got {shown(figures)}")
    for name, value in figures.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as e:
            raise UserMistake(
                f"{what}(): Done.figures: {name}: expected a JSON value, got {shown(value)}"
            ) from e
    if done.problems is not None and not done.problems.is_file():
        raise UserMistake(f"{what}(): Done.problems: expected a file, got {done.problems}")
