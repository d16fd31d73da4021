"""Problems of contests: APPS and TACO, CodeContests and CodeContests+, open-r1's Codeforces."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.problems.columns import wrong
from pipeline.problems.programs.checkers import as_check
from pipeline.problems.programs.shape import (
    Options,
    Reading,
    Row,
    loaded,
    number,
    optional_text,
    pairs,
    printed,
    with_starter_code,
)
from verifiers.code.inside.values import encode

_RETURNS_LIST = re.compile(r"->\s*(?:typing\.)?(?:list|tuple|sequence)\b", re.I)


def read_input_output(row: Row, prompt: str, options: Options) -> Reading:
    """APPS and TACO: `input_output` is JSON with `inputs`, `outputs` and, for functions, `fn_name`."""
    given = loaded(row, "input_output")
    if not isinstance(given, Mapping):
        raise ValueError(wrong(row, "input_output", "an object with inputs and outputs"))
    tests = pairs(given.get("inputs"), given.get("outputs"), "field 'input_output'")
    if not tests:
        raise ValueError("field 'input_output': expected tests, got none")
    starter_code = optional_text(row, "starter_code")
    question = with_starter_code(prompt, starter_code)
    if name := given.get("fn_name"):
        options.refuse_other_languages("a function that is called")
        return Reading(question, _calls(str(name), tests, starter_code))
    target = options.stdin_stdout(
        _printed_cases(tests, "field 'input_output'"),
        seconds=number(row.get("time_limit")),
        megabytes=number(row.get("memory_limit")),
    )
    return Reading(question, target)


def _calls(
    name: str, tests: Sequence[tuple[object, object]], starter_code: str
) -> Mapping[str, object]:
    """A target for a function, or for a method of LeetCode's class `Solution`."""
    # For some sites every output is a list that contains the value; the set's judge takes either.
    wrapped = all(isinstance(output, list) and len(output) == 1 for _, output in tests)
    wrapped = wrapped and not _RETURNS_LIST.search(starter_code)
    cases = []
    for arguments, output in tests:
        if not isinstance(arguments, list):
            raise ValueError(
                "field 'input_output': expected lists of arguments, because it has fn_name"
            )
        expected = output[0] if wrapped and isinstance(output, list) else output
        args = [encode(_with_whole_keys(one)) for one in arguments]
        cases.append({"args": args, "expected": encode(_with_whole_keys(expected))})
    return {
        "kind": "calls",
        "entry_point": f"Solution.{name}" if "class Solution" in starter_code else name,
        "cases": cases,
        "prelude": "leetcode",
    }


def _with_whole_keys(value: object) -> object:
    """Restores whole-number keys of a dict, which JSON turned into text."""
    if isinstance(value, dict) and value and all(_is_whole(key) for key in value):
        return {int(key): one for key, one in value.items()}
    return value


def _is_whole(key: object) -> bool:
    return isinstance(key, str) and re.fullmatch(r"-?[0-9]{1,18}", key) is not None


def read_codecontests(row: Row, prompt: str, options: Options) -> Reading:
    """CodeContests: columns of tests, with lists `input` and `output` or a list of such pairs."""
    for name in ("input_file", "output_file"):
        if optional_text(row, name).strip():
            raise ValueError(wrong(row, name, "no file: programs must read standard input and print"))
    names = ("public_tests", "private_tests", "generated_tests", "test_cases")
    cases = [case for name in names for case in _tests(row, name)]
    if not cases:
        raise ValueError(wrong(row, "public_tests", "tests in at least one of the test columns"))
    time_limit, checker = row.get("time_limit"), optional_text(row, "checker")
    if isinstance(time_limit, Mapping):
        seconds = (number(time_limit.get("seconds")) or 0) + (
            number(time_limit.get("nanos")) or 0
        ) / 1e9
    else:
        # CodeContests+ states milliseconds.
        seconds = (number(time_limit) or 0) / 1000
    num_bytes = number(row.get("memory_limit_bytes"))
    megabytes = num_bytes / 2**20 if num_bytes else number(row.get("memory_limit"))
    target = options.stdin_stdout(cases, seconds=seconds or None, megabytes=megabytes)
    return Reading(prompt, {**target, **as_check(checker, "checker")})


def read_codeforces(row: Row, prompt: str, options: Options) -> Reading:
    """open-r1/codeforces: `official_tests`, and `generated_checker` if several answers are right."""
    if optional_text(row, "interaction_format").strip():
        raise ValueError(
            "field 'interaction_format': expected none: interactive problems are not judged"
        )
    if (mode := row.get("input_mode")) not in (None, "stdio"):
        raise ValueError(f"field 'input_mode': expected stdio, got {mode!r}")
    cases = [case for name in ("official_tests", "generated_tests") for case in _tests(row, name)]
    if not cases:
        raise ValueError(wrong(row, "official_tests", "tests"))
    parts = [prompt]
    for title, name in (("Input", "input_format"), ("Output", "output_format"), ("Note", "note")):
        if part := optional_text(row, name).strip():
            parts.append(f"{title}\n{part}")
    for number_of, case in enumerate(_tests(row, "examples"), start=1):
        parts.append(f"Example {number_of}\nInput:\n{case['input']}\nOutput:\n{case['output']}")
    target = options.stdin_stdout(
        cases,
        seconds=number(row.get("time_limit")),
        megabytes=number(row.get("memory_limit")),
    )
    checker = optional_text(row, "generated_checker")
    return Reading("\n\n".join(parts), {**target, **as_check(checker, "generated_checker")})


def _tests(row: Row, name: str) -> Iterator[dict[str, str]]:
    """The cases of one column, which may be missing. Raises ValueError."""
    given, where = loaded(row, name), f"field {name!r}"
    if isinstance(given, Mapping):
        yield from _printed_cases(pairs(given.get("input"), given.get("output"), where), where)
    elif isinstance(given, list | tuple):
        for one in given:
            if not isinstance(one, Mapping):
                raise ValueError(wrong(row, name, "objects with input and output"))
            yield from _printed_cases([(one.get("input"), one.get("output"))], where)
    elif given is not None:
        raise ValueError(wrong(row, name, "tests with input and output"))


def _printed_cases(tests: Sequence[tuple[object, object]], where: str) -> list[dict[str, str]]:
    return [{"input": printed(one, where), "output": printed(other, where)} for one, other in tests]
