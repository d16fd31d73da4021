"""`formal`: checks that the response proves the theorem; `verifier.py` lists the steps."""

from verifiers.formal.verifier import FormalVerifier

__all__ = ["FormalVerifier"]
