"""`problems.variants`: a source with the variants of each problem after it."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import KINDS, load_config
from pipeline.errors import UserMistake
from pipeline.files.ranges import EVERY_ROW
from pipeline.problems import BadRow, Intake, ProblemError
from pipeline.problems.border import OpenSource, open_source
from pipeline.problems.variants.programs import Programs
from pipeline.problems.variants.source import VariedSource
from pipeline.records import Problem
from pipeline.templates import Template
from sandbox import Program, Result, Sandbox, SandboxConfig, SandboxUnavailable

ROWS = [
    {"question": "Ann has 48 clips and buys 15 more. How many?", "answer": "<<48+15=63>>63\n#### 63"},
    {"question": "What colour is it?", "answer": "It is red.\n#### red"},
    {"question": "Bob eats 20% of 60 pies. How many?", "answer": "<<60*.2=12>>12\n#### 12"},
]


def opened(
    path: Path, rows: list[dict[str, str]] = ROWS, template: str = "{problem}", **options: Any
) -> OpenSource:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    section: Mapping[str, Any] = {"use": "file", "path": str(path), "variants": {"numbers": 2}}
    part = KINDS["problems"].part({**section, **options})
    return open_source(part, 7, Template(template))


def problems(source: OpenSource) -> list[Problem]:
    return [row for row in source.rows() if isinstance(row, Problem)]


def test_variants_follow_their_original(tmp_path: Path) -> None:
    found = problems(opened(tmp_path / "p.jsonl"))

    first, *variants = found[:3]
    assert [one.meta.get("variant_of") for one in found] == [
        None, [first.id], [first.id], None, None, [found[4].id], [found[4].id],
    ]  # fmt: skip
    assert {one.meta["variant_kind"] for one in variants} == {"numbers"}
    for one in variants:
        words = one.prompt.split()
        assert one.target.value == str(int(words[2]) + int(words[6]))
        assert one.source == first.source
    assert len({one.prompt for one in found}) == len(found)


def test_the_same_seed_gives_the_same_variants(tmp_path: Path) -> None:
    source = opened(tmp_path / "p.jsonl")

    assert problems(source) == list(Intake(source))


def test_a_resumed_run_knows_its_variants(tmp_path: Path) -> None:
    source = opened(tmp_path / "p.jsonl")
    ids = [one.id for one in Intake(source, index=tmp_path / "index")]

    again = Intake(source, index=tmp_path / "index")

    assert again.num_known == len(ids) == 7
    assert [one.id for one in again] == ids


def test_what_came_of_the_problems_is_counted(tmp_path: Path) -> None:
    source = opened(tmp_path / "p.jsonl")
    assert isinstance(source, VariedSource)
    list(source.rows())

    tally = source.tally
    assert (tally.num_problems, tally.num_templates, tally.num_variants) == (3, 2, 4)
    assert tally.refused == {"no_number_answer": 1}
    assert source.size() == 9


def test_a_bad_row_stays_in_its_place(tmp_path: Path) -> None:
    source = opened(tmp_path / "p.jsonl", [{"question": "", "answer": "x"}, *ROWS])

    first, *others = source.rows_in(EVERY_ROW)

    assert isinstance(first, BadRow)
    assert len(others) == 7


def test_a_column_with_numbers_in_the_prompt_has_no_variants(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "hint": "Add 48."}, {**ROWS[0], "hint": "Add them."}]
    source = opened(tmp_path / "p.jsonl", rows, "{problem} {hint}")

    found = problems(source)

    assert [one.meta["hint"] for one in found] == ["Add 48.", *["Add them."] * 3]


def test_no_worked_solution_is_kept_in_problems(tmp_path: Path) -> None:
    assert [one.worked for one in problems(opened(tmp_path / "p.jsonl"))] == [None] * 7


@pytest.mark.parametrize("variants", [{"numbers": -1}, {"numbers": 101}, {"number": 2}])
def test_wrong_options_are_refused(tmp_path: Path, variants: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"numbers|number"):
        opened(tmp_path / "p.jsonl", variants=variants)


def test_reasoning_gym_draws_its_task_again() -> None:
    part = KINDS["problems"].part(
        {"use": "reasoning_gym", "task": "chain_sum", "size": 3, "variants": {"numbers": 2}}
    )
    source = open_source(part, 7)

    found = problems(source)

    assert len(found) == 9
    assert [one.meta.get("variant_kind") for one in found] == [None, "redrawn", "redrawn"] * 3
    assert len({one.id for one in found}) == 9
    assert found == problems(open_source(part, 7))


OWN = """
from pipeline.problems import SourceConfig
from pipeline.records import Problem
from verifiers import Target

class Source:
    class Config(SourceConfig):
        bad: bool = False

    def __init__(self, config, seed):
        self.config = config

    def rows(self):
        yield self.make(1)

    def variants_of(self, problem, number):
        if self.config.bad:
            raise KeyError("n")
        return [self.make(n) for n in range(2, 10)]

    def make(self, n):
        return Problem.create(prompt=f"{n}?", target=Target(kind="math", value=str(n)), source="own")
"""


def test_a_source_of_your_own_makes_its_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_variants.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    section: dict[str, Any] = {"use": "own_variants:Source", "variants": {"numbers": 2}}

    found = problems(open_source(KINDS["problems"].part(section), 0))

    assert [one.prompt for one in found] == ["1?", "2?", "3?"]
    with pytest.raises(ProblemError, match=r"variants_of\(\) raised KeyError.*own_variants\.py, line"):
        problems(open_source(KINDS["problems"].part({**section, "bad": True}), 0))


def test_a_program_that_divides_by_zero_has_no_answer() -> None:
    source = "def answer(n):\n    return 1 / n\n"
    with Programs(SandboxConfig()) as programs:
        found = programs.run([(source, [(Fraction(0),), (Fraction(3),)]), (source, [])])

        assert found == [[None, Fraction(1, 3)], []]
        assert programs.run([]) == []
    programs.close()


def test_many_programs_run_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one would meet the limits of a program: its time, and what it prints."""
    run, inputs = Sandbox.run, []

    async def watched(sandbox: Sandbox, program: Program) -> Result:
        inputs.append(json.loads(program.stdin))
        return await run(sandbox, program)

    monkeypatch.setattr("sandbox.Sandbox.run", watched)
    monkeypatch.setattr("pipeline.problems.variants.programs._TOGETHER", 2)
    work = [("def answer(n):\n    return 2 * n\n", [(Fraction(number),)]) for number in range(5)]
    with Programs(SandboxConfig()) as programs:
        found = programs.run(work)

    assert found == [[Fraction(2 * number)] for number in range(5)]
    assert list(map(len, inputs)) == [2, 2, 1]


def test_without_a_sandbox_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(self: object, program: object) -> None:
        raise SandboxUnavailable("no namespaces")

    monkeypatch.setattr("sandbox.Sandbox.run", unavailable)

    with (
        Programs(SandboxConfig()) as programs,
        pytest.raises(UserMistake, match="expected a sandbox that runs: no namespaces"),
    ):
        programs.run([("def answer():\n    return 1\n", [()])])


@pytest.mark.parametrize("number", [0, 2])
def test_a_run_without_variants_has_the_digest_that_it_had(number: int) -> None:
    config = load_config(Path("configs/simulated.yaml"), [f"problems.variants.numbers={number}"])

    assert ("variants" in config.resolved()["problems"]) is (number > 0)
