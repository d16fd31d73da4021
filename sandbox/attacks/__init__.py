"""Attacks on the sandbox, as Python programs whose function returns true if the attack succeeds.

`python -m sandbox.selfcheck` runs all attacks; the canaries among them run at every start.

An attack on resources cannot tell whether it succeeded; instead it names the ways in which it must end.
A successful attack does no harm: it writes back existing content, and its signals have number 0.
"""

from sandbox.attacks.attack import ESCAPED, HELD, SECRET, Attack
from sandbox.attacks.catalog import ATTACKS

__all__ = ["ATTACKS", "ESCAPED", "HELD", "SECRET", "Attack"]
