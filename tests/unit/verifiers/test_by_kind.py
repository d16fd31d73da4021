"""Each target of a mixed set goes to the verifier for its kind."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pipeline.config import ConfigError, check_section
from verifiers import Outcome, Target, Verdict, Verifier
from verifiers.catalog import VERIFIER, build_verifier
from verifiers.code.targets import KINDS
from verifiers.isolation.border import Border
from verifiers.isolation.target_kinds import SEVERAL_KINDS, refusal, target_kinds

MINE = f"{__name__}:Mine"


class Mine:
    """Returns its own name."""

    class Config(BaseModel, extra="forbid"):
        word: str = "mine"
        starts: bool = True

    name, version = "mine", "1"

    def __init__(self, config: Config) -> None:
        self.config = config

    def start(self) -> None:
        if not self.config.starts:
            raise RuntimeError("no model")

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return Verdict(
            outcome=Outcome.PASS,
            reason=self.config.word,
            evidence={"seen": target.kind},
            verifier=self.name,
            version=self.version,
        )


class Picky(Mine):
    target_kinds = ("a", "b")


def build(**options: Any) -> Verifier:
    return build_verifier(VERIFIER.part({"use": "by_kind", **options}))


def judge(verifier: Verifier, *asked: tuple[Target, str], start: bool = False) -> list[Verdict]:
    async def ask() -> list[Verdict]:
        border = Border(verifier)
        try:
            if start:
                await border.start()
            return [await border.verify("", response, target) for target, response in asked]
        finally:
            await border.close()
            await border.close()

    return asyncio.run(ask())


MIXED = (
    (Target(kind="math", value="1/2"), r"\boxed{0.5}"),
    (Target(kind="choice", value="B"), "The answer is B."),
    (Target(kind="multiple_choice", value="B"), "The answer is C."),
    (
        Target(kind="calls", tests={"entry_point": "f", "cases": [{"args": [1], "expected": 2}]}),
        "```python\ndef f(x): return x + 1\n```",
    ),
    (
        Target(kind="stdin_stdout", tests={"cases": [{"input": "1", "output": "1"}]}),
        "```python\nprint(input())\n```",
    ),
    (Target(kind="regex", value="4[0-2]"), r"\boxed{43}"),
)
RIGHT = [Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.PASS, Outcome.PASS, Outcome.FAIL]


def test_without_kinds_every_built_in_verifier_judges_its_own() -> None:
    found = judge(build(), *MIXED)
    assert [verdict.outcome for verdict in found] == RIGHT, found
    judges = [str(verdict.evidence["judged_by"]).partition("/")[0] for verdict in found]
    assert judges == ["math", "multiple_choice", "multiple_choice", "code", "code", "regex"]
    assert {verdict.verifier for verdict in found} == {"by_kind"}


def test_a_verifiers_name_stands_for_its_kinds_and_a_kinds_own_key_comes_first() -> None:
    sections = {"code": {"use": MINE, "word": "code"}, "calls": {"use": MINE, "word": "calls"}}
    for kinds in (sections, dict(reversed(sections.items()))):
        found = judge(build(kinds=kinds), *((Target(kind=kind), "x") for kind in KINDS), start=True)
        said = dict(zip(KINDS, (verdict.reason for verdict in found), strict=True))
        assert said == {"stdin_stdout": "code", "calls": "calls", "asserts": "code"}
        assert {str(one.evidence["seen"]) for one in found} == set(KINDS)


def test_a_kind_without_a_verifier_is_an_error_that_lists_the_kinds() -> None:
    [verdict] = judge(build(kinds={"a": {"use": MINE}, "b": {"use": MINE}}), (Target(kind="c"), "x"))
    assert verdict.outcome is Outcome.ERROR
    assert verdict.reason == f"by_kind takes targets of kind a or b, not c; {SEVERAL_KINDS}"


def test_a_default_takes_the_rest() -> None:
    verifier = build(kinds={"a": {"use": MINE}}, default={"use": MINE, "word": "rest"})
    found = judge(verifier, (Target(kind="a"), "x"), (Target(kind="c"), "x"))
    assert [verdict.reason for verdict in found] == ["mine", "rest"]


def test_parts_run_in_processes_if_their_sections_say_so() -> None:
    verifier = build(kinds={"a": {"use": MINE, "processes": 1}})
    [verdict] = judge(verifier, (Target(kind="a"), "x"), start=True)
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "mine")


def test_what_cannot_start_is_said_at_the_start_or_in_every_verdict() -> None:
    broken = {"use": MINE, "starts": False}
    with pytest.raises(RuntimeError, match="no model"):
        judge(build(kinds={"a": broken}), start=True)
    found = judge(build(kinds={"a": broken}), (Target(kind="a"), "x"), (Target(kind="a"), "y"))
    assert {verdict.outcome for verdict in found} == {Outcome.ERROR}
    assert {verdict.reason for verdict in found} == {"mine cannot start: RuntimeError: no model"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["kinds={}"], "kinds: expected at least one"),
        (["kinds={math: {use: code}}"], "'code' takes targets of kind stdin_stdout, calls or asserts"),
        (["kinds={math: {use: mth}}"], "did you mean math?"),
        (["kinds={math: {use: math, processes: 1}}"], "kinds.math: 'math' has processes of its own"),
        (["processes=2"], "`processes` belongs in the parts of 'by_kind'"),
    ],
)
def test_a_mistake_names_the_key(options: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_section(VERIFIER, "by_kind", options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_config_finds_the_parts_in_a_map() -> None:
    kinds = {"a": {"use": MINE}, "b": {"use": "all_of", "verifiers": [{"use": MINE}]}}
    part = VERIFIER.part({"use": "by_kind", "kinds": kinds, "default": {"use": "exact"}})
    assert sorted(one.use for one in part.nested()) == sorted(
        ["by_kind", MINE, "all_of", MINE, "exact"]
    )
    again = VERIFIER.part(part.dump())
    assert again.dump() == part.dump()


def test_a_verifier_of_another_kind_names_the_kind_and_by_kind() -> None:
    [verdict] = judge(build_verifier(VERIFIER.part({"use": "math"})), (Target(kind="code"), "x"))
    assert verdict.outcome is Outcome.ERROR
    assert verdict.reason == f"math takes targets of kind math, not code; {SEVERAL_KINDS}"
    assert "`use: by_kind`" in SEVERAL_KINDS


def test_kinds_are_read_in_one_way() -> None:
    assert target_kinds(Mine) is None
    assert refusal(Mine, "anything") is None
    assert refusal(Picky, "b") is None
    assert refusal(Picky, "c") == "takes targets of kind a or b, not c"
    with pytest.raises(ValueError, match="tuple of texts"):
        target_kinds(type("Wrong", (), {"target_kinds": "math"}))


def test_validation_is_pydantics_for_who_builds_it_by_hand() -> None:
    with pytest.raises(ValidationError):
        VERIFIER.part({"use": "by_kind", "kinds": {}})
