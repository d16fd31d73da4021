"""Encodes problems as a run's engine would, without loading the model."""

from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.engines import Engine, EngineStartError, Prompt
from pipeline.engines.chat_format import ChatFormat
from pipeline.engines.models import ModelError, locate
from pipeline.engines.vllm import VllmEngine
from pipeline.engines.vllm_server import VllmServerEngine
from pipeline.records import Problem


class Preview:
    """Encodes problems as the config's engine will."""

    def __init__(self, config: RunConfig) -> None:
        """Loads the tokenizer. Raises EngineStartError if the model or its tokenizer is missing."""
        self.context: int | None = None
        """Tokens that the model can read and write in total; None if unknown."""
        self.cpu_model: Path | None = None
        """The model's folder, if the model will run on this machine's CPU."""
        self._encoder: ChatFormat | Engine
        options = config.engine.options
        if not isinstance(options, VllmEngine.Config | VllmServerEngine.Config):
            self._encoder = config.engine.build(config.prompt, config.seed)
            return
        tokenizer, limit = _load(options.model)
        self._encoder = ChatFormat(tokenizer, config.prompt, options.model)
        if isinstance(options, VllmServerEngine.Config):
            self.context = limit
            return
        limits = [one for one in (options.max_model_len, limit) if one is not None]
        self.context = min(limits, default=None)
        self.cpu_model = _on_cpu(locate(options.model))

    def encode(self, problem: Problem) -> Prompt | None:
        """The prompt; None for a third-party engine that cannot encode before its start."""
        if isinstance(self._encoder, ChatFormat):
            return self._encoder.encode(problem)
        try:
            return self._encoder.encode(problem)
        except Exception:  # noqa: BLE001 - a third-party engine need not work before `start`
            return None


def _load(model: str) -> tuple[Any, int | None]:
    """The model's tokenizer, and the maximum number of tokens it takes."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        folder = locate(model)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        limit = getattr(AutoConfig.from_pretrained(folder), "max_position_embeddings", None)
    except (ModelError, OSError, ValueError, KeyError) as e:
        reason = str(e).strip().splitlines() or [type(e).__name__]
        raise EngineStartError(
            f"engine.model={model}: its tokenizer cannot be loaded ({reason[0]})"
        ) from e
    return tokenizer, limit


def _on_cpu(folder: str) -> Path | None:
    import torch

    is_local = Path(folder).is_dir() and not torch.cuda.is_available()
    return Path(folder) if is_local else None
