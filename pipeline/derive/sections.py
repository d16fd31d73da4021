"""Reads some sections of a config file that is given beside a run, such as its verifier."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config import ConfigError
from pipeline.config.messages import Origin, explain
from pipeline.errors import RunFailure, is_users
from pipeline.files.parsing import NotYaml, read_yaml
from verifiers.mistakes import shown

Sections = TypeVar("Sections", bound=BaseModel)


def read_sections(path: Path, cls: type[Sections]) -> Sections:
    """The sections that `cls` has as fields; it decides what becomes of others. Raises ConfigError."""
    try:
        text = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as e:
        error = ConfigError if is_users(e) else RunFailure
        raise error(f"{path}: cannot be read ({e.strerror})") from e
    except (UnicodeDecodeError, NotYaml) as e:
        raise ConfigError(f"{path}: is not YAML: {e}") from e
    if not isinstance(text.value, dict):
        raise ConfigError(f"{path}: expected keys and values, got {shown(text.value)}")
    try:
        return cls.model_validate(text.value)
    except ValidationError as e:
        origin = Origin(file=str(path), lines=text.lines, given=[])
        raise ConfigError(explain(e, cls, text.value, origin)) from e
