"""Reads some sections of a config that is given beside a run, such as its verifier."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config import ConfigError, read_yaml_file
from pipeline.config.messages import Origin, explain

Sections = TypeVar("Sections", bound=BaseModel)


def read_sections(path: Path, cls: type[Sections]) -> Sections:
    """The sections of a YAML file that `cls` has as fields; `cls` decides what becomes of others.

    Raises ConfigError.
    """
    text = read_yaml_file(path)
    return sections_of(text.value, cls, Origin(file=str(path), lines=text.lines))


def sections_of(content: dict[str, Any], cls: type[Sections], origin: Origin) -> Sections:
    """The same of a config that was read. Raises ConfigError, which names the origin."""
    try:
        return cls.model_validate(content)
    except ValidationError as e:
        raise ConfigError(explain(e, cls, content, origin)) from e
