"""Rows of the usual sets of programming problems, each written by hand in the set's own shape."""

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.problems import BadRow
from pipeline.problems.columns import Columns
from pipeline.problems.programs import PROGRAM_PRESETS
from pipeline.problems.programs.checkers import as_check
from pipeline.problems.programs.livecodebench import text_of_pickle
from pipeline.problems.rows import Place, RowConfig, to_problem
from pipeline.records import Problem
from tests.unit.verifiers.code.judging import judge
from verifiers import Outcome
from verifiers.code import CodeVerifier


def read(preset: str, row: dict[str, Any], **more: Any) -> Problem | BadRow:
    config = RowConfig(preset=preset, **more)  # type: ignore[arg-type]
    columns = Columns(used=config.used_columns, kept=config.meta_fields, id_field=config.id_field)
    return to_problem(row, config, columns, Place(where="row 1", source="test"))


def problem(preset: str, row: dict[str, Any], **more: Any) -> Problem:
    found = read(preset, row, **more)
    assert isinstance(found, Problem), found
    return found


def complaint(preset: str, row: dict[str, Any], **more: Any) -> str:
    found = read(preset, row, **more)
    assert isinstance(found, BadRow), found
    return found.reason


def packed(tests: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


Row = dict[str, Any]
APPS: Row = {
    "problem_id": 7,
    "question": "Double the number.",
    "solutions": "[]",
    "input_output": json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2\n", "4\n"]}),
    "difficulty": "interview",
    "starter_code": "",
}
APPS_FUNCTION: Row = {
    **APPS,
    "starter_code": "class Solution:\n    def double(self, n: int) -> int:\n        ",
    "input_output": json.dumps({"fn_name": "double", "inputs": [[1], [2]], "outputs": [2, 4]}),
}
TACO: Row = {
    "question": "Double the number.",
    "solutions": [],
    "starter_code": "",
    "input_output": json.dumps({"inputs": [["1"], ["2"]], "outputs": [["2"], ["4"]]}),
    "time_limit": "2.0 seconds",
    "memory_limit": "256.0 megabytes",
}
CODECONTESTS: Row = {
    "name": "1_A. Double",
    "description": "Double the number.",
    "public_tests": {"input": ["1\n"], "output": ["2\n"]},
    "private_tests": {"input": [], "output": []},
    "generated_tests": {"input": ["2\n", "3\n"], "output": ["4\n", "6\n"]},
    "time_limit": {"seconds": 1, "nanos": 500_000_000},
    "memory_limit_bytes": 256_000_000,
    "input_file": "",
    "output_file": "",
}
CODE_CONTESTS_PLUS: Row = {
    "id": "1_A",
    "title": "Double",
    "description": "Double the number.",
    "time_limit": 2000,
    "memory_limit": 256,
    "test_cases": [{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "4\n"}],
    "checker": "",
}
CODEFORCES: Row = {
    "id": "1/A",
    "title": "Double",
    "description": "Double the number.",
    "input_format": "One number.",
    "output_format": "Twice that.",
    "interaction_format": None,
    "note": None,
    "input_mode": "stdio",
    "time_limit": 2.0,
    "memory_limit": 256.0,
    "examples": [{"input": "1", "output": "2"}],
    "official_tests": [{"input": "1", "output": "2"}, {"input": "2", "output": "4"}],
    "generated_checker": None,
}
LIVECODEBENCH: Row = {
    "question_title": "Double",
    "question_content": "Double the number.",
    "question_id": "abc_a",
    "starter_code": "",
    "public_test_cases": json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}]),
    "private_test_cases": packed([{"input": "2\n", "output": "4\n", "testtype": "stdin"}]),
    "metadata": "{}",
}
LIVECODEBENCH_FUNCTION: Row = {
    **LIVECODEBENCH,
    "starter_code": "class Solution:\n    def double(self, n: int, s: str) -> int:\n        ",
    "public_test_cases": json.dumps([{"input": '1\n"a"', "output": "2", "testtype": "functional"}]),
    "private_test_cases": json.dumps([{"input": '2\n"b\\n"', "output": "4", "testtype": "functional"}]),
    "metadata": json.dumps({"func_name": "double"}),
}
KODCODE: Row = {
    "question_id": "Prefill_1_I",
    "question": "Write `double`.",
    "solution": "def double(n):\n    return 2 * n",
    "test": "from solution import double\n\ndef test_two():\n    assert double(1) == 2\n",
    "test_info": [{"function_name": "double", "function_declaration": "def double(n):"}],
}
MBPP: Row = {
    "task_id": 601,
    "text": "Write a function to double a number.",
    "code": "def double(n):\n    return 2 * n",
    "test_list": ["assert double(1) == 2", "assert double(N) == 4"],
    "test_setup_code": "N = 2",
    "challenge_test_list": [],
}
MBPP_SANITIZED: Row = {
    "task_id": 602,
    "prompt": "Write a function to double a number.",
    "code": "def double(n):\n    return 2 * n",
    "test_imports": ["import math"],
    "test_list": ["assert double(math.floor(1.5)) == 2"],
}
BIGCODEBENCH: Row = {
    "task_id": "BigCodeBench/0",
    "complete_prompt": 'import os\n\ndef task_func(n):\n    """Doubles."""\n',
    "instruct_prompt": "Doubles n. You should write self-contained code starting with: ...",
    "canonical_solution": "    return 2 * n\n",
    "code_prompt": "import os\ndef task_func(n):\n",
    "test": "import unittest\nclass TestCases(unittest.TestCase):\n"
    "    def test_two(self):\n        self.assertEqual(task_func(1), 2)\n",
    "entry_point": "task_func",
    "libs": "['os']",
}
KODCODE_OF_LISTS: Row = {**KODCODE, "test_info": {"function_name": ["double"]}}
PRINTS = "print(2 * int(input()))"
METHOD = "class Solution:\n    def double(self, n: int, *others) -> int:\n        return 2 * n"
ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("apps", APPS, PRINTS),
    ("apps", APPS_FUNCTION, METHOD),
    ("taco", TACO, PRINTS),
    ("codecontests", CODECONTESTS, PRINTS),
    ("codecontests", CODE_CONTESTS_PLUS, PRINTS),
    ("codeforces", CODEFORCES, PRINTS),
    ("livecodebench", LIVECODEBENCH, PRINTS),
    ("livecodebench", LIVECODEBENCH_FUNCTION, METHOD),
    ("kodcode", KODCODE, KODCODE["solution"]),
    ("kodcode", KODCODE_OF_LISTS, KODCODE["solution"]),
    ("mbpp", MBPP, MBPP["code"]),
    ("mbpp", MBPP_SANITIZED, MBPP["code"]),
    ("bigcodebench", BIGCODEBENCH, "def task_func(n):\n    return 2 * n"),
]


