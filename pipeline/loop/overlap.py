"""Checks that no round can train on a problem of the evaluations."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from pipeline.config import KINDS, RunConfig
from pipeline.errors import UserMistake
from pipeline.loop.config import LoopConfig
from pipeline.loop.problems import Side, key_of, made_section, side_of
from pipeline.problems import Intake
from pipeline.problems.border import open_source
from pipeline.records import Problem

_MOST_SHOWN = 80
EVALUATION_SEED = 0
"""Seed of every evaluation: the same in every round, so that differences are those of the models."""


def check_apart(config: LoopConfig, run_config: RunConfig) -> None:
    """Reads the whole problem set of the runs, if the evaluations have another one; else as much of it
    as shows that there are problems on both sides.

    Raises UserMistake for a problem that both have, by its text whatever its case and white space, or
    for a side without problems, and ProblemError for problems that cannot be read.
    """
    own = run_config.open_source()
    rows = islice((row for row in own.rows() if isinstance(row, Problem)), own.config.limit)
    if config.evaluation.problems is None:
        _check_sides(rows, config)
    else:
        _refuse(rows, _evaluated(config, run_config), "run.problems has")


def _check_sides(problems: Iterable[Problem], config: LoopConfig) -> None:
    """Raises UserMistake if a stage needs a side on which no problem is."""
    uses, fraction = {one.use for one in config.stages}, config.evaluation.held_out
    wanted: set[Side] = set()
    wanted |= {"train"} if "search" in uses else set()
    wanted |= {"held_out"} if "evaluate" in uses else set()
    number = 0
    for problem in problems:
        number += 1
        wanted.discard(side_of(problem.prompt, fraction, config.seed))
        if not wanted:
            return
    for side in sorted(wanted):
        where = "on the side that trains" if side == "train" else "held out"
        raise UserMistake(
            f"evaluation.held_out: expected problems {where}, got none of {number} with "
            f"evaluation.held_out={fraction:g}; use another fraction, or a larger problem set"
        )


def check_made(path: Path, config: LoopConfig, run_config: RunConfig) -> None:
    """Checks new problems that a stage has made; if the evaluations take problems of the runs, the
    sides divide the new ones as well. Raises as `check_apart`."""
    source = open_source(KINDS["problems"].part(made_section(path)), 0, run_config.prompt.parsed)
    rows = (row for row in source.rows() if isinstance(row, Problem))
    _refuse(rows, _evaluated(config, run_config), f"{path} has")


def _evaluated(config: LoopConfig, run_config: RunConfig) -> frozenset[str]:
    """The keys of the problems that `evaluation.problems` measures with; none without it."""
    section = evaluation_section(config, run_config)
    if section is None:
        return frozenset()
    template = run_config.prompt.parsed
    source = open_source(KINDS["problems"].part(section), EVALUATION_SEED, template)
    # As a run takes them: a limit does not count duplicates.
    taken = islice(Intake(source, template), source.config.limit)
    return frozenset(key_of(one.prompt) for one in taken)


def _refuse(problems: Iterable[Problem], keys: frozenset[str], who: str) -> None:
    for problem in problems if keys else ():
        if key_of(problem.prompt) in keys:
            text = " ".join(problem.prompt.split())
            text = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
            raise UserMistake(
                f"evaluation.problems: expected problems that no round trains on, but {who} "
                f"one of them: {text!r}; `berry clean --against` finds such problems in a problem set"
            )


def evaluation_section(config: LoopConfig, run_config: RunConfig) -> dict[str, object] | None:
    """The section `problems` of `evaluation.problems`; a file has the columns of the runs' file, if
    that is one. None if the evaluations take problems of the runs."""
    given, most = config.evaluation.problems, config.evaluation.limit
    if given is None:
        return None
    if isinstance(given, dict):
        limit = given.get("limit")
        return {**given, "limit": min(limit, most) if isinstance(limit, int) else most}
    own = run_config.problems_part.dump()
    columns = own if own["use"] == "file" else {"use": "file"}
    # Nothing is measured on variants, which are of the problem set that trains.
    columns = {key: value for key, value in columns.items() if key != "variants"}
    return {**columns, "path": given, "limit": most}
