"""Verifiers: they judge a response against a target. Usable without the pipeline.

    verifier = MathVerifier(MathVerifier.Config())
    verdict = await verifier.verify(prompt, response, Target(kind="math", value="1/2"))

`records.py` defines the input and the output, `catalog.py` lists the verifiers. `isolation/` protects
the caller from a verifier that crashes or hangs, `combine.py` builds one verifier from several, and
`testing.py` has the tests that every verifier passes.
"""

from verifiers.records import Outcome, Target, Verdict, Verifier, VerifierBase

__all__ = ["Outcome", "Target", "Verdict", "Verifier", "VerifierBase"]
