"""Runs inside the sandbox: calls a function of untrusted code and returns its result.

It knows no expected value. The untrusted code shares its process and could write any answer itself, but
a passing answer needs the right values, which is the task anyway.
"""

import json
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from verifiers.code.inside.values import NoValue, decode, encode


def run_calls() -> None:
    """Reads {"code", "entry_point", "calls": [{"args", "kwargs"}]}; writes one line per answer."""
    request, answers = _begin()
    solution = _load(request["code"])
    function = _find(solution, request["entry_point"])
    for call in request["calls"]:
        args = [decode(value) for value in call["args"]]
        kwargs = {name: decode(value) for name, value in call["kwargs"].items()}
        _write(answers, _answer(function, args, kwargs))


def run_checker() -> None:
    """Reads {"checker", "input", "output", "expected"}; writes the result of its `check`."""
    request, answers = _begin()
    check = _find(_load(request["checker"]), "check")
    _write(answers, _answer(check, [request["input"], request["output"], request["expected"]], {}))


def _begin() -> tuple[dict[str, Any], int]:
    """The request, and the descriptor for answers; the code's own output is discarded."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    answers = os.dup(1)
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    return request, answers


def _write(answers: int, answer: dict[str, Any]) -> None:
    content = memoryview(json.dumps(answer).encode() + b"\n")
    while content:
        content = content[os.write(answers, content) :]


def _load(code: str) -> types.ModuleType:
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    exec(compile(code, "solution.py", "exec"), module.__dict__)
    return module


def _find(module: types.ModuleType, entry_point: str) -> Callable[..., Any]:
    """A function, or `Class.method` on an instance made without arguments."""
    found: Any = module
    for name in entry_point.split("."):
        if isinstance(found, type):
            found = found()
        found = getattr(found, name)
    # Calling something that is not a function raises TypeError, like any other failing call.
    function: Callable[..., Any] = found
    return function


def _answer(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        value = function(*args, **kwargs)
    except MemoryError:
        raise
    except Exception as e:  # noqa: BLE001 - untrusted code raises anything
        return {"raised": f"{type(e).__name__}: {e}"[:200]}
    try:
        return {"value": encode(value)}
    except NoValue as e:
        return {"no_value": str(e)}
    except MemoryError:
        raise
    except Exception as e:  # noqa: BLE001 - iterators run untrusted code
        return {"no_value": f"it cannot be read ({type(e).__name__})"}
