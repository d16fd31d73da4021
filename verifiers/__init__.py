"""Is this answer right? Verifiers judge a response against a target; usable without the pipeline.

    verifier = MathVerifier(MathVerifier.Config())
    verdict = await verifier.verify(prompt, response, Target(kind="math", value="1/2"))

`records.py` has what goes in and comes out, `catalog.py` which verifiers there are. `border.py` makes
of anybody's verifier one that never raises, `processes.py` one that runs in processes of its own,
`combine.py` one of several, and `testing.py` has the tests that all of them pass.
"""

from verifiers.records import Outcome, Target, Verdict, Verifier

__all__ = ["Outcome", "Target", "Verdict", "Verifier"]
