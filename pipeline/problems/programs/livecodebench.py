"""LiveCodeBench: tests as JSON; private tests are packed with base64, zlib and pickle.

Nothing is unpickled, because a pickle can run any code: the text in it is extracted from its opcodes.
"""

import base64
import binascii
import json
import pickletools
import zlib
from collections.abc import Mapping

from pipeline.problems.columns import wrong
from pipeline.problems.programs.shape import (
    Options,
    Reading,
    Row,
    loaded,
    optional_text,
    with_starter_code,
)
from verifiers.code.inside.values import encode
from verifiers.mistakes import shown

_MOST_BYTES = 2**30
"""Maximum size of unpacked tests: a few packed bytes can expand to any size."""
_TEXT_CODES = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_OTHER_CODES = frozenset({"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP"})


def read_livecodebench(row: Row, prompt: str, options: Options) -> Reading:
    """Programs (`testtype` stdin) or methods of LeetCode's class `Solution` (functional)."""
    tests = [*_public(row), *_private(row)]
    if not tests:
        raise ValueError(wrong(row, "public_test_cases", "tests"))
    kinds = {test.get("testtype") for test in tests}
    starter_code = optional_text(row, "starter_code")
    question = with_starter_code(prompt, starter_code)
    if kinds == {"stdin"}:
        cases = [{"input": _text(test, "input"), "output": _text(test, "output")} for test in tests]
        return Reading(question, options.stdin_stdout(cases))
    if kinds != {"functional"}:
        raise ValueError(f"expected tests of testtype stdin or functional, got {shown(list(kinds))}")
    options.refuse_other_languages("a function that is called")
    metadata = loaded(row, "metadata")
    name = metadata.get("func_name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ValueError(wrong(row, "metadata", "an object with func_name"))
    cases_of_calls = [
        {
            "args": [encode(_value(line)) for line in _text(test, "input").split("\n") if line.strip()],
            "expected": encode(_value(_text(test, "output"))),
        }
        for test in tests
    ]
    entry_point = f"Solution.{name}" if "class Solution" in starter_code else name
    target = {"kind": "calls", "entry_point": entry_point, "cases": cases_of_calls}
    return Reading(question, {**target, "prelude": "leetcode"})


def _public(row: Row) -> list[Mapping[str, object]]:
    return _checked(loaded(row, "public_test_cases"), "public_test_cases")


def _private(row: Row) -> list[Mapping[str, object]]:
    given, name = row.get("private_test_cases"), "private_test_cases"
    if isinstance(given, str) and given.strip() and given.lstrip()[0] not in "[{":
        try:
            given = json.loads(_unpacked(given))
        except (ValueError, zlib.error) as e:
            raise ValueError(
                f"field {name!r}: expected JSON, or JSON packed with pickle, zlib and base64 as in "
                f"the original set ({e})"
            ) from e
        return _checked(given, name)
    return _checked(loaded(row, name), name)


def _checked(given: object, name: str) -> list[Mapping[str, object]]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(test, Mapping) for test in given):
        raise ValueError(f"field {name!r}: expected a list of tests, got {shown(given)}")
    return given


def _unpacked(packed: str) -> str:
    """Unpacks the tests' text. Raises ValueError, zlib.error."""
    try:
        compressed = base64.b64decode(packed, validate=True)
    except binascii.Error as e:
        raise ValueError(f"is not base64: {e}") from e
    stream = zlib.decompressobj()
    pickled = stream.decompress(compressed, _MOST_BYTES)
    if not stream.eof:
        raise ValueError("is truncated or too large")
    return text_of_pickle(pickled)


def text_of_pickle(pickled: bytes) -> str:
    """Extracts the text from a pickle. Raises ValueError if the pickle holds anything else."""
    found: list[str] = []
    for code, value, _ in pickletools.genops(pickled):
        if code.name in _TEXT_CODES and isinstance(value, str):
            found.append(value)
        elif code.name not in _OTHER_CODES:
            raise ValueError(f"expected a pickle of one text, got one with {code.name}")
    if len(found) != 1:
        raise ValueError(f"expected a pickle of one text, got {len(found)}")
    return found[0]


def _text(test: Mapping[str, object], name: str) -> str:
    value = test.get(name)
    if not isinstance(value, str):
        raise ValueError(f"tests: {name}: expected a text, got {shown(value)}")
    return value


def _value(line: str) -> object:
    """An argument or a result. Raises ValueError."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"tests: expected values in JSON, got {shown(line)}") from e
    return value
