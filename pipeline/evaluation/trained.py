"""Reads the manifest of a reward model trained by berry, without loading the model."""

from pathlib import Path

from reward_models.errors import RewardModelError
from reward_models.manifest import TrainedModel
from reward_models.serving.model import ServingConfig
from verifiers.plugins import Part


def model_folder(part: Part | None) -> Path | None:
    """Folder of a model of `prm` or `orm`, which may not exist; None for another class.

    The `model` of another class, such as `critic`, may be a server's name for it.
    """
    options = None if part is None else part.options
    return Path(options.model).expanduser() if isinstance(options, ServingConfig) else None


def read_trained(part: Part | None) -> TrainedModel | None:
    """The manifest; None for a model not trained by berry. Raises RewardModelError for a broken
    folder."""
    folder = model_folder(part)
    if folder is None:
        return None
    try:
        return TrainedModel.read(folder)
    except ValueError as e:
        raise RewardModelError(str(e)) from e
