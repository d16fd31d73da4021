"""Is this answer right? Verifiers judge a response against a target; usable without the pipeline.

    verifier = MathVerifier(MathVerifier.Config())
    verdict = await verifier.verify(prompt, response, Target(kind="math", value="1/2"))

`records.py` has what goes in and comes out, `math.py` and `exact.py` are verifiers, and
`workers.py` runs a check in processes that are killed when they take too long.
"""

from verifiers.records import Outcome, Target, Verdict, Verifier

__all__ = ["Outcome", "Target", "Verdict", "Verifier"]
