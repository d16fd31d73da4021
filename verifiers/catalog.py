"""Which verifiers there are, and how one is built from a config's section.

The table has names and places, and imports none of them: a verifier's libraries are loaded when a
config names it. Packages add to it by entry points in the group `berry.verifiers`.
"""

from sandbox import SandboxConfig
from verifiers.border import check_verifier
from verifiers.plugins import Kind, Part
from verifiers.processes import ProcessSettings, ProcessVerifier
from verifiers.records import Verifier
from verifiers.shape import complaint_of_class

VERIFIERS = {
    "math": "verifiers.math:MathVerifier",
    "exact": "verifiers.exact:ExactVerifier",
    "code": "verifiers.code:CodeVerifier",
    "formal": "verifiers.formal:FormalVerifier",
    "multiple_choice": "verifiers.multiple_choice:MultipleChoiceVerifier",
    "regex": "verifiers.regex:RegexVerifier",
    "json_schema": "verifiers.json_schema:JsonSchemaVerifier",
    "reasoning_gym": "verifiers.reasoning_gym:ReasoningGymVerifier",
    "model_judge": "verifiers.model_judge:ModelJudgeVerifier",
    "all_of": "verifiers.combine:AllOf",
    "any_of": "verifiers.combine:AnyOf",
    "first_decisive": "verifiers.combine:FirstDecisive",
    "by_kind": "verifiers.by_kind:ByKind",
}
_PROCESSES_OF_THEIR_OWN = frozenset({"math", "code", "formal", "regex", "json_schema", "reasoning_gym"})
MADE_OF_PARTS = frozenset({"all_of", "any_of", "first_decisive", "by_kind"})
"""Verifiers that compute nothing themselves."""


def check_part(part: Part) -> None:
    """Raises ValueError for a class that is no verifier, or cannot run as its section says."""
    if problem := complaint_of_class(part.cls):
        raise ValueError(f"expected {part.use!r} to have {problem}")
    assert isinstance(part.settings, ProcessSettings)
    if not part.settings.processes:
        return
    place = f"{part.cls.__module__}:{part.cls.__qualname__}"
    name = next((name for name, known in VERIFIERS.items() if known == place), part.use)
    if name in MADE_OF_PARTS:
        raise ValueError(f"`processes` goes into the parts of {name!r}, which itself computes nothing")
    if name in _PROCESSES_OF_THEIR_OWN:
        raise ValueError(f"{name!r} has processes of its own: leave `processes` out")


VERIFIER = Kind("berry.verifiers", VERIFIERS, settings=ProcessSettings, check=check_part)
"""What `use` can name in a verifier's section."""


class CannotBuild(Exception):
    """A verifier's class cannot be made one of its options; the message is one line."""


def build_verifier(part: Part, sandbox: SandboxConfig | None = None) -> Verifier:
    """The verifier of a checked section; one that says `uses_sandbox = True` also gets `sandbox`.

    Raises CannotBuild.
    """
    arguments = (sandbox,) if getattr(part.cls, "uses_sandbox", False) else ()
    settings = part.settings
    try:
        if isinstance(settings, ProcessSettings) and settings.processes:
            return ProcessVerifier(part.cls, part.options, settings, *arguments)
        verifier: Verifier = part.build(*arguments)
        check_verifier(verifier)
    except CannotBuild:
        raise
    except (Exception, SystemExit) as e:
        reason = " ".join(f"{type(e).__name__}: {e}".split())
        raise CannotBuild(f"the verifier {part.use!r} cannot be built: {reason}") from e
    return verifier
