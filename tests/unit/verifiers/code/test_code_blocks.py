"""Choice of the program among a response's code blocks."""

import pytest

from tests.patience import processor_time
from tests.programs import call_f
from verifiers.code.reading.extraction import extract_code

PROMPT = 'import math\n\ndef helper(x):\n    return x\n\ndef f(x: int) -> int:\n    """Twice x."""\n'


@pytest.mark.parametrize(
    "response",
    [
        "    return 2 * x\n",
        "```python\ndef f(x):\n    return 2 * x\n```",
        "Sure:\n```python\ndef f(x):\n    return 2 * x\n```\nFor example:\n```python\nprint(f(1))\n```",
        "```python\ndef f(x):\n    return 1\n```\nNo, better:\n```py\ndef f(x):\n    return 2 * x\n```",
        "```\ndef f(x):\n    return 2 * x\n```",
        "~~~python\ndef f(x):\n    return 2 * x\n~~~",
        "```python\ndef f(x):\n    return math.floor(helper(2 * x))\n```",
        "```python\nreturn 2 * x\n```",
        "```python\n    return 2 * x\n```",
        "```bash\npip install f\n```\n```python\ndef f(x):\n    return 2 * x\n```\n```text\n4\n```",
        "```python\ndef f(x):\n    return 2 * x\n",
        "def f(x):\n    return 2 * x\n",
        "1. Like so:\n   ```python\n   def f(x):\n       return 2 * x\n   ```\n",
        "```python\nf = lambda x: 2 * x\n```",
        "```python3.11\ndef f(x):\n    return 2 * x\n```",
        "```Python 3\ndef f(x):\n    return 2 * x\n```",
        "```python\nf: object = lambda x: 2 * x\n```",
        "f: object = lambda x: 2 * x",
        "\ufeffdef f(x):\n    return 2 * x\n",
        "\ufeff```python\n\ufeffdef f(x):\n    return 2 * x\n```",
        "<think>\n```python\ndef f(x):\n    return 1\n</think>\n"
        "```python\ndef f(x):\n    return 2 * x\n```",
        "Hm, `f`?\n```\nf(1)\n</think>\n\ndef f(x):\n    return 2 * x\n",
        "<think>\ndef f(x):\n    return 1\n</think>\n    return 2 * x\n",
        "return 2 * x",
        "y = 2\nreturn y * x",
    ],
)
def test_the_program_is_found(response: str) -> None:
    assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4


def test_without_an_entry_point_it_is_the_last_block() -> None:
    response = "```python\nprint(1)\n```\nor\n```python\nprint(2)\n```\nprints\n```output\n2\n```"
    assert extract_code(response) == "print(2)\n"
    assert extract_code("print(3)") == "print(3)"


@pytest.mark.parametrize(
    "response", ["", " \n", "Yes.", "The answer is 5", "Yes", "No: x", "```text\nx\n```", "Sure!"]
)
def test_prose_is_no_code(response: str) -> None:
    assert extract_code(response) is None
    assert extract_code(response, prompt=PROMPT, entry_point="f") is None


def test_broken_code_is_code() -> None:
    assert extract_code("def f(x):\n    return (", entry_point="f") is not None
    assert extract_code("    return (", prompt=PROMPT, entry_point="f") is not None


def test_output_that_is_shown_in_a_block_is_not_the_program() -> None:
    shown = "```python\nprint(3)\n```\nExample output:\n```\n3 items\n```"
    assert extract_code(shown) == "print(3)\n"
    assert extract_code("```\nprint(3)\n```\nprints\n```\n3 items\n```") == "print(3)\n"


def test_a_program_may_speak_of_thinking() -> None:
    code = 'def f(x):\n    print("</think>")\n    return 2 * x\n'
    assert extract_code(code, entry_point="f") == code
    only_thought = f"<think>\n```python\n{code}```\n</think>"
    assert extract_code(only_thought, entry_point="f") == code


def test_a_comparison_defines_nothing() -> None:
    blocks = "```python\ndef f(x):\n    return 2 * x\n```\n```python\nf == f\n```"
    assert call_f(extract_code(blocks, entry_point="f")) == 4


def test_line_ends_of_any_sort() -> None:
    assert extract_code("So:\r\n```python\r\nprint(3)\r\n```\r\nDone.") == "print(3)\n"


@pytest.mark.parametrize("tail", ["a" * 300_000, " " * 300_000, "`" * 300_000, "`a" * 150_000])
def test_a_model_that_runs_on_does_not_hold_up_the_judge(tail: str) -> None:
    with processor_time(most=10):
        extract_code("```" + tail, prompt=PROMPT, entry_point="f")
