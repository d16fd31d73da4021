"""Real problems: every canonical solution passes, and planted faults are found.

What a fault should come to is asked of plain Python, which runs the tests as they are written: a
mutant that its own tests do not catch has to pass here too.
"""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from sandbox import Limits, Program, Sandbox, Status
from tests.conftest import SHARED_DATA
from tests.mutants import mutants
from verifiers import Outcome, Target, Verdict
from verifiers.code import CodeVerifier

FILE = SHARED_DATA / "humaneval_dev.jsonl"
FAULTS_EACH = 3


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    if not FILE.exists():
        pytest.skip(f"HumanEval's problems are not there: expected {FILE}")
    return [json.loads(line) for line in FILE.read_text().splitlines()]


def target(row: dict[str, Any]) -> Target:
    tests = {"prompt": row["prompt"], "tests": row["test"], "entry_point": row["entry_point"]}
    return Target(kind="asserts", tests=tests)


async def test_canonical_solutions_pass(rows: list[dict[str, Any]]) -> None:
    verifier = CodeVerifier(CodeVerifier.Config())
    forms = (
        "{completion}",
        "```python\n{completion}\n```",
        "Here it is.\n```python\n{prompt}{completion}\n```\nIt works.",
    )

    async def judge(row: dict[str, Any], form: str) -> tuple[str, Verdict]:
        response = form.format(prompt=row["prompt"], completion=row["canonical_solution"])
        return row["task_id"], await verifier.verify("", response, target(row))

    found = await asyncio.gather(*(judge(row, form) for row in rows for form in forms))
    await verifier.close()
    assert [(name, v.reason) for name, v in found if v.outcome is not Outcome.PASS] == []
    assert {name for name, verdict in found if verdict.evidence.get("forgeable")} == set()


async def test_planted_faults_are_found(rows: list[dict[str, Any]]) -> None:
    verifier = CodeVerifier(CodeVerifier.Config(cpu_seconds=0.5, wall_seconds=5))
    plain = Sandbox()
    found: Counter[str] = Counter()

    async def judge(row: dict[str, Any], what: str, faulty: str) -> str | None:
        verdict = await verifier.verify("", f"```python\n{faulty}\n```", target(row))
        script = f"{row['prompt']}\n    pass\n{faulty}\n{row['test']}\ncheck({row['entry_point']})"
        limits = Limits(cpu_seconds=0.5, wall_seconds=5)
        result = await plain.run(Program(code=script, limits=limits))
        expected = Outcome.PASS if result.status is Status.OK else Outcome.FAIL
        found[row["task_id"]] += verdict.outcome is Outcome.FAIL
        if verdict.outcome is expected:
            return None
        return f"{row['task_id']} {what}: {verdict.outcome} {verdict.reason}, plain: {result.status}"

    disagreements = await asyncio.gather(
        *(
            judge(row, what, faulty)
            for row in rows[::2]
            for what, faulty in mutants(row["prompt"] + row["canonical_solution"], row["entry_point"])
        )
    )
    await asyncio.gather(verifier.close(), plain.close())
    assert [one for one in disagreements if one is not None] == []
    assert {name: count for name, count in found.items() if count < FAULTS_EACH} == {}
