"""What is read of tests outside is what Python says of them, whatever functions do to their values.

Functions run here in this process: values are encoded on their way in and out, as for the sandbox.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from verifiers.code.asserts.interpreter import Call, Opaque, Raised, collect_calls, judge
from verifiers.code.asserts.operations import NotReadable
from verifiers.code.failures import raised
from verifiers.code.inside.values import NoValue, decode, encode

FUNCTIONS = (
    "def f(x, y=0): return x",
    "def f(x, y=0): return [x, y]",
    "def f(x, y=0): return (x, [y])",
    "def f(x, y=0):\n    x.append(1)\n    return x",
    "def f(x, y=0):\n    x.append(1)\n    return len(x)",
    "def f(x, y=0, kept=[]):\n    kept.append(x)\n    return kept",
    "def f(x, y=0, kept=[]):\n    kept.append(y)\n    return len(kept)",
    "def f(x, y=0): return x is y",
    "def f(x, y=0): return None if x == 1 else True",
    "def f(x, y=0): return {str(x): y}.keys()",
    "def f(x, y=0): return (i for i in (1, 2))",
    "def f(x, y=0): return 1 // (x == 1)",
    "class Own: pass\ndef f(x, y=0): return Own()",
    "class Own:\n    def __eq__(self, other): return True\ndef f(x, y=0): return Own()",
)
NAMES = st.sampled_from(["a", "b", "c"])
ATOMS = st.sampled_from(
    ["1", "2", "'1'", "None", "True", "[1]", "[]", "(1, [2])", "{'1': [0]}", "[[1]]"]
)
EXPRESSIONS = st.recursive(
    NAMES | ATOMS,
    lambda inner: st.one_of(
        st.builds("f({})".format, inner),
        st.builds("f({}, {})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({})[0]".format, inner),
        st.builds("len({})".format, inner),
        st.builds("list({})".format, inner),
        st.builds("list(reversed({}))".format, inner),
        st.builds("(not {})".format, inner),
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["==", "!=", "is", "is not", "in", "not in", "and", "or", "+", "<"]),
            inner,
        ),
        st.builds("({} == {} != {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("assert {}".format, EXPRESSIONS),
    st.builds("assert f({}) == {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("for a in {}:\n    assert {}".format, EXPRESSIONS, EXPRESSIONS),
)


def returned(function: str, calls: list[Call]) -> list[Any]:
    namespace: dict[str, Any] = {}
    exec(function, namespace)
    results: list[Any] = []
    for call in calls:
        args = [decode(json.loads(json.dumps(encode(arg)))) for arg in call.args]
        try:
            value = namespace["f"](*args)
        except Exception as e:  # noqa: BLE001 - functions may raise anything
            results.append(Raised(raised(repr(e))))
            continue
        try:
            results.append(decode(json.loads(json.dumps(encode(value)))))
        except NoValue as e:
            results.append(Opaque(str(e)))
    return results


def passes_in_python(function: str, tests: str) -> bool:
    namespace: dict[str, Any] = {}
    exec(function, namespace)
    try:
        exec(tests, namespace)
    except Exception:  # noqa: BLE001 - tests may raise anything
        return False
    return True


@given(st.sampled_from(FUNCTIONS), st.lists(STATEMENTS, min_size=1, max_size=4))
def test_what_is_read_is_what_python_says(function: str, statements: list[str]) -> None:
    tests = "\n".join(["a = [1]", "b = [2]", "c = 1", *statements])
    try:
        passes = all(
            one.held for one in judge(tests, "f", returned(function, collect_calls(tests, "f")))
        )
    except (NotReadable, NoValue):
        return
    expected = passes_in_python(function, tests)
    # An object that says it equals everything is not believed.
    assert passes == expected or ("__eq__" in function and not passes), (function, tests)
