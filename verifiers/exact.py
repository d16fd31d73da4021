"""`exact`: compares the final answer with the gold answer as strings, ignoring white space."""

from pydantic import BaseModel, ConfigDict

from verifiers.answers import extract_answer
from verifiers.records import Outcome, Target, Verdict, VerifierBase


class ExactVerifier(VerifierBase):
    """Compares strings. A check takes microseconds, so it runs in the caller's process."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    name = "exact"
    version = "2"

    def __init__(self, config: Config) -> None:
        self.config = config

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN if the response has no answer or the problem no gold answer."""
        extracted = extract_answer(response)
        if target.value is None:
            outcome, reason = Outcome.ABSTAIN, "the problem has no gold answer"
        elif extracted is None:
            outcome, reason = Outcome.ABSTAIN, "the response states no answer"
        elif extracted.split() == target.value.split():
            outcome, reason = Outcome.PASS, "same text"
        else:
            outcome, reason = Outcome.FAIL, "other text"
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=extracted,
            no_answer=outcome is Outcome.ABSTAIN and extracted is None,
        )
