"""Schema of a target of the verifier `code`: the cases or tests of a program, and its limits."""

import ast
import base64
import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from sandbox import Program
from verifiers.code.reading.preludes import PRELUDES
from verifiers.mistakes import first_mistake, sentence
from verifiers.records import BadTarget, Target


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeLimits(_Checked):
    """Limits for a run of the program; unset ones come from the verifier's config."""

    cpu_seconds: float | None = Field(default=None, gt=0)
    wall_seconds: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)
    files: int = Field(default=0, ge=0)
    """Files and folders that the program may create in its working folder, which is deleted after
    it."""
    processes: int = Field(default=0, ge=0)
    """Processes that the program may start; each run then uses a sandbox of its own."""


class Base64(_Checked):
    """The content of a binary file."""

    base64: str

    @field_validator("base64")
    @classmethod
    def _decodes(cls, value: str) -> str:
        base64.b64decode(value, validate=True)
        return value


class _Program(_Checked):
    """Fields that every kind of target has."""

    prelude: str = ""
    """Python source that runs before the program, or the name of a built-in prelude: `leetcode`."""
    files: dict[str, str | Base64] = Field(default_factory=dict)
    """Name -> content of files in the program's working folder."""
    limits: CodeLimits = CodeLimits()

    @field_validator("prelude")
    @classmethod
    def _is_source(cls, value: str) -> str:
        if value in PRELUDES:
            return PRELUDES[value]
        if value.isidentifier():
            raise ValueError(f"expected source or one of {', '.join(PRELUDES)}, got {value!r}")
        try:
            with warnings.catch_warnings(action="ignore"):
                ast.parse(value)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise ValueError(f"expected Python source, got text that does not parse ({e})") from e
        return value

    @field_validator("files")
    @classmethod
    def _is_plain(cls, value: dict[str, str | Base64]) -> dict[str, str | Base64]:
        Program(code="", files=dict.fromkeys(value, b""))
        for name, content in value.items():
            if isinstance(content, str):
                _encodable(content, name)
        return value

    def file_contents(self) -> dict[str, bytes]:
        """The contents as bytes."""
        return {
            name: one.encode() if isinstance(one, str) else base64.b64decode(one.base64)
            for name, one in self.files.items()
        }


def _encodable(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise ValueError(f"{what}: expected a text without lone surrogates") from e
    return text


class PrintedCase(_Checked):
    """Input for the program, and its expected output."""

    input: str
    output: str

    @field_validator("input", "output")
    @classmethod
    def _is_unicode(cls, value: str) -> str:
        return _encodable(value, "text")


class StdinStdout(_Program):
    """A program that reads standard input and prints; each case is a separate run."""

    kind: Literal["stdin_stdout"]
    language: Literal["python", "cpp", "javascript", "java"] = "python"
    cases: tuple[PrintedCase, ...] = Field(min_length=1)
    rule: Literal["exact", "whitespace", "tokens", "numbers"] = "whitespace"
    """Comparison of printed text; `output_rules.py` has the rules."""
    tolerance: float = Field(default=1e-6, ge=0, allow_inf_nan=False)
    """Largest difference for the rule `numbers`, absolute or relative."""
    checker: str | None = None
    """Python source with `check(input, output, expected) -> bool`, instead of a rule."""
    all_cases: bool = False
    """Continue after the first failure, so that the fraction of passed cases is known."""


def _refuse_others(value: object) -> object:
    if value != "python":
        raise ValueError(f"expected python (only stdin_stdout takes other languages), got {value!r}")
    return value


OnlyPython = Annotated[Literal["python"], BeforeValidator(_refuse_others)]


class CallCase(_Checked):
    """A call and its expected return value, in the encoding of `inside/values.py`."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference between floats, absolute or relative."""


class Calls(_Program):
    """A function; all cases are called in one process, one after the other."""

    kind: Literal["calls"]
    language: OnlyPython = "python"
    entry_point: str = Field(min_length=1)
    cases: tuple[CallCase, ...] = Field(min_length=1)
    prompt: str = ""
    """Text that the response may continue, or take imports and helpers from."""


class Asserts(_Program):
    """Test code in the style of HumanEval (`check(candidate)`) or MBPP (asserts)."""

    kind: Literal["asserts"]
    language: OnlyPython = "python"
    tests: str | tuple[str, ...]
    entry_point: str | None = None
    """Default: the function that the asserts call."""
    prompt: str = ""


CodeTarget = Annotated[StdinStdout | Calls | Asserts, Field(discriminator="kind")]
_TARGET: TypeAdapter[StdinStdout | Calls | Asserts] = TypeAdapter(CodeTarget)
KINDS = ("stdin_stdout", "calls", "asserts")


def target_of(content: Mapping[str, Any]) -> Target:
    """The target from a row's object with a `kind`; `check_target` checks it."""
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
