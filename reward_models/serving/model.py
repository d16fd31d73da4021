"""`prm` and `orm`: a model folder as a `RewardModel`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from reward_models.errors import RewardModelDied, RewardModelError, first_line
from reward_models.manifest import TrainedModel
from reward_models.records import RewardModelBase, Score, Steps
from reward_models.serving.inputs import Chat, Format, Input, Separated, Tagged, TokenIds, reads_as
from reward_models.serving.loading import Found, find, revision
from reward_models.serving.on_servers import OnServers
from reward_models.serving.on_torch import OnTorch
from reward_models.serving.on_vllm import OnVllm

_NUM_CHECKED = 8


class Backend(Protocol):
    """Computes the scores."""

    async def start(self) -> None:
        """Loads the model. Raises RewardModelError."""
        ...

    async def score(self, inputs: Sequence[Input]) -> list[list[float]]:
        """For each input, the probability of `right` at each of its ends."""
        ...

    async def close(self) -> None:
        """Frees the model. Calling it twice is safe."""
        ...


class ServingConfig(BaseModel):
    """Model, backend and limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Folder that `berry train` wrote, or folder or Hub id of a published model."""
    backend: Literal["auto", "transformers", "vllm"] = "auto"
    """`auto` is vllm on a GPU and transformers on a CPU."""
    addresses: tuple[str, ...] = ()
    """vLLM servers that serve the model, such as `[http://host:8000]`, instead of a backend here."""
    served_model: str | None = None
    """With `addresses`: the model's name there; default: the one that is, or was loaded from,
    `model`."""
    api_key_env: str | None = None
    """With `addresses`: environment variable with the servers' key."""
    device: str = "auto"
    """For `transformers`: cpu or cuda; `auto` is cuda if available."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto` is bfloat16 on a GPU and float32 on a CPU."""
    max_batch_tokens: int = Field(default=8192, ge=1)
    """Most tokens in one forward pass, including padding; a longer sequence gets a pass of its own."""
    max_length: int | None = Field(default=None, ge=1)
    """Longest response that is scored, in tokens, including the prompt; default: the model's limit."""
    reuse_prefixes: bool = True
    """For `vllm`: keep prefixes in the cache, so that they are not read again."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """For `vllm` on a CPU: memory for the prefix cache."""
    step_tag: str | None = None
    """For a published model that scores at a tag: the tag, if it is not its family's."""
    words: tuple[str, str] = ("-", "+")
    """For a published model that says one of two words at the tag: those for wrong and for right."""
    separator: str = "\n"
    """For a published token classifier: text between two steps."""
    options: dict[str, Any] = Field(default_factory=dict)
    """For `vllm`: further arguments of its AsyncEngineArgs."""


