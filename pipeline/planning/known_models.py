"""Public models by name, with the shapes of their config.json (`known_models.json`)."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pipeline.planning.model import Model, model_of

_FILE = "known_models.json"


@cache
def known_models() -> dict[str, dict[str, Any]]:
    """Hub id -> its parameters in billions, as published, and the shapes that they follow from."""
    found: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath(_FILE).read_text("utf-8"))
    return found


def known_model(name: str) -> Model | None:
    """A model by its Hub id, or by the part after the owner, whatever the case; None if unknown."""
    wanted = name.lower()
    for known, entry in known_models().items():
        if wanted in (known.lower(), known.lower().partition("/")[2]):
            return model_of(known, entry["config"])
    return None
