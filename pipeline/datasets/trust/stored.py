"""Recorded measurements of a run's data: `OUT/trust/NAME.json`, each with the state that it measured.

`pipeline/derive/trust.py` records them. Nothing else in the run folder depends on them.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.journal import check_seal
from pipeline.files.publishing import explained
from pipeline.files.storage import files_in, read_bytes
from pipeline.hashing import digest_json

TRUST = "trust"
"""The folder in a run folder."""
_CURE = "delete it, or measure again"


def trust_path(path: Path, name: str) -> Path:
    """The file of a measurement."""
    return path / TRUST / f"{name}.json"


def trust_files(path: Path) -> list[Path]:
    """The files of a run folder's measurements, sorted. Raises FolderError and StorageError."""
    with explained(path):
        names = sorted(files_in(path / TRUST))
    return [path / TRUST / one for one in names if one.endswith(".json") and not one.startswith(".")]


def measured_state(folder: RunFolder) -> str:
    """A hash that changes with the run's problems, rollouts and verdicts.

    It stays when views are derived again or parts are merged, unlike `RunFolder.state_digest`: a
    measurement is of the trees.
    """
    counts = folder.counts
    sums = [counts.problems, counts.rollouts, counts.nodes, counts.tokens]
    verdicts = sorted((counts.verdicts + counts.votes).items())
    return digest_json([folder.run["digest"], folder.run["created"], *sums, verdicts])


def read_trust(path: Path, damage: dict[str, FolderError] | None = None) -> dict[str, dict[str, Any]]:
    """Name of each measurement -> its `facts`, the `state` that it measured, and berry's version.

    Damaged files are added to `damage`, if given, and passed over. Raises FolderError, without `damage`
    also for a damaged file, and StorageError.
    """
    found = {}
    for file in trust_files(path):
        try:
            found[file.stem] = _read(file)
        except FolderError as e:
            if damage is None:
                raise
            damage[file.stem] = e
    return found


def _read(file: Path) -> dict[str, Any]:
    with explained(file):
        content = read_bytes(file)
    try:
        read = json.loads(content)
        is_sound = isinstance(read["facts"], dict) and isinstance(read["state"], str)
    except (ValueError, KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise FolderError(f"{file}: is damaged; {_CURE}")
    # Those of earlier versions have no checksum.
    check_seal(file, read, _CURE, required=False)
    assert isinstance(read, dict)
    return read