class Prm(RewardModelBase):
    """A process reward model: a score for the end of each step."""

    Config = ServingConfig
    kind: ClassVar[Literal["prm", "orm"]] = "prm"

    def __init__(self, config: ServingConfig) -> None:
        self.config = config
        self.name = Path(config.model).name
        self.revision = "unknown"
        self._backend: Backend | None = None
        self._format: Format | None = None
        self._tokenizer: Any = None
        self._max_length: int | None = None
        self._is_checked = False

    @classmethod
    def tokenizer_digest(cls, config: ServingConfig) -> str | None:
        """Digest of the tokenizer whose ids the model reads; None for a model that reads text.

        Raises RewardModelError for a folder whose description cannot be read.
        """
        try:
            trained = TrainedModel.read(Path(config.model).expanduser())
        except ValueError as e:
            raise RewardModelError(str(e)) from e
        return None if trained is None else trained.tokenizer

    async def start(self) -> None:
        """Loads the model. Raises RewardModelError if it cannot be used."""
        found = await asyncio.to_thread(find, self.config.model, self.kind)
        self._tokenizer = await asyncio.to_thread(_load_tokenizer, found)
        self._format, words = self._make_format(found)
        self._max_length = self.config.max_length or found.max_length
        self._backend = self._make_backend(found, words)
        self.revision = await asyncio.to_thread(revision, found)
        await self._backend.start()

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """A value for each step; None for a response that is too long or does not fit the format.

        Raises RewardModelError for ids of another tokenizer, RewardModelDied if the model has died.
        """
        if self._backend is None or self._format is None:
            raise RewardModelDied("expected a started model: call start() first")
        self._check_tokenizer(batch)
        inputs = [self._encode(steps) for steps in batch]
        scores = iter(await self._backend.score([one for one in inputs if one is not None]))
        return [
            self._score(steps, None if one is None else next(scores))
            for steps, one in zip(batch, inputs, strict=True)
        ]

    async def close(self) -> None:
        """Frees the model. Calling it twice is safe."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    def _score(self, steps: Steps, values: list[float] | None) -> Score:
        known: Sequence[float | None] = [None] * len(steps.texts) if values is None else values
        return Score(model=self.name, revision=self.revision, values=tuple(known))

    def _encode(self, steps: Steps) -> Input | None:
        assert self._format is not None
        if not steps.texts:
            return None
        try:
            one = self._format.encode(steps)
        except ValueError:
            return None
        if self._max_length is not None and len(one.ids) > self._max_length:
            return None
        return one

    def _check_tokenizer(self, batch: Sequence[Steps]) -> None:
        """Checks the first batch: a model with another tokenizer would read nonsense."""
        if self._is_checked or not batch or not isinstance(self._format, TokenIds):
            return
        if not reads_as(self._tokenizer, batch[:_NUM_CHECKED]):
            raise RewardModelError(
                f"model={self.config.model}: expected responses in its own tokenizer's ids, got "
                "others; train it from the solver's model"
            )
        self._is_checked = True

    def _make_format(self, found: Found) -> tuple[Format, tuple[int, int] | None]:
        """The format, and the ids of the two words if the model says words."""
        if found.style == "token_ids":
            return TokenIds(), None
        if found.style == "tags":
            return Tagged(self._tokenizer, self.config.step_tag or "<extra_0>", as_chat=True), None
        if found.style == "words":
            read = self._tokenizer.encode
            wrong, right = (read(word, add_special_tokens=False)[-1] for word in self.config.words)
            return Tagged(self._tokenizer, self.config.step_tag or "ки", as_chat=False), (wrong, right)
        if found.style == "chat":
            return Chat(self._tokenizer), None
        return Separated(self._tokenizer, self.config.separator), None

    def _make_backend(self, found: Found, words: tuple[int, int] | None) -> Backend:
        config = self.config
        backend = config.backend
        if config.addresses and words is None:
            addresses = [one.rstrip("/").removesuffix("/v1") for one in config.addresses]
            return OnServers(
                found, addresses, served_model=config.served_model, key_env=config.api_key_env
            )
        if backend == "auto":
            import torch

            backend = "vllm" if torch.cuda.is_available() and words is None else "transformers"
        if backend == "transformers" and not config.addresses:
            return OnTorch(
                found,
                device=config.device,
                dtype=config.dtype,
                max_batch_tokens=config.max_batch_tokens,
                words=words,
            )
        if words is not None:
            raise RewardModelError(
                f"model={config.model}: expected backend=transformers for a model that says a word at "
                f"each tag, got {'addresses' if config.addresses else 'vllm'}"
            )
        return OnVllm(
            found,
            dtype=config.dtype,
            max_batch_tokens=config.max_batch_tokens,
            cache_gib=config.cpu_kv_cache_gib,
            reuse_prefixes=config.reuse_prefixes,
            options=config.options,
        )


class Orm(Prm):
    """An outcome reward model: a score for a complete response, at its last step."""

    kind: ClassVar[Literal["prm", "orm"]] = "orm"
    scores_outcomes = True

    def _encode(self, steps: Steps) -> Input | None:
        one = super()._encode(steps)
        return None if one is None else Input(one.ids, one.ends[-1:])

    def _score(self, steps: Steps, values: list[float] | None) -> Score:
        if values is None:
            return super()._score(steps, None)
        known = [*[None] * (len(steps.texts) - 1), *values]
        return Score(model=self.name, revision=self.revision, values=tuple(known))


def _load_tokenizer(found: Found) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(found.model)
    except (OSError, ValueError) as e:
        raise RewardModelError(
            f"model={found.model}: expected a tokenizer next to the weights, got none ({first_line(e)})"
        ) from e
