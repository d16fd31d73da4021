"""Checks that no round can train on a problem of the evaluations."""

from itertools import islice

from pipeline.config import KINDS, RunConfig
from pipeline.errors import UserMistake
from pipeline.loop.config import LoopConfig
from pipeline.loop.problems import key_of
from pipeline.problems.border import open_source
from pipeline.records import Problem

_MOST_SHOWN = 80


def check_apart(config: LoopConfig, run_config: RunConfig) -> None:
    """Reads the whole problem set of the runs, if the evaluations have another one.

    Raises UserMistake for a problem that both have, by its text whatever its case and white space, and
    ProblemError for problems that cannot be read.
    """
    section = evaluation_section(config, run_config)
    if section is None:
        return
    evaluated = open_source(KINDS["problems"].part(section), 0, run_config.prompt.parsed)
    problems = (row for row in evaluated.rows() if isinstance(row, Problem))
    keys = {key_of(one.prompt) for one in islice(problems, config.evaluation.limit)}
    if not keys:
        raise UserMistake(f"evaluation.problems: expected problems, got none in {section}")
    own = run_config.open_source()
    rows = (row for row in own.rows() if isinstance(row, Problem))
    for problem in islice(rows, own.config.limit):
        if key_of(problem.prompt) in keys:
            text = " ".join(problem.prompt.split())
            text = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
            raise UserMistake(
                "evaluation.problems: expected problems that no round trains on, but run.problems has "
                f"one of them: {text!r}; `berry clean --against` finds such problems in a problem set"
            )


def evaluation_section(config: LoopConfig, run_config: RunConfig) -> dict[str, object] | None:
    """The section `problems` of `evaluation.problems`; a file has the columns of the runs' file, if
    that is one. None if the evaluations take problems of the runs."""
    given = config.evaluation.problems
    if given is None:
        return None
    limit = {"limit": config.evaluation.limit}
    if isinstance(given, dict):
        return {**given, **limit}
    own = run_config.problems_part.dump()
    columns = own if own["use"] == "file" else {"use": "file"}
    return {**columns, "path": given, **limit}
