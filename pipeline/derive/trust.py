"""Records measurements of a run's data for the trust report in its dataset card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.datasets.card import renew_trust
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.journal import sealed
from pipeline.datasets.trust.stored import measured_state, read_trust, trust_path
from pipeline.datasets.versions import version
from pipeline.files.locks import has_writer
from pipeline.files.publishing import REPEAT, explained, json_bytes, publish
from pipeline.files.storage import make_folder

__all__ = ["read_trust", "record"]


def record(path: Path, name: str, facts: Mapping[str, Any]) -> None:
    """Writes a measurement of the run to `trust/NAME.json`, in the place of an earlier one of this
    name, and renews the trust report in the card.

    `facts` are JSON values. While a run is under way, its own next card has the report. Raises
    FolderError, and StorageError for a fault of the machine.
    """
    folder = RunFolder.read(path)
    content: dict[str, Any] = {
        "state": measured_state(folder),
        "berry": version("berry-pipeline"),
        "facts": dict(facts),
    }
    file = trust_path(path, name)
    with explained(file, cure=REPEAT):
        make_folder(file.parent)
        # Read again, because the checksum is of what a reader finds: keys that are texts.
        publish(file, json_bytes(sealed(json.loads(json_bytes(content)))), shared=True)
    if folder.complete is not None or not has_writer(path):
        renew_trust(folder)
