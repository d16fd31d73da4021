"""The files of a model's weights, as those who load the model need them."""

import shutil
from pathlib import Path


def share_weights(folder: Path) -> None:
    """Lets whoever may read a model's config read its weights too, those in its subfolders as well.

    The library gives weights to their owner alone, whatever the umask; engines may run as others.
    Raises OSError.
    """
    for weights in folder.glob("**/*.safetensors"):
        shutil.copymode(folder / "config.json", weights)
