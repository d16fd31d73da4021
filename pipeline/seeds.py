"""Seeds of everything random, each from what it is for."""

import hashlib
from collections.abc import Sequence


def derive_seed(*parts: int | str | Sequence[int]) -> int:
    """A 63-bit seed that depends on every part and on nothing else."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
