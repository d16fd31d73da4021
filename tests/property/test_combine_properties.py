"""Combined verifiers follow three-valued logic: an unknown never becomes a yes or a no."""

import asyncio
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.patience import until
from verifiers import Outcome, Target, Verdict, Verifier
from verifiers.catalog import VERIFIER, build_verifier

PASS, FAIL, ABSTAIN, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN, Outcome.ERROR
TARGET = Target(kind="any")
CANNED = f"{__name__}:Canned"
OUTCOMES = st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=4)


class Canned:
    """Returns the verdict in its options."""

    class Config(BaseModel, extra="forbid"):
        outcome: Outcome = PASS
        raises: bool = False
        kinds: tuple[str, ...] | None = None
        version: str = "1"
        no_answer: bool = False

    name = "canned"

    def __init__(self, config: Config) -> None:
        self.config, self.version, self.target_kinds = config, config.version, config.kinds

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if self.config.raises:
            raise RuntimeError("a bug")
        return Verdict(
            outcome=self.config.outcome,
            reason=f"says {self.config.outcome.value}",
            extracted=f"by {self.config.outcome.value}",
            no_answer=self.config.no_answer,
            evidence={"because": "canned"},
        )


def build(use: str, sections: Sequence[dict[str, Any]], **options: Any) -> Verifier:
    raw = {"use": use, "verifiers": [{"use": CANNED, **s} for s in sections], **options}
    return build_verifier(VERIFIER.part(raw))


def judge(use: str, outcomes: Sequence[Outcome], **options: Any) -> Verdict:
    verifier = build(use, [{"outcome": outcome} for outcome in outcomes], **options)
    return asyncio.run(ask_and_close(verifier))


async def ask_and_close(verifier: Any) -> Verdict:
    try:
        verdict: Verdict = await verifier.verify("", "x", TARGET)
        return verdict
    finally:
        await verifier.close()


def combined(use: str, outcomes: Sequence[Outcome]) -> Outcome:
    return _combined(use, tuple(outcomes))


@functools.cache
def _combined(use: str, outcomes: tuple[Outcome, ...]) -> Outcome:
    return judge(use, outcomes).outcome


@pytest.mark.parametrize(
    ("use", "table"),
    [
        ("all_of", {"pp": "p", "pf": "f", "pa": "a", "pe": "e", "ff": "f", "fa": "f", "fe": "f",
                    "aa": "a", "ae": "e", "ee": "e"}),
        ("any_of", {"pp": "p", "pf": "p", "pa": "p", "pe": "p", "ff": "f", "fa": "a", "fe": "e",
                    "aa": "a", "ae": "e", "ee": "e"}),
    ],
)  # fmt: skip
def test_the_table_of_two(use: str, table: dict[str, str]) -> None:
    letters = {outcome.value[0]: outcome for outcome in Outcome}
    assert len(table) == 10
    for pair, result in table.items():
        for order in (pair, pair[::-1]):
            assert combined(use, [letters[one] for one in order]) is letters[result], order


@settings(max_examples=60)
@given(OUTCOMES, st.randoms())
def test_the_order_of_parts_does_not_matter(outcomes: list[Outcome], chance: Any) -> None:
    shuffled = list(outcomes)
    chance.shuffle(shuffled)
    for use in ("all_of", "any_of"):
        assert combined(use, outcomes) is combined(use, shuffled)


@settings(max_examples=60)
@given(OUTCOMES)
def test_not_knowing_is_neither_a_yes_nor_a_no(outcomes: list[Outcome]) -> None:
    """A known result stays the same for any outcome of the unknown parts."""
    unknown = [place for place, outcome in enumerate(outcomes) if not outcome.is_trial]
    for use in ("all_of", "any_of"):
        result = combined(use, outcomes)
        could_be = set()
        for guesses in itertools.product((PASS, FAIL), repeat=len(unknown)):
            guessed = list(outcomes)
            for place, guess in zip(unknown, guesses, strict=True):
                guessed[place] = guess
            could_be.add(combined(use, guessed))
        assert (result.is_trial) == (len(could_be) == 1)
        assert not result.is_trial or could_be == {result}
        if not result.is_trial:
            assert result is (ERROR if ERROR in outcomes else ABSTAIN)


@settings(max_examples=60)
@given(OUTCOMES, OUTCOMES)
def test_another_part_can_only_move_the_result_one_way(
    outcomes: list[Outcome], more: list[Outcome]
) -> None:
    order = {"all_of": [PASS, ABSTAIN, ERROR, FAIL], "any_of": [FAIL, ABSTAIN, ERROR, PASS]}
    for use, ranks in order.items():
        before, after = combined(use, outcomes), combined(use, outcomes + more)
        assert ranks.index(after) >= ranks.index(before)


