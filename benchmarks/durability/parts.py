"""A verifier and a reward model for actors of their own: deterministic, and one can be made to hang."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from reward_models import RewardModelBase, Score, Steps
from verifiers import Outcome, Target, Verdict
from verifiers.answers import extract_answer

HANG_FILE = "BERRY_DURABILITY_HANG"
"""Environment variable: the file that has verifiers hang while it exists."""
_LOOK_SECONDS = 0.05


class Verifier:
    """Compares the final answer with the gold answer, and hangs while a file exists."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    name, version = "durability", "1"

    def __init__(self, config: Config) -> None:
        self.config = config

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; blocks its thread while the file exists."""
        file = os.environ.get(HANG_FILE)
        while file and Path(file).exists():
            time.sleep(_LOOK_SECONDS)
        is_right = extract_answer(response) == target.value
        return Verdict(outcome=Outcome.PASS if is_right else Outcome.FAIL, reason="compared")


class Prm(RewardModelBase):
    """Scores each step with a number that depends on its prefix alone."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name, self.revision = "durability", "1"

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """A score for each response."""
        return [
            Score(model=self.name, revision=self.revision, values=tuple(_values(steps)))
            for steps in batch
        ]


def _values(steps: Steps) -> list[float]:
    prefix, values = list(steps.prompt_token_ids), []
    for ids in steps.token_ids:
        prefix += ids
        digest = hashlib.blake2b(repr(prefix).encode(), digest_size=2).digest()
        values.append(int.from_bytes(digest) / 2**16)
    return values
