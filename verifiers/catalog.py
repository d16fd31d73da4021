"""The table of built-in verifiers, and how one is built from a config section.

The table holds names and import paths. A verifier's libraries are imported only when a config names
it. Packages add verifiers through entry points in the group `berry.verifiers`.
"""

from sandbox import SandboxConfig
from verifiers.isolation.border import check_verifier
from verifiers.isolation.processes import ProcessSettings, ProcessVerifier
from verifiers.isolation.shape import complaint
from verifiers.plugins import Kind, Part
from verifiers.records import Verifier
from verifiers.traits import read_traits

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
"""Verifiers that only delegate to other verifiers."""


def check_part(part: Part) -> None:
    """Raises ValueError if the class is not a verifier or cannot run as its section says."""
    if problem := complaint(part.cls):
        raise ValueError(f"expected {part.use!r} to have {problem}")
    assert isinstance(part.settings, ProcessSettings)
    if not part.settings.processes:
        return
    place = f"{part.cls.__module__}:{part.cls.__qualname__}"
    name = next((name for name, known in VERIFIERS.items() if known == place), part.use)
    if name in MADE_OF_PARTS:
        raise ValueError(f"`processes` belongs in the parts of {name!r}, which itself computes nothing")
    if name in _PROCESSES_OF_THEIR_OWN:
        raise ValueError(f"{name!r} has processes of its own: leave `processes` out")


VERIFIER = Kind("berry.verifiers", VERIFIERS, settings=ProcessSettings, check=check_part)
"""Verifiers that `use` can name in a section."""


class CannotBuild(Exception):
    """The verifier's class rejects its options or fails to initialize; the message is one line."""


def build_verifier(part: Part, sandbox: SandboxConfig | None = None) -> Verifier:
    """The verifier of a checked section. A class with `uses_sandbox = True` also gets `sandbox`.

    Raises CannotBuild.
    """
    settings = part.settings
    try:
        arguments = (sandbox,) if read_traits(part.cls).uses_sandbox else ()
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
