"""`exact`: the final answer has to be the gold answer, character for character, white space aside."""

from pydantic import BaseModel, ConfigDict

from verifiers.answers import extract_answer
from verifiers.records import Outcome, Target, Verdict


class ExactVerifier:
    """Compares strings. It takes microseconds, so it runs wherever it is called."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    name = "exact"
    version = "2"
    target_kinds = None

    def __init__(self, config: Config) -> None:
        self.config = config

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer or without a gold answer."""
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
            verifier=self.name,
            version=self.version,
        )

    async def close(self) -> None:
        """Nothing to end."""