@settings(max_examples=80)
@given(OUTCOMES, st.booleans())
def test_the_first_decisive_part_decides(outcomes: list[Outcome], skip_errors: bool) -> None:
    verdict = judge("first_decisive", outcomes, skip_errors=skip_errors)
    decisive = [o for o in outcomes if o.is_trial or (o is ERROR and not skip_errors)]
    expected = decisive[0] if decisive else ERROR if ERROR in outcomes else ABSTAIN
    assert verdict.outcome is expected
    asked = outcomes.index(expected) + 1 if decisive else len(outcomes)
    parts = verdict.evidence["parts"]
    assert isinstance(parts, list)
    assert [part["outcome"] for part in parts] == [o.value for o in outcomes[:asked]]


@pytest.mark.parametrize("use", ["all_of", "any_of", "first_decisive"])
def test_the_evidence_has_each_verdict_and_the_reason_is_the_decisive_ones(use: str) -> None:
    verdict = judge(use, [ABSTAIN, ABSTAIN])
    part = {
        "verifier": "canned",
        "version": "1",
        "outcome": "abstain",
        "reason": "says abstain",
        "evidence": {"because": "canned"},
    }
    assert verdict.evidence == {"parts": [part, part]}
    assert (verdict.reason, verdict.extracted) == ("canned: says abstain", "by abstain")
    assert judge("all_of", [PASS, FAIL]).extracted == "by fail"


def test_a_part_that_raises_is_an_error_of_that_part() -> None:
    for use, outcome in (("all_of", ERROR), ("any_of", PASS), ("first_decisive", ERROR)):
        verifier = build(use, [{"raises": True}, {"outcome": PASS}])
        verdict = asyncio.run(verifier.verify("", "x", TARGET))
        assert verdict.outcome is outcome
        assert "the verifier raised RuntimeError: a bug" in str(verdict.evidence)


def test_a_part_is_not_asked_about_targets_that_it_does_not_read() -> None:
    sections = [{"outcome": FAIL, "kinds": ["code", "proof"]}, {"outcome": PASS, "kinds": ["any"]}]
    verdict = asyncio.run(build("first_decisive", sections).verify("", "x", TARGET))
    assert verdict.outcome is PASS
    assert "takes targets of kind code or proof, not any" in str(verdict.evidence)


def test_the_version_changes_with_that_of_a_part() -> None:
    for use in ("all_of", "any_of", "first_decisive"):
        one = build(use, [{"version": "1"}, {"version": "2"}]).version
        assert one == "1(canned/1,canned/2)"
        assert build(use, [{"version": "1"}, {"version": "3"}]).version != one


def test_parts_are_asked_at_the_same_time_and_closed_all() -> None:
    class Meeting(Canned):
        together = 0
        most = 0
        expected = 0
        closed = 0

        async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
            Meeting.together += 1
            Meeting.most = max(Meeting.most, Meeting.together)
            await until(lambda: Meeting.most >= Meeting.expected)
            # Time for more to arrive, if more ran at the same time.
            await asyncio.sleep(0.01)
            Meeting.together -= 1
            return await super().verify(prompt, response, target)

        async def close(self) -> None:
            Meeting.closed += 1
            raise OSError("stuck")

    globals()["Meeting"] = Meeting
    sections = [{"use": f"{__name__}:Meeting"}] * 3
    for use, most in (("all_of", 3), ("any_of", 3), ("first_decisive", 1)):
        Meeting.most = Meeting.closed = 0
        Meeting.expected = most
        verifier: Any = build(use, [{**section, "outcome": ABSTAIN} for section in sections])
        asyncio.run(verifier.verify("", "x", TARGET))
        assert Meeting.most == most
        with pytest.raises(OSError, match="stuck"):
            asyncio.run(verifier.close())
        assert Meeting.closed == 3


SILENT, UNSURE = {"outcome": ABSTAIN, "no_answer": True}, {"outcome": ABSTAIN}


@pytest.mark.parametrize(
    ("use", "sections", "no_answer"),
    [
        ("all_of", [SILENT, UNSURE, {"outcome": PASS}], True),
        ("all_of", [UNSURE, {"outcome": PASS}], False),
        ("any_of", [SILENT, {"outcome": FAIL}], True),
        ("any_of", [SILENT, UNSURE], False),
        ("any_of", [SILENT, {"outcome": PASS}], False),
        ("any_of", [{"kinds": ["another"]}, {"outcome": FAIL}], False),
        ("any_of", [{"kinds": ["another"]}, {"kinds": ["another"]}], False),
        ("first_decisive", [SILENT, SILENT], True),
        ("first_decisive", [SILENT, UNSURE], False),
        ("first_decisive", [{"kinds": ["another"]}, SILENT], True),
    ],
)
def test_a_missing_answer_is_told_where_it_settles_the_matter(
    use: str, sections: list[dict[str, Any]], no_answer: bool
) -> None:
    found = asyncio.run(ask_and_close(build(use, sections)))
    assert found.no_answer is no_answer
