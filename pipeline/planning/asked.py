"""Reads what a plan is asked for: the model, the hardware and what is expected."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.errors import UserMistake
from pipeline.files.parsing import NotYaml, read_yaml
from pipeline.planning.earlier import read_earlier, read_speed
from pipeline.planning.hardware import Hardware, NoHardware, hardware_of
from pipeline.planning.known_models import known_model, known_models
from pipeline.planning.model import Model, NotAModel, bytes_of, model_of
from pipeline.planning.plan import Reached, Serving
from pipeline.planning.search import Expected
from pipeline.planning.this_machine import NAME, this_machine
from verifiers.mistakes import first_mistake, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a plan is for."""

    model: Model
    serving: Serving
    expected: Expected
    hardware: Sequence[Hardware]
    reached: Reached


def asked(config: RunConfig, hardware: Sequence[str], given: Mapping[str, Any]) -> Asked:
    """Reads the options of `berry plan`.

    `like` is the folder of a run for what is not given; `calibrate` that of one with the same model, on
    the first hardware. Raises UserMistake and FolderError.
    """
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
    if (like := given.get("like")) is not None:
        earlier = read_earlier(like)
        for name in _OF_EARLIER:
            if fields[name] is None:
                fields[name] = getattr(earlier, name)
    try:
        expected = Expected(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as e:
        mistake = first_mistake(e)
        option = "--" + str(mistake["loc"][0]).replace("_", "-")
        raise UserMistake(f"{option}: {sentence(mistake)}") from e
    return Asked(
        model=model,
        serving=serving,
        expected=expected,
        hardware=places,
        reached=_reached(given.get("calibrate"), model, serving, places),
    )


def _reached(run: Path | None, model: Model, serving: Serving, places: Sequence[Hardware]) -> Reached:
    """What the engines of a run reached, on the first hardware; the usual without a run."""
    if run is None:
        return Reached()
    earlier = read_earlier(run)
    if earlier.model is None or _shapes(find_model(earlier.model)) != _shapes(model):
        raise UserMistake(
            f"--calibrate {run}: expected a run of {model.name}, got one of "
            f"{earlier.model or 'no model'}"
        )
    length = earlier.prompt_tokens + earlier.response_tokens // 2
    return Reached.measured(read_speed(run), model, serving, places[0], length)


def _shapes(model: Model) -> Model:
    """The model without its name: a folder and a public model may be the same."""
    return replace(model, name="")


_OF_EARLIER = ("prompt_tokens", "response_tokens", "pass_rate", "verdict_seconds")


def _model(config: RunConfig, named: str | None) -> Model:
    name = named or config.engine.options.model_dump().get("model")
    if name is None:
        raise UserMistake(
            f"expected an engine that loads a model, got engine.use={config.engine.use}; --model names "
            "one"
        )
    return find_model(str(name))


def find_model(name: str) -> Model:
    """A public model by its name, or that of a folder. Raises UserMistake and NotAModel."""
    if (known := known_model(name)) is not None:
        return known
    file = Path(name).expanduser() / "config.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserMistake(
            f"expected a model's folder or one of {len(known_models())} public models, such as "
            f"{', '.join(list(known_models())[2:4])}, got {name}"
        ) from e
    except (OSError, ValueError) as e:
        raise UserMistake(f"{file}: cannot be read: {e}") from e
    return model_of(name, stored)


def _hardware(text: str) -> Hardware:
    """Hardware of the table, this machine, or that of a YAML file with the fields of `Hardware`."""
    if text == NAME:
        return this_machine()
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
