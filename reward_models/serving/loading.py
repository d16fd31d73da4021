"""Identifies the model in a folder, and loads it as a body and a head.

The body gives a vector for each token, the head maps a vector to two logits, for `wrong` and `right`.
Code that comes with a model is never run.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reward_models.errors import RewardModelError, first_line
from reward_models.manifest import TrainedModel

Style = Literal["token_ids", "tags", "words", "separator", "chat"]
"""Input formats; see `inputs.py`."""
_BLOCK_BYTES = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Description of a model from its `config.json`, read before any weight."""

    model: str
    """A folder, or an id on the Hugging Face Hub."""
    config: Any
    """A transformers config."""
    architecture: str
    style: Style
    trained: TrainedModel | None
    """Its own description, if berry trained it."""

    @property
    def num_labels(self) -> int:
        """Number of the head's outputs; 1 is the logit of `right`."""
        if self.architecture == "Qwen2ForProcessRewardModel" or self.style == "words":
            return 2
        return int(self.config.num_labels)

    @property
    def max_length(self) -> int | None:
        """Most tokens that it can read; None if it does not say."""
        return getattr(self.config, "max_position_embeddings", None)


def find(model: str, kind: Literal["prm", "orm"]) -> Found:
    """The model's description. Raises RewardModelError if it is not a reward model of this kind."""
    from transformers import AutoConfig

    be_quiet()
    folder = Path(model).expanduser()
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if looks_like_path and not (folder / "config.json").is_file():
        what = "got a folder without that file" if folder.is_dir() else "there is no such folder"
        raise RewardModelError(f"model={model}: expected a folder with a model's config.json, {what}")
    name = str(folder) if folder.is_dir() else model
    try:
        trained = TrainedModel.read(folder)
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as e:
        raise RewardModelError(f"model={model}: {first_line(e)}") from e
    if trained is not None and trained.kind != kind:
        raise RewardModelError(f"model={model}: expected a {kind}, got a {trained.kind}; `use` that")
    (architecture, *_) = config.architectures or ["none"]
    found = Found(
        model=name,
        config=config,
        architecture=architecture,
        style="token_ids" if trained is not None else _style(model, kind, architecture),
        trained=trained,
    )
    if found.num_labels not in (1, 2):
        raise RewardModelError(
            f"model={model}: expected a head of 2 labels, wrong and right, or of 1, got one of "
            f"{found.num_labels}"
        )
    return found


def _style(model: str, kind: str, architecture: str) -> Style:
    """Input format of a published model."""
    wanted = {"prm": "ForTokenClassification", "orm": "ForSequenceClassification"}[kind]
    if architecture.endswith(wanted):
        return "separator" if kind == "prm" else "chat"
    if kind == "prm" and architecture == "Qwen2ForProcessRewardModel":
        return "tags"
    if kind == "prm" and architecture.endswith("ForCausalLM"):
        return "words"
    raise RewardModelError(
        f"model={model}: expected a model {wanted} for a {kind}, got {architecture}; "
        "docs/reward-models.md lists what loads"
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory."""

    body: Callable[..., Any]
    """`input_ids` and `attention_mask`, each (rows, tokens) -> an output with `last_hidden_state`."""
    head: Callable[[Any], Any]
    """Vectors (n, hidden) -> logits (n, labels)."""


def load(found: Found, *, device: str, dtype: Any, words: tuple[int, int] | None) -> Loaded:
    """The model; `words` are the ids of the words for wrong and right, if the model says words.

    Raises RewardModelError for weights that do not fit the config.
    """
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
    )

    if found.architecture == "Qwen2ForProcessRewardModel":
        cls: Any = _qwen_prm()
    elif found.style == "words":
        cls = AutoModelForCausalLM
    elif found.architecture.endswith("ForTokenClassification"):
        cls = AutoModelForTokenClassification
    else:
        cls = AutoModelForSequenceClassification
    try:
        model, info = cls.from_pretrained(found.model, dtype=dtype, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, KeyError) as e:
        raise RewardModelError(f"model={found.model}: cannot be loaded ({first_line(e)})") from e
    if missing := sorted(info["missing_keys"]) or sorted(map(str, info["mismatched_keys"])):
        raise RewardModelError(
            f"model={found.model}: expected weights for {missing[0]}, got none that fit; is it a "
            "reward model, with a trained head?"
        )
    model = model.to(device).eval()
    if words is not None:
        rows = model.get_output_embeddings().weight[list(words)]
        return Loaded(model.base_model, lambda vectors: vectors @ rows.T)
    head = getattr(model, "score", None)
    if head is None:
        raise RewardModelError(
            f"model={found.model}: expected a decoder with a head `score`, got {found.architecture}"
        )
    return Loaded(model.base_model, head)


def _qwen_prm() -> Any:
    """Qwen2.5-Math-PRM's architecture, whose code is next to its weights on the Hub."""
    from torch import nn
    from transformers import Qwen2Model, Qwen2PreTrainedModel

    # transformers publishes no types, so the base class is unknown to mypy.
    class Qwen2ForProcessRewardModel(Qwen2PreTrainedModel):  # type: ignore[misc]  # has no types
        base_model_prefix = "model"

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model = Qwen2Model(config)
            size = config.hidden_size
            self.score = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, 2))
            self.post_init()

    return Qwen2ForProcessRewardModel


def revision(found: Found) -> str:
    """A hash of a folder's weights, or the commit of a model on the Hub."""
    folder = Path(found.model)
    if not folder.is_dir():
        return str(getattr(found.config, "_commit_hash", None) or "unknown")
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin"), folder / "config.json"]):
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def be_quiet() -> None:
    """Turns off transformers' progress bars and warnings; errors are still raised."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
