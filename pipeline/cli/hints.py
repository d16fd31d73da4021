"""Suggests next commands that work unchanged from the current folder."""

import shlex
import shutil
import sys
from pathlib import Path

from pipeline.datasets.card import load_arguments
from pipeline.datasets.damage import find_damage
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.evaluation.design import design_of
from pipeline.evaluation.errors import EvaluationError
from pipeline.files.publishing import explained
from pipeline.files.storage import exists
from pipeline.inspection.report.findings import find_concerns, verdict
from pipeline.inspection.report.page import NAME as REPORT
from pipeline.inspection.report.trust import read_measurements
from pipeline.inspection.terminal_report import first_survivor


def report_line(folder: RunFolder) -> str:
    """Where a finished run's report is, and whether it says to train on the data; empty if it could not
    be written."""
    path = folder.path / REPORT
    with explained(path):
        if not exists(path):
            return ""
    found = find_concerns(folder, read_measurements(folder), find_damage(folder))
    return f"report     {path} (opens in a browser): {in_sentence(verdict(found)[1])}\n"


def in_sentence(text: str) -> str:
    """The text as the end of a sentence."""
    return f"{text[:1].lower()}{text[1:]}"


def next_commands(folder: RunFolder) -> str:
    """Commands to try on a finished run, with the path as the user gave it."""
    berry, out = berry_command(), shlex.quote(str(folder.path))
    problem = first_survivor(RunReader(folder))
    if problem is None:
        return f"next:\n  {berry} show {out}  # no trace survived; this shows why"
    arguments = load_arguments(folder.path, "traces")
    if not set(arguments) & set("'\\"):
        arguments = arguments.replace('"', "'")  # for a shell they need no escapes then
    load = f"load_dataset({arguments})['train'][0]"
    lines = [
        "next:",
        f"  {berry} show {out} {problem}",
        f"  {berry} ui {out}",
        f"  {_python()} -c {_quoted(f'from datasets import load_dataset; print({load})')}",
    ]
    return "\n".join([*lines, *([f"  {berry} eval {out}"] if _can_be_evaluated(folder) else [])])


def _can_be_evaluated(folder: RunFolder) -> bool:
    """False if a vote decides the answers, or the strategy draws no fixed number of samples."""
    try:
        design_of(folder)
    except EvaluationError:
        return False
    return folder.counts.verdicts["pass"] > 0


def berry_command() -> str:
    """The command that starts this berry from the user's shell."""
    called = sys.argv[0]
    if Path(called).suffix == ".py":
        return f"{_python()} -m pipeline.cli"
    return _as_on_path("berry", Path(called))


def _python() -> str:
    return _as_on_path("python", Path(sys.executable))


def _as_on_path(name: str, program: Path) -> str:
    """The bare name if the shell finds this same program under it, else the full path."""
    found = shutil.which(name)
    # Not `samefile`: the same Python sees other packages from another environment.
    same = found is not None and Path(found).absolute().parent == program.absolute().parent
    return name if same else shlex.quote(str(program))


def _quoted(code: str) -> str:
    """Python code quoted for a shell, with double quotes if they are safe."""
    harmless = not set(code) & set('"$`\\!')
    return f'"{code}"' if harmless else shlex.quote(code)
