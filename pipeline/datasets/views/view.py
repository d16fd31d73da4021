"""The definition of a view of a run's data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.datasets.views.rules import ViewRules
from pipeline.records import Trace

Row = dict[str, Any]
Rows = Callable[[Trace, ViewRules], Iterable[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A table to which every trace adds rows."""

    name: str
    """Name of its folder, its config in the dataset card, and its value of `berry export --as`."""
    about: str
    """A short description of its rows."""
    schema: pa.Schema
    needs: str = ""
    """What a run must have for the view to have a row, if a run with survivors may lack it."""
    rows: Rows
    """Makes a trace's rows by the rules. Rows hold no times or machine names, so
    the same trace gives the same bytes."""
