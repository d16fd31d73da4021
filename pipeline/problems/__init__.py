"""Problem sources, and the intake that every source goes through.

source.py        the protocol of a source
intake.py        the intake: duplicates, bad rows, the limit; index.py lets a resumed run continue
files.py         .jsonl, .json, .csv and .parquet files
hugging_face.py  datasets of the Hugging Face Hub
gym.py           reasoning-gym's generators
rows.py          converts a row to a problem; columns.py finds the columns
variants/        variants of problems
programs/        presets for common sets of programming problems
border.py        checks a third-party source and what it yields
"""

from pipeline.problems.intake import Intake
from pipeline.problems.source import (
    SOURCES,
    BadRow,
    ProblemError,
    ReportsColumns,
    Source,
    SourceConfig,
    VariantOptions,
    at_most,
)

__all__ = [
    "SOURCES",
    "BadRow",
    "Intake",
    "ProblemError",
    "ReportsColumns",
    "Source",
    "SourceConfig",
    "VariantOptions",
    "at_most",
]
