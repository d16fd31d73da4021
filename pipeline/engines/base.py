"""A base class for the `Config` of an engine, with the defaults of its optional attributes.

An engine's `Config` does not have to extend it: `border.py` reads the same attributes of any model.
"""

from pydantic import BaseModel, ConfigDict


class EngineConfig(BaseModel):
    """Options of an engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def gives_logprobs(self) -> bool:
        """Whether completions come with log-probabilities."""
        return True

    @property
    def num_gpus(self) -> int:
        """GPUs that one engine needs on a cluster with GPUs."""
        return 0
