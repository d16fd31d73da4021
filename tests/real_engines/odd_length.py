"""A verifier by which a random model is right about half the time."""

from pydantic import BaseModel

from verifiers import Outcome, Target, Verdict
from verifiers.records import VerifierBase


class OddLength(VerifierBase):
    """Passes responses of odd length."""

    name, version = "odd_length", "1"

    class Config(BaseModel, extra="forbid"):
        """Has no options."""

    def __init__(self, config: Config) -> None:
        pass

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict."""
        outcome = Outcome.PASS if len(response) % 2 else Outcome.FAIL
        return Verdict(outcome=outcome, reason="length", verifier=self.name, version=self.version)
