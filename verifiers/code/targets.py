"""What a target of the verifier `code` says: the cases or tests of a program, and its limits."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from verifiers.mistakes import first_mistake, sentence
from verifiers.records import Target


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeLimits(_Checked):
    """What a run of the program may use; what is not given comes from the verifier's config."""

    cpu_seconds: float | None = Field(default=None, gt=0)
    wall_seconds: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)


class PrintedCase(_Checked):
    """What the program reads, and has to print."""

    input: str
    output: str


class StdinStdout(_Checked):
    """A program that reads standard input and prints; each case is a run of its own."""

    kind: Literal["stdin_stdout"]
    cases: tuple[PrintedCase, ...] = Field(min_length=1)
    rule: Literal["exact", "whitespace", "numbers"] = "whitespace"
    """How printed text is compared: `output_rules.py` has the rules."""
    tolerance: float = Field(default=1e-6, ge=0, allow_inf_nan=False)
    """For the rule `numbers`, absolute or relative."""
    checker: str | None = None
    """Python source with `check(input, output, expected) -> bool`, in place of a rule."""
    limits: CodeLimits = CodeLimits()


class CallCase(_Checked):
    """A call and the value that it has to return, in the encoding of `inside/values.py`."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """For floats, absolute or relative."""


class Calls(_Checked):
    """A function; all cases are called in one process, one after the other."""

    kind: Literal["calls"]
    entry_point: str = Field(min_length=1)
    cases: tuple[CallCase, ...] = Field(min_length=1)
    prompt: str = ""
    """What the response may continue, or take imports and helpers from."""
    limits: CodeLimits = CodeLimits()


class Asserts(_Checked):
    """Test code in the manner of HumanEval (`check(candidate)`) or MBPP (asserts)."""

    kind: Literal["asserts"]
    tests: str | tuple[str, ...]
    entry_point: str | None = None
    """If not given, the function that the asserts call."""
    prompt: str = ""
    limits: CodeLimits = CodeLimits()


CodeTarget = Annotated[StdinStdout | Calls | Asserts, Field(discriminator="kind")]
_TARGET: TypeAdapter[StdinStdout | Calls | Asserts] = TypeAdapter(CodeTarget)
KINDS = ("stdin_stdout", "calls", "asserts")


class BadTarget(ValueError):
    """The target is none that this verifier knows; the message says in one line what is wrong."""


def target_of(content: Mapping[str, Any]) -> Target:
    """The target that a row writes as one object with a `kind`; `check_target` checks it."""
    tests = dict(content)
    return Target(kind=str(tests.pop("kind", None)), tests=tests)


def check_target(target: Target) -> StdinStdout | Calls | Asserts:
    """The target's checked content. Raises BadTarget."""
    try:
        return _TARGET.validate_python({"kind": target.kind, **target.tests})
    except ValidationError as e:
        first = first_mistake(e)
        where = ".".join(map(str, first["loc"])) or "kind"
        raise BadTarget(f"target: {where}: {sentence(first)}") from e
