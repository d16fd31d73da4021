"""What accelerators hold, read and compute, by their data sheets, and what an hour of one costs."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

_TIMES = re.compile(r"(?P<name>.+?)(?:x(?P<count>[1-9]\d*))?")


class NoHardware(ValueError):
    """Hardware that is not in the table."""


class Accelerator(BaseModel):
    """One accelerator, or another machine that computes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    memory_gb: float = Field(gt=0)
    """Memory in units of 10^9 bytes."""
    bandwidth_tb: float = Field(gt=0)
    """Reads from memory, in units of 10^12 bytes a second."""
    tflops: Mapping[str, float] = Field(min_length=1)
    """Type -> dense operations, in units of 10^12 a second."""
    price: float | None = Field(default=None, ge=0)
    """Dollars an hour; None if unknown."""

    def flops(self, dtype: str) -> float:
        """Operations a second with weights of a type."""
        kinds = (*_COMPUTES_IN.get(dtype, (dtype,)), *self.tflops)
        return next(self.tflops[kind] for kind in kinds if kind in self.tflops) * 1e12


class Hardware(BaseModel):
    """Accelerators that hold one copy of a model together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accelerator: Accelerator
    count: int = Field(default=1, ge=1)

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.count * self.accelerator.memory_gb * 1e9

    @property
    def bandwidth(self) -> float:
        """Bytes read a second."""
        return self.count * self.accelerator.bandwidth_tb * 1e12

    def flops(self, dtype: str) -> float:
        """Dense operations a second with weights of a type."""
        return self.count * self.accelerator.flops(dtype)

    @property
    def price(self) -> float | None:
        """Dollars an hour; None if unknown."""
        return None if self.accelerator.price is None else self.count * self.accelerator.price

    def __str__(self) -> str:
        return f"{self.count} x {self.accelerator.name}"


_COMPUTES_IN: Mapping[str, tuple[str, ...]] = {
    "float32": ("float32",),
    "float16": ("bfloat16",),
    "int8": ("int8",),
    # Weights of four bits are unpacked first.
    "int4": ("bfloat16",),
    "mxfp4": ("bfloat16",),
    "float8": ("float8", "bfloat16"),
}
"""Type of the weights -> types to compute in, the first that the accelerator has."""


def _row(
    name: str, memory: float, bandwidth: float, price: float | None, **tflops: float
) -> Accelerator:
    return Accelerator(name=name, memory_gb=memory, bandwidth_tb=bandwidth, tflops=tflops, price=price)


ACCELERATORS: Mapping[str, Accelerator] = {
    one.name: one
    for one in (
        _row("l4", 24, 0.3, 0.8, bfloat16=121, float8=242, int8=242),
        _row("l40s", 48, 0.864, 1.0, bfloat16=362, float8=733, int8=733),
        _row("rtx4090", 24, 1.008, 0.6, bfloat16=165, float8=330, int8=660),
        _row("a100-40", 40, 1.555, 1.3, bfloat16=312, int8=624),
        _row("a100", 80, 2.039, 1.5, bfloat16=312, int8=624),
        _row("h100-pcie", 80, 2.0, 2.4, bfloat16=756, float8=1513, int8=1513),
        _row("h100", 80, 3.35, 2.7, bfloat16=989, float8=1979, int8=1979),
        _row("h200", 141, 4.8, 3.6, bfloat16=989, float8=1979, int8=1979),
        _row("b200", 180, 8.0, 6.0, bfloat16=2250, float8=4500, int8=4500),
        _row("mi300x", 192, 5.3, 2.5, bfloat16=1307, float8=2615, int8=2615),
    )
}
"""Memory, bandwidth and dense operations of the data sheets; prices are what an hour of one cost on
demand at a specialised provider in spring 2026, rounded. They differ by a factor of two between
providers: give your own."""


def hardware_of(text: str) -> Hardware:
    """`h100x8` and the like, or `h100`. Raises NoHardware."""
    match = _TIMES.fullmatch(text.strip().lower())
    name = match["name"] if match else ""
    if match is None or name not in ACCELERATORS:
        raise NoHardware(
            f"expected hardware such as h100x8, of {', '.join(ACCELERATORS)}, or a file with your own, "
            f"got {text!r}"
        )
    return Hardware(accelerator=ACCELERATORS[name], count=int(match["count"] or 1))
