"""What to try next: commands that work as they stand, from the folder in which berry was called."""

import shlex
import shutil
import sys
from pathlib import Path

from pipeline.datasets.folder import RunFolder
from pipeline.evaluation.design import design_of
from pipeline.evaluation.errors import EvaluationError
from pipeline.report import first_survivor


def next_commands(folder: RunFolder) -> str:
    """What to try with a finished run, with the path as the user gave it."""
    berry, out = berry_command(), shlex.quote(str(folder.path))
    problem = first_survivor(folder)
    if problem is None:
        return f"next:\n  {berry} show {out}  # no trace survived: see what was dropped"
    load = f"load_dataset({str(folder.path)!r}, 'traces')['train'][0]"
    lines = [
        "next:",
        f"  {berry} show {out} {problem}",
        f"  {_python()} -c {_quoted(f'from datasets import load_dataset; print({load})')}",
    ]
    return "\n".join([*lines, *([f"  {berry} eval {out}"] if _can_be_evaluated(folder) else [])])


def _can_be_evaluated(folder: RunFolder) -> bool:
    """A vote says nothing of how good the answers are, and some strategies fix no samples."""
    try:
        design_of(folder)
    except EvaluationError:
        return False
    return folder.counts["verdict.pass"] > 0


def berry_command() -> str:
    """How to call this berry again in the user's shell."""
    called = sys.argv[0]
    if Path(called).suffix == ".py":
        return f"{_python()} -m pipeline.cli"
    return _as_on_path("berry", Path(called))


def _python() -> str:
    return _as_on_path("python", Path(sys.executable))


def _as_on_path(name: str, program: Path) -> str:
    """Its bare name if the shell would find this very program by it, else where it is."""
    found = shutil.which(name)
    # Not `samefile`: the same Python sees other packages from another environment.
    same = found is not None and Path(found).absolute().parent == program.absolute().parent
    return name if same else shlex.quote(str(program))


def _quoted(code: str) -> str:
    """Python code for a shell; double quotes read better where they do no harm."""
    harmless = not set(code) & set('"$`\\!')
    return f'"{code}"' if harmless else shlex.quote(code)
