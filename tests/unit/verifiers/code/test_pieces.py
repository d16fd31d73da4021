"""Programs in several blocks of a response."""

import pytest

from tests.programs import call_f
from verifiers.code.reading.extraction import extract_code
from verifiers.code.reading.pieces import with_pieces


def blocks(*bodies: str) -> str:
    return "\n".join(f"Then:\n```python\n{body}\n```" for body in bodies)


FUNCTION = "def f(x):\n    return math.floor(helper(x))"


@pytest.mark.parametrize(
    "parts",
    [
        ("import math", "def helper(x):\n    return 2 * x", FUNCTION),
        ("import math\ndef helper(x):\n    return 2 * x", FUNCTION),
        (FUNCTION, "import math\n\n\ndef helper(x):\n    return 2 * x\n\n\nprint(f(1))"),
        (
            "import math",
            "@staticmethod\ndef helper(x):\n    return double(x)",
            "double = lambda x: 2 * x",
            FUNCTION,
        ),
        ("import math", "def helper(x):\n    return x", "def helper(x):\n    return 2 * x", FUNCTION),
        (
            "import math as m\nmath: object = m",
            "from operator import mul\nK = 2",
            "def helper(x): return mul(K, x)",
            FUNCTION,
        ),
        (
            "import math",
            "def helper(x): return 2 * x if x else odd(x)",
            "def odd(x): return helper(x) if x else 0",
            FUNCTION,
        ),
    ],
)  # fmt: skip
def test_what_the_function_needs_is_found(parts: tuple[str, ...]) -> None:
    assert call_f(extract_code(blocks(*parts), entry_point="f")) == 4


def test_a_program_in_pieces() -> None:
    code = extract_code(blocks("def solve(n):\n    return 2 * n", "n = int(input())\nprint(solve(n))"))
    assert code == "def solve(n):\n    return 2 * n\nn = int(input())\nprint(solve(n))\n"


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return x",
        "from math import *\ndef f(x):\n    return floor(x)",
        "def f(x):\n    return [y for y in x if (z := y)] + [z]",
        "def f(x):\n    try:\n        return x\n    except ValueError as e:\n        return e",
        "def f(x):\n    global g\n    g = x\n    return g",
        "def f(*args, **kwargs):\n    return args, kwargs, len(args), __name__",
        "class A:\n    a = 1\n    def f(self):\n        return self.b",
        "def f(x):\n    match x:\n        case [y, *z]:\n            return y, z",
        "def f(x:\n",
    ],
)
def test_a_program_that_has_its_names_stays_as_it_is(code: str) -> None:
    others = ["x = y = z = 5\ndef g(): pass\nimport floor, e, args, A, b", "print('shown')"]
    assert with_pieces(code, others) == code


def test_statements_that_do_something_are_not_taken() -> None:
    code = with_pieces("def f(x):\n    return g(x)", ["print('side effect')\ng = abs\ng(1)\nassert g"])
    assert code == "g = abs\ndef f(x):\n    return g(x)"
    assert with_pieces("f(x)", ["if x:\n    x = 1", "broken("]) == "f(x)"
