"""Patterns match or do not, and hostile ones are an error in bounded time."""

import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from verifiers import Outcome, Target, Verdict
from verifiers.regex import RegexVerifier, match_pattern

DATE = r"\d{4}-\d\d-\d\d"


@pytest_asyncio.fixture
async def quick() -> AsyncIterator[RegexVerifier]:
    """With short limits."""
    verifier = RegexVerifier(RegexVerifier.Config(timeout_seconds=0.3, memory_mb=128))
    yield verifier
    await verifier.close()
    await verifier.close()


async def judge(response: str, target: Target | None = None, **options: Any) -> Verdict:
    verifier = RegexVerifier(RegexVerifier.Config.model_validate(options))
    try:
        return await verifier.verify("?", response, target or Target(kind="regex"))
    finally:
        await verifier.close()


@pytest.mark.parametrize(
    ("response", "options", "outcome"),
    [
        (r"\boxed{2024-01-31}", {}, Outcome.PASS),
        ("The answer is 2024-01-31.", {}, Outcome.PASS),
        (r"\boxed{on 2024-01-31}", {}, Outcome.FAIL),
        (r"\boxed{on 2024-01-31}", {"match": "search"}, Outcome.PASS),
        ("on 2024-01-31", {}, Outcome.ABSTAIN),
        ("on 2024-01-31", {"where": "response"}, Outcome.FAIL),
        ("on 2024-01-31", {"where": "response", "match": "search"}, Outcome.PASS),
        ("", {"where": "response"}, Outcome.FAIL),
    ],
)
async def test_where_and_how_it_matches(
    response: str, options: dict[str, Any], outcome: Outcome
) -> None:
    verdict = await judge(response, pattern=DATE, **options)
    assert verdict.outcome is outcome
    assert verdict.evidence == {"pattern": DATE}
    assert pickle.loads(pickle.dumps(verdict)) == verdict


@pytest.mark.parametrize(
    ("target", "config", "text"),
    [
        (Target(kind="regex", value="v", tests={"pattern": "t"}), "c", "t"),
        (Target(kind="regex", value="v"), "c", "v"),
        (Target(kind="math", value="v"), "c", "c"),
        (Target(kind="math", value="v", tests={"pattern": "t"}), None, "t"),
    ],
)
async def test_which_pattern_counts(target: Target, config: str | None, text: str) -> None:
    for candidate in "tvc":
        verdict = await judge(candidate, target, pattern=config, where="response")
        assert verdict.outcome is (Outcome.PASS if candidate == text else Outcome.FAIL)


@pytest.mark.parametrize(
    ("flags", "pattern", "text"),
    [
        (["ignore_case"], "abc", "ABC"),
        (["dot_all"], "a.c", "a\nc"),
        (["multiline"], "a$\n^c", "a\nc"),
        (["ignore_case", "dot_all"], "a.c", "A\nC"),
    ],
)
def test_flags_change_what_matches(flags: list[str], pattern: str, text: str) -> None:
    config = RegexVerifier.Config.model_validate({"pattern": pattern, "flags": flags})
    assert match_pattern((pattern, text, config.flags, True, 1.0))[0] is Outcome.PASS
    if flags != ["multiline"]:
        assert match_pattern((pattern, text, (), True, 1.0))[0] is Outcome.FAIL


def test_without_multiline_a_caret_is_the_beginning() -> None:
    assert match_pattern(("^c", "a\nc", (), False, 1.0))[0] is Outcome.FAIL
    assert match_pattern(("^c", "a\nc", ("multiline",), False, 1.0))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?:a|aa)+", "a" * 5000 + "b"),
        (r"(\w+)\1\1+$", "ab" * 20_000),
        (r"(?:(?:a{1000}){1000}){1000}", "a"),  # takes all memory during compilation
        ("(" * 3000 + ")" * 3000, "x"),
    ],
    ids=["nested", "backreference", "repeats", "brackets"],
)
async def test_a_hostile_pattern_is_an_error_in_bounded_time(
    quick: RegexVerifier, pattern: str, text: str
) -> None:
    await quick.start()
    verdict = await quick.verify("?", rf"\boxed{{{text}}}", Target(kind="regex", value=pattern))
    assert verdict.outcome is Outcome.ERROR
    good = await quick.verify("?", r"\boxed{5}", Target(kind="regex", value=r"\d"))
    assert good.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (Target(kind="regex", value="(a"), "got '(a' (missing )"),
        (Target(kind="regex", tests={"pattern": 5}), "got int"),
        (Target(kind="math", value="5"), "got none"),
        (Target(kind="regex", value=""), "1 to 10000 characters"),
        (Target(kind="regex", value="a" * 10_001), "1 to 10000 characters"),
        (
            Target(kind="regex", value=r"\L<names>"),
            "expected a regular expression as the target's pattern",
        ),
    ],
)
async def test_a_bad_target_is_an_error(quick: RegexVerifier, target: Target, complaint: str) -> None:
    verdict = await quick.verify("?", r"\boxed{5}", target)
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason
    assert "\n" not in verdict.reason


@pytest.mark.parametrize("pattern", ["(a", "[", "*", "(?P<1>a)", ""])
def test_a_bad_pattern_in_the_config_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RegexVerifier.Config(pattern=pattern)
    assert len(caught.value.errors()) == 1
    assert "\n" not in caught.value.errors()[0]["msg"]