@pytest.mark.parametrize(("preset", "row", "code"), ROWS)
async def test_each_row_judges_the_right_program_and_a_wrong_one(
    preset: str, row: dict[str, Any], code: str
) -> None:
    found = problem(preset, row)
    assert found.domain == "code"
    verifier = CodeVerifier(CodeVerifier.Config(forgeable="pass"))
    try:
        outcomes = [
            (await judge(verifier, one, found.target.kind, **found.target.tests)).outcome
            for one in (code, code.replace("2 *", "3 *"))
        ]
    finally:
        await verifier.close()
    assert outcomes == [Outcome.PASS, Outcome.FAIL]


def test_every_preset_has_a_row_here() -> None:
    assert {preset for preset, _, _ in ROWS} == set(PROGRAM_PRESETS)


def test_limits_of_a_contest_are_for_its_own_language() -> None:
    assert problem("taco", TACO).target.tests["limits"] == {"cpu_seconds": 10.0, "memory_mb": 1024}
    cpp = problem("taco", TACO, language="cpp").target.tests
    assert (cpp["limits"], cpp["language"]) == ({"cpu_seconds": 2.0, "memory_mb": 256}, "cpp")
    tests = problem("codecontests", CODECONTESTS, time_factor=2, rule="tokens").target.tests
    assert tests["limits"] == {"cpu_seconds": 3.0, "memory_mb": 1024}
    assert tests["rule"] == "tokens"
    assert len(tests["cases"]) == 3  # type: ignore[arg-type]
    plus = problem("codecontests", CODE_CONTESTS_PLUS, language="java").target.tests["limits"]
    assert plus == {"cpu_seconds": 4.0, "memory_mb": 1024}
    assert "limits" not in problem("apps", APPS).target.tests


def test_prompts_have_what_an_answer_needs() -> None:
    assert "class Solution" in problem("apps", APPS_FUNCTION).prompt
    assert "assert double(1) == 2" in problem("mbpp", MBPP).prompt
    shown = problem("codeforces", CODEFORCES).prompt
    for part in ("Double the number.", "One number.", "Twice that.", "Example 1"):
        assert part in shown
    assert problem("bigcodebench", BIGCODEBENCH).prompt == BIGCODEBENCH["instruct_prompt"]
    completed = problem("bigcodebench", BIGCODEBENCH, prompt_field="complete_prompt").prompt
    assert completed.startswith("import os")
    assert problem("apps", APPS).source_id == "7"


def test_values_of_functions_are_as_the_sets_mean_them() -> None:
    def cases(inputs: Any, outputs: Any, starter_code: str = "") -> Any:
        given = {"fn_name": "f", "inputs": inputs, "outputs": outputs}
        row = {**APPS, "input_output": json.dumps(given), "starter_code": starter_code}
        tests = problem("apps", row).target.tests
        return tests["entry_point"], [(c["args"], c["expected"]) for c in tests["cases"]]  # type: ignore[attr-defined]

    assert cases([[1]], [[2]]) == ("f", [([1], 2)])
    assert cases([[1], [2]], [[2], [3, 4]]) == ("f", [([1], [2]), ([2], [3, 4])])
    assert cases([[1]], [[2]], "def f(n) -> List[int]:") == ("f", [([1], [2])])
    assert cases([[{"1": "a"}]], [{"x": 1}]) == ("f", [([{"$dict": [[1, "a"]]}], {"x": 1})])


