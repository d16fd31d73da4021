"""`code`: checks that a program does what its tests ask for; `verifier.py` lists the steps."""

from verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier"]
