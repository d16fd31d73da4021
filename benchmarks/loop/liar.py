"""A verifier that lies: `math`, with a share of its verdicts flipped."""

import random

from pydantic import Field

from verifiers import Outcome, Target, Verdict, VerifierBase
from verifiers.math import MathVerifier

_FLIPPED = {Outcome.PASS: Outcome.FAIL, Outcome.FAIL: Outcome.PASS}


class LyingMath(VerifierBase):
    """Flips PASS and FAIL for some responses; which ones, the seed decides, not the truth.

    The same response to the same problem gets the same verdict every time, so asking again tells
    nothing. Two liars with different seeds lie independently of each other.
    """

    class Config(MathVerifier.Config):
        """Those of `math`, and how often it lies."""

        flipped: float = Field(ge=0, le=1)
        """Probability that a verdict is flipped."""
        liar: int = 0
        """Seed of the lies."""

    name = "lying_math"
    version = "1"
    target_kinds = ("math",)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._honest = MathVerifier(
            MathVerifier.Config(**config.model_dump(exclude={"flipped", "liar"}))
        )

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict of `math`, or its opposite."""
        verdict = await self._honest.judge(prompt, response, target)
        flipped = _FLIPPED.get(verdict.outcome)
        draw = random.Random(f"{self.config.liar} {prompt} {response}")
        if flipped is None or draw.random() >= self.config.flipped:
            return verdict
        return Verdict(outcome=flipped, reason="a lie", extracted=verdict.extracted)

    async def close(self) -> None:
        """Ends the checking processes."""
        await self._honest.close()
