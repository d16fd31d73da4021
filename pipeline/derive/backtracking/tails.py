"""How likely the ends of chains are to the model: the price of spliced text.

All three are scored by one model at temperature 1, per token, for the same splices: the tail sampled
after the notice, the stored right branch after detour and fixed notice, and the stored right branch
where it was sampled. The first and the last are on the model's distribution; the second is what plain
splicing would train on.
"""

from dataclasses import dataclass

from pipeline.derive.backtracking.chains import Chain


@dataclass(slots=True, kw_only=True)
class Mean:
    """A mean over the tokens of many tails."""

    num_tokens: int = 0
    total: float = 0.0

    def add(self, mean: float, num_tokens: int) -> None:
        """Adds a tail by the mean of its tokens."""
        self.num_tokens += num_tokens
        self.total += mean * num_tokens

    @property
    def value(self) -> float | None:
        """Nats for each token; None without tokens."""
        return self.total / self.num_tokens if self.num_tokens else None

    def __str__(self) -> str:
        """For people."""
        if self.value is None:
            return "unknown"
        return f"{self.value:.3f} nats a token ({self.num_tokens} tokens)"

    def facts(self) -> dict[str, float | int | None]:
        """As JSON values."""
        return {"mean_logprob": self.value, "tokens": self.num_tokens}


class Tails:
    """The means over the chains of an export of which every tail has been scored."""

    def __init__(self) -> None:
        self.generated, self.spliced, self.control = Mean(), Mean(), Mean()

    def add(self, chain: Chain, control: Chain) -> None:
        """Counts the tails of a chain and its control, if all are known."""
        spliced, stored = chain.spliced_tail_logprob, control.tail_logprob
        if chain.tail_logprob is None or spliced is None or stored is None:
            return
        if chain.mode == "generated":
            self.generated.add(chain.tail_logprob, len(chain.tail.token_ids))
        self.spliced.add(spliced, len(control.tail.token_ids))
        self.control.add(stored, len(control.tail.token_ids))

    def named(self) -> dict[str, Mean]:
        """What each mean is of, for people."""
        return {
            "sampled after the notice": self.generated,
            "stored, after the detour": self.spliced,
            "stored, in its own place": self.control,
        }

    def facts(self) -> dict[str, dict[str, float | int | None]]:
        """As JSON values."""
        return {
            "generated": self.generated.facts(),
            "spliced": self.spliced.facts(),
            "control": self.control.facts(),
        }
