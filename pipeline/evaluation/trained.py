"""What a reward model that was trained here says of itself, before it is loaded."""

from pathlib import Path

from reward_models.errors import RewardModelError
from reward_models.serving.model import ServingConfig
from reward_models.trained import TrainedModel
from verifiers.plugins import Part


def model_folder(part: Part | None) -> Path | None:
    """Where the files of `prm` or `orm` are, or would be; None for another class.

    The `model` of another, such as `critic`, may be a server's name for one.
    """
    options = None if part is None else part.options
    return Path(options.model).expanduser() if isinstance(options, ServingConfig) else None


def read_trained(part: Part | None) -> TrainedModel | None:
    """None for a model that was not trained here. Raises RewardModelError for a broken folder."""
    folder = model_folder(part)
    if folder is None:
        return None
    try:
        return TrainedModel.read(folder)
    except ValueError as e:
        raise RewardModelError(str(e)) from e
