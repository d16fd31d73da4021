"""Problems that require a function and have test code: KodCode, MBPP, BigCodeBench."""

from collections.abc import Mapping

from pipeline.problems.columns import wrong
from pipeline.problems.programs.shape import Options, Reading, Row, loaded, optional_text, text

_FILES = 100
"""Files that the tests of BigCodeBench may write in temporary folders."""


def read_kodcode(row: Row, prompt: str, options: Options) -> Reading:
    """KodCode: `test` imports from `solution`; `test_info` has the function's name."""
    options.refuse_other_languages("test code")
    target: dict[str, object] = {"kind": "asserts", "tests": text(row, "test")}
    info = loaded(row, "test_info")
    first = info[0] if isinstance(info, list | tuple) and info else info
    name = first.get("function_name") if isinstance(first, Mapping) else None
    # Some readers of the set turn a list of objects into an object of lists.
    name = name[0] if isinstance(name, list | tuple) and name else name
    if isinstance(name, str) and name:
        target["entry_point"] = name
    return Reading(prompt, target)


def read_mbpp(row: Row, prompt: str, options: Options) -> Reading:
    """MBPP, full or sanitized. The prompt shows the tests, because only they have the function's
    name."""
    options.refuse_other_languages("test code")
    tests = loaded(row, "test_list")
    if not isinstance(tests, list | tuple) or not tests or not all(isinstance(t, str) for t in tests):
        raise ValueError(wrong(row, "test_list", "a list of asserts"))
    imports = loaded(row, "test_imports") or []
    assert isinstance(imports, list | tuple)
    setup = [one for one in (optional_text(row, "test_setup_code"), *map(str, imports)) if one.strip()]
    question = f"{prompt.rstrip()}\n\nYour code should pass these tests:\n\n" + "\n".join(tests)
    return Reading(question, {"kind": "asserts", "tests": [*setup, *tests]})


def read_bigcodebench(row: Row, prompt: str, options: Options) -> Reading:
    """BigCodeBench: `test` has TestCases, many of which write files."""
    options.refuse_other_languages("test code")
    target: dict[str, object] = {
        "kind": "asserts",
        "tests": text(row, "test"),
        "entry_point": text(row, "entry_point"),
        "prompt": optional_text(row, "complete_prompt") or optional_text(row, "code_prompt"),
        "limits": {"files": _FILES},
    }
    return Reading(prompt, target)
