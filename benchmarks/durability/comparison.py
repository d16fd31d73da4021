"""What two run folders have in common, and what a run left behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def rows_of(out: Path) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for path in sorted((out / "data" / "trees").glob("*.parquet")):
        rows += [(row["problem_id"], row) for row in pq.read_table(path).to_pylist()]
    return rows


def files_of(out: Path) -> dict[str, bytes]:
    data = out / "data"
    return {str(path.relative_to(data)): path.read_bytes() for path in data.glob("*/*.parquet")}


def explained_by_a_loss(row: Mapping[str, Any]) -> bool:
    """Whether a lost verifier or reward actor explains that the row is another."""
    return any("batch was lost" in str(one["reason"]) for one in row["trajectories"]) or any(
        "batch was lost" in str(one) for one in row["warnings"] or ()
    )


def left_in(out: Path) -> list[str]:
    """Files that a complete run should not have."""
    found = [path for path in out.rglob("*") if path.is_file()]
    return sorted(
        str(path.relative_to(out))
        for path in found
        if any(part.startswith(".") for part in path.relative_to(out).parts) and path.name != ".lock"
    )
