"""Hashes that identify content, and the seeds of every random choice.

Runs store the hashes of problems, configs and parts: the hash of given content must never change.
"""

import hashlib
import json
from collections.abc import Sequence

_ENCODE = json.JSONEncoder(sort_keys=True).encode
"""`json.dumps` would make a new encoder at each call."""


def digest_text(text: str, *, num_bytes: int = 8) -> str:
    """A hash of a text in hexadecimal digits."""
    return digest_bytes(text.encode(errors="surrogatepass"), num_bytes=num_bytes)


def digest_bytes(content: bytes, *, num_bytes: int = 8) -> str:
    """A hash of bytes in hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=num_bytes).hexdigest()


class LinesDigest:
    """`digest_text` of texts joined by line ends, which come in pieces."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=8)
        self._begun = False

    def add(self, texts: Sequence[str]) -> None:
        """Adds the next texts."""
        if texts:
            joined = "\n" * self._begun + "\n".join(texts)
            self._hash.update(joined.encode(errors="surrogatepass"))
            self._begun = True

    @property
    def digest(self) -> str:
        """The hash of all texts so far."""
        return self._hash.hexdigest()


def digest_json(content: object) -> str:
    """A hash of JSON values; it ignores the order of keys."""
    return digest_text(_ENCODE(content))


def derive_seed(*parts: int | str | Sequence[int]) -> int:
    """A 63-bit seed that depends on all the parts and nothing else."""
    return int(digest_text(repr(parts)), 16) >> 1