@pytest.mark.parametrize(
    ("preset", "change", "said"),
    [
        ("apps", {"input_output": ""}, "input_output"),
        ("apps", {"input_output": "{"}, "expected JSON"),
        ("apps", {"input_output": "[]"}, "input_output"),
        ("apps", {"input_output": '{"inputs": [], "outputs": []}'}, "tests"),
        ("apps", {"input_output": '{"inputs": ["1"], "outputs": []}'}, "as many outputs"),
        ("apps", {"input_output": '{"inputs": [1], "outputs": [1], "fn_name": "f"}'}, "arguments"),
        ("apps", {"question": " "}, "question"),
        ("codecontests", {"public_tests": None, "generated_tests": None}, "public_tests"),
        ("codecontests", {"input_file": "in.txt"}, "input_file"),
        ("codecontests", {"public_tests": {"input": ["1"]}}, "public_tests"),
        ("codecontests", {"checker": '#include "testlib.h"\nint main() {}'}, "C\\+\\+"),
        ("codeforces", {"interaction_format": "Talk."}, "interactive"),
        ("codeforces", {"input_mode": "file"}, "input_mode"),
        ("codeforces", {"official_tests": []}, "official_tests"),
        ("codeforces", {"generated_checker": "int main() {}"}, "generated_checker"),
        ("livecodebench", {"public_test_cases": "[]", "private_test_cases": "[]"}, "tests"),
        ("livecodebench", {"private_test_cases": "!!"}, "base64"),
        ("livecodebench", {"private_test_cases": "AAAA"}, "private_test_cases"),
        ("livecodebench", {"public_test_cases": '[{"testtype": "other"}]'}, "testtype"),
        ("kodcode", {"test": None}, "test"),
        ("mbpp", {"test_list": []}, "test_list"),
        ("mbpp", {"test_list": [1]}, "test_list"),
        ("bigcodebench", {"entry_point": ""}, "entry_point"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(preset: str, change: dict[str, Any], said: str) -> None:
    row = {name: row for name, row, _ in reversed(ROWS)}[preset]
    reason = complaint(preset, {**row, **change})
    assert said.replace("\\", "") in reason, reason


def test_only_programs_that_print_are_asked_for_in_other_languages() -> None:
    for preset, row in (("apps", APPS_FUNCTION), ("kodcode", KODCODE), ("mbpp", MBPP)):
        assert "language=python" in complaint(preset, row, language="cpp")


class _Attack:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("/tmp/berry-unpickled"),)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_no_pickle_is_run(protocol: int) -> None:
    assert text_of_pickle(pickle.dumps('[1, "é"]' * 200, protocol)) == '[1, "é"]' * 200
    for value in (_Attack(), [1], ["a"], b"a", 5, None, ("a", "b")):
        with pytest.raises(ValueError, match="expected a pickle of one text"):
            text_of_pickle(pickle.dumps(value, protocol))
    attack = base64.b64encode(zlib.compress(pickle.dumps(_Attack()))).decode()
    reason = complaint("livecodebench", {**LIVECODEBENCH, "private_test_cases": attack})
    assert "pickle" in reason
    assert not Path("/tmp/berry-unpickled").exists()
    for broken in (b"", b"\x80\x04", b"\x80\x04\x8c\x05ab", b"garbage"):
        with pytest.raises(ValueError):  # noqa: PT011 - what is wrong differs
            text_of_pickle(broken)


SCRIPT = """\
import sys

def check(a, b):
    return sorted(a.split()) == sorted(b.split())

def main():
    with open(sys.argv[1]) as file:
        int(file.read())
    expected, got = open(sys.argv[2]).read(), open(sys.argv[3]).read()
    print(1 if check(expected, got) else 0)
    sys.exit(0)

if __name__ == "__main__":
    main()
"""


async def test_checkers_in_python_are_scripts_or_functions() -> None:
    function = "def check(input, output, expected):\n    return sorted(output) == sorted(expected)"
    assert as_check(function, "checker") == {"checker": function}
    assert as_check("", "checker") == {}
    row = {**CODEFORCES, "official_tests": [{"input": "1", "output": "1 2 3"}]}
    verifier = CodeVerifier(CodeVerifier.Config())
    try:
        found = problem("codeforces", {**row, "generated_checker": SCRIPT})
        outcomes = [
            (await judge(verifier, code, found.target.kind, **found.target.tests)).outcome
            for code in ("print('3 2 1')", "print('3 2 2')", "print(1)", "print()")
        ]
    finally:
        await verifier.close()
    assert outcomes == [Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.FAIL]
