"""Reads what a plan is asked for: the model, the hardware and what is expected."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.errors import UserMistake
from pipeline.files.parsing import NotYaml, read_yaml
from pipeline.planning.hardware import Hardware, NoHardware, hardware_of
from pipeline.planning.known_models import known_model, known_models
from pipeline.planning.model import Model, NotAModel, bytes_of, model_of
from pipeline.planning.plan import Serving
from pipeline.planning.search import Expected
from verifiers.mistakes import first_mistake, sentence


def asked(
    config: RunConfig, hardware: Sequence[str], given: Mapping[str, Any]
) -> tuple[Model, Serving, Expected, list[Hardware]]:
    """The model, how it is served, what is expected, and the hardware. Raises UserMistake."""
    try:
        model = _model(config, given.get("model"))
        serving = Serving(
            weights=given.get("weights") or model.dtype,
            cache=given.get("cache") or "bfloat16",
            tokens_per_second=given.get("tokens_per_second") or 0.0,
        )
        bytes_of(serving.weights), bytes_of(serving.cache)
        places = [_hardware(one) for one in hardware]
    except (NotAModel, NoHardware) as e:
        raise UserMistake(str(e)) from e
    fields = {name: given.get(name) for name in Expected.model_fields}
    if fields["problems"] is None:
        fields["problems"] = config.problems_limit
    try:
        expected = Expected(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as e:
        mistake = first_mistake(e)
        option = "--" + str(mistake["loc"][0]).replace("_", "-")
        raise UserMistake(f"{option}: {sentence(mistake)}") from e
    return model, serving, expected, places


def _model(config: RunConfig, named: str | None) -> Model:
    """A public model by its name, or that of a folder."""
    name = named or config.engine.options.model_dump().get("model")
    if name is None:
        raise UserMistake(
            f"expected an engine that loads a model, got engine.use={config.engine.use}; --model names "
            "one"
        )
    if (known := known_model(str(name))) is not None:
        return known
    file = Path(str(name)).expanduser() / "config.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserMistake(
            f"expected a model's folder or one of {len(known_models())} public models, such as "
            f"{', '.join(list(known_models())[2:4])}, got {name}"
        ) from e
    except (OSError, ValueError) as e:
        raise UserMistake(f"{file}: cannot be read: {e}") from e
    return model_of(str(name), stored)


def _hardware(text: str) -> Hardware:
    """Hardware of the table, or of a YAML file with the fields of `Hardware`."""
    if not text.endswith((".yaml", ".yml")):
        return hardware_of(text)
    try:
        content = read_yaml(Path(text).read_text(encoding="utf-8")).value
        return Hardware.model_validate(content)
    except OSError as e:
        raise UserMistake(f"{text}: cannot be read: {e.strerror}") from e
    except NotYaml as e:
        raise UserMistake(f"{text}: not YAML: {e}") from e
    except ValidationError as e:
        mistake = first_mistake(e)
        where = ".".join(map(str, mistake["loc"]))
        raise UserMistake(f"{text}: {where}: {sentence(mistake)}") from e
