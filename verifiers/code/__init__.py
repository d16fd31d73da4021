"""`code`: does the program do what its tests ask for? `verifier.py` has the steps."""

from verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier"]
