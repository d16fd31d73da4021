"""`regex`: matches the answer, or the response, against a regular expression.

The pattern is the first of these that exists: the target's `tests.pattern`; the `value` of a target of
kind `regex`; the config's `pattern`. The `value` of another kind is a gold answer, not a pattern.
Matching runs in a process with time and memory limits; exceeding them is an error, so neither a pattern
from a problem set nor a response can stop the run. Patterns use the syntax of the `regex` library, a
superset of Python's.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verifiers.answers import extract_answer
from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.records import BadTarget, Outcome, Target, Verdict, VerifierBase

Flag = Literal["ignore_case", "multiline", "dot_all"]
Question = tuple[str, str, tuple[Flag, ...], bool, float]
"""Pattern, text, flags, whether the whole text must match, seconds."""

_LONGEST_PATTERN = 10_000
_EVIDENCE_CHARACTERS = 200


class RegexVerifier(VerifierBase):
    """Matches text against a pattern."""

    class Config(BaseModel):
        """The pattern, if all problems share one, and how it is applied."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        pattern: str | None = Field(default=None, min_length=1, max_length=_LONGEST_PATTERN)
        """Pattern for targets without their own."""
        where: Literal["answer", "response"] = "answer"
        """Text to match: the final answer, or the whole response."""
        match: Literal["full", "search"] = "full"
        """Whether the whole text must match, or any part of it."""
        flags: tuple[Flag, ...] = ()
        """`dot_all`: a dot also matches line ends. `multiline`: ^ and $ match at every line."""
        timeout_seconds: float = Field(default=2.0, gt=0)
        """Hard limit on one match."""
        memory_mb: int = Field(default=512, ge=64)
        """Hard limit on a matching process's memory, beyond its imports."""
        check_processes: int = Field(default=1, ge=1)
        """Matching processes."""

        @model_validator(mode="after")
        def _pattern_compiles(self) -> "RegexVerifier.Config":
            if self.pattern is not None and (problem := _complaint(self.pattern, self.flags)):
                raise ValueError(f"pattern: expected a regular expression, got {problem}")
            return self

    name = "regex"
    version = "2"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._workers = ProcessWorkers(
            match_pattern,
            max_workers=config.check_processes,
            # The library's own limit keeps the process alive; this one covers what it misses.
            timeout_seconds=config.timeout_seconds + 1,
            memory_mb=config.memory_mb,
            preload=["regex"],
        )

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer; ERROR for a bad pattern or an exceeded limit."""
        text = extract_answer(response) if self.config.where == "answer" else response
        pattern = None
        try:
            pattern = self._pattern(target)
            outcome, reason = await self._judge(pattern, text)
        except (BadTarget, CheckFailed) as e:
            outcome, reason = Outcome.ERROR, str(e)
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=text if self.config.where == "answer" else None,
            no_answer=outcome is Outcome.ABSTAIN and text is None,
            evidence={"pattern": pattern[:_EVIDENCE_CHARACTERS]} if pattern else {},
        )

    async def start(self) -> None:
        """Starts the matching processes, so that the first match does not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the matching processes. Calling it twice is safe."""
        await self._workers.close()

    def _pattern(self, target: Target) -> str:
        pattern = target.tests.get("pattern")
        if pattern is None and target.kind == "regex":
            pattern = target.value
        if pattern is None:
            pattern = self.config.pattern
        if not isinstance(pattern, str) or not 0 < len(pattern) <= _LONGEST_PATTERN:
            raise BadTarget(
                "expected a pattern of 1 to 10000 characters in the target's tests.pattern or the "
                f"config's pattern, got {'none' if pattern is None else type(pattern).__name__}"
            )
        return pattern

    async def _judge(self, pattern: str, text: str | None) -> tuple[Outcome, str]:
        if text is None:
            return Outcome.ABSTAIN, "the response states no answer"
        config = self.config
        full = config.match == "full"
        return await self._workers.run((pattern, text, config.flags, full, config.timeout_seconds))


def match_pattern(question: Question) -> tuple[Outcome, str]:
    """Whether the text matches. Runs in a matching process."""
    import regex

    pattern, text, flags, full, seconds = question
    if problem := _complaint(pattern, flags):
        return Outcome.ERROR, f"expected a regular expression as the target's pattern, got {problem}"
    compiled = regex.compile(pattern, _flags(flags))
    try:
        match = compiled.fullmatch if full else compiled.search
        found = match(text, timeout=seconds, concurrent=True)
    except TimeoutError:
        return Outcome.ERROR, f"matching took longer than {seconds:g} seconds"
    if found is None:
        return Outcome.FAIL, "the pattern does not match"
    return Outcome.PASS, "the pattern matches"


def _complaint(pattern: str, flags: tuple[Flag, ...]) -> str | None:
    """Description of the pattern's fault, in one line; None if it compiles."""
    import regex

    try:
        regex.compile(pattern, _flags(flags))
    except (regex.error, ValueError, KeyError, OverflowError, RecursionError) as e:
        return f"{pattern[:_EVIDENCE_CHARACTERS]!r} ({' '.join(str(e).split()) or type(e).__name__})"
    return None


def _flags(names: tuple[Flag, ...]) -> int:
    import regex

    flags = {"ignore_case": regex.IGNORECASE, "multiline": regex.MULTILINE, "dot_all": regex.DOTALL}
    return sum(int(flags[name]) for name in set(names))
