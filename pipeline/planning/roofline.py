"""How long a model's steps take on some hardware: the larger of what is read and what is computed.

A step of decoding reads the weights once and the cache of every sequence, and computes one token for
each (roofline model: Williams et al., 2009; for transformers: Pope et al., 2022, arXiv:2211.05102).
Communication between accelerators and work of the host are not in it. `Efficiency` stands for both, and
for kernels that do not reach the data sheet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.planning.hardware import Hardware
from pipeline.planning.model import Model

Bound = Literal["bandwidth", "compute", "overhead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """What an engine reaches of the data sheet."""

    bandwidth: float = 0.7
    compute: float = 0.5
    step_seconds: float = 0.0
    """Time of a step that depends neither on weights nor on the batch."""
    token_seconds: float = 0.0
    """Time of a token besides reading and computing, such as sampling it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """A model on hardware."""

    model: Model
    hardware: Hardware
    weights: str = "bfloat16"
    """Type of the weights."""
    cache: str = "bfloat16"
    """Type of the key-value cache."""
    efficiency: Efficiency = Efficiency()
    memory_share: float = 0.9
    """Fraction of the memory that weights and cache may take."""

    @property
    def cache_room(self) -> float:
        """Bytes left for the key-value cache; below 0 if the weights do not fit."""
        return self.hardware.memory * self.memory_share - self.model.weight_bytes(self.weights)

    def most_sequences(self, length: int) -> int:
        """Sequences of so many tokens whose cache fits into the memory."""
        return max(int(self.cache_room / self.model.cache_bytes(length, self.cache)), 0)

    def full_at(self, batch: int) -> int:
        """Length at which so many sequences fill the memory; 0 if not even one token each fits."""
        return _largest(lambda length: self.most_sequences(length) >= batch, 2**31)

    def step_seconds(self, batch: int, length: int) -> float:
        """Time of one step of decoding, a token for each of `batch` sequences of mean `length`."""
        return max(self._read_seconds(batch, length), self._compute_seconds(batch, length)) + (
            self._overhead_seconds(batch)
        )

    def tokens_per_second(self, batch: int, length: int) -> float:
        """Tokens that all sequences of a batch get together in a second."""
        return batch / self.step_seconds(batch, length)

    def largest_batch(self, length: int, tokens_per_second: float) -> int:
        """Most sequences of mean `length` that fit into the memory and get so many tokens a second
        each; 0 if not even one does."""

        def is_fast(batch: int) -> bool:
            return 1 / self.step_seconds(batch, length) >= tokens_per_second

        return min(_largest(is_fast, 2**24), self.most_sequences(length))

    def bound(self, batch: int, length: int) -> Bound:
        """What most of a step's time goes to."""
        times: dict[Bound, float] = {
            "bandwidth": self._read_seconds(batch, length),
            "compute": self._compute_seconds(batch, length),
            "overhead": self._overhead_seconds(batch),
        }
        return max(times, key=lambda kind: times[kind])

    def read_prompt_seconds(self, length: int, after: int = 0) -> float:
        """Time to compute a prompt of so many tokens, without the first `after`, which are cached.

        Several prompts are computed in one pass, so that the weights need not be read for each.
        """
        return self.model.operations_of_sequence(length, after) / self._flops

    @property
    def _bandwidth(self) -> float:
        return self.hardware.bandwidth * self.efficiency.bandwidth

    @property
    def _flops(self) -> float:
        return self.hardware.flops(self.weights) * self.efficiency.compute

    def _read_seconds(self, batch: int, length: int) -> float:
        cache = batch * self.model.cache_bytes(length, self.cache)
        return (self.model.bytes_read(batch, self.weights) + cache) / self._bandwidth

    def _compute_seconds(self, batch: int, length: int) -> float:
        return batch * self.model.operations(length) / self._flops

    def _overhead_seconds(self, batch: int) -> float:
        return self.efficiency.step_seconds + batch * self.efficiency.token_seconds


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` for which it holds, if it does for all smaller ones; else 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
