"""Responses whose code is not where a plain reading of fences finds it."""

import pytest

from tests.patience import processor_time
from tests.programs import call_f
from verifiers.code.reading.extraction import extract_code

PROMPT = 'import math\n\n\ndef f(x: int) -> int:\n    """Twice x."""\n'
BODY = "    return 2 * x\n"
WHOLE = f"def f(x):\n{BODY}"


@pytest.mark.parametrize("code", [BODY, WHOLE, "return 2 * x\n", "    y = 2\n    return y * x"])
@pytest.mark.parametrize(
    "behind",
    [
        "\n```",
        "\n```\n",
        "\n```\n\nThis function doubles its argument.",
        "\n```\n\nExample usage:\n```python\nprint(f(1))\n```",
        "\n```\nOutput:\n```\n2\n```\n",
        "\n```<|im_end|>",
        "\n```\n<|endoftext|>",
        "\n```<|im_end|>\n<|im_start|>user\nThanks",
        "<|im_end|>",
        "\n</s>",
        "\n[DONE]",
        "\n[DONE]\n\nYou are an expert programmer.",
        "\n~~~",
    ],
)
def test_only_the_closing_fence_is_there(code: str, behind: str) -> None:
    response = code.rstrip("\n") + behind
    assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4, response
    if code == WHOLE:
        assert call_f(extract_code(response, entry_point="f")) == 4


@pytest.mark.parametrize("behind", ["\n```", "\n```\nIt reads a number.", "\n```\nOutput\n```\n4\n```"])
def test_only_the_closing_fence_of_a_program_is_there(behind: str) -> None:
    code = "n = int(input())\nprint(2 * n)"
    assert extract_code(code + behind) == code + "\n"


@pytest.mark.parametrize("tag", ["python", "Python", "py", "python3 ", "\npython"])
def test_the_prompt_has_begun_the_opening_fence(tag: str) -> None:
    for code in (WHOLE, BODY):
        response = f"{tag}\n{code}```\nDone."
        assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4
    assert extract_code(f"{tag}\nprint(input())\n```") == "print(input())\n"
    cpp = "#include <cstdio>\nint main() {}\n"
    assert extract_code(f"cpp\n{cpp}```", language="cpp") == cpp


def test_broken_code_before_a_closing_fence_stays_code() -> None:
    code = extract_code("    return (\n```\nSo it is.", prompt=PROMPT, entry_point="f")
    assert code is not None
    assert "So it is" not in code


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT.rstrip("\n"),
        PROMPT,
        PROMPT + "    ",
        PROMPT + "\n",
        PROMPT + "    # your code",
        "def f(x):",
        "def f(x):\n",
        "def f(x):\n    ",
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "    return 2 * x",
        "return 2 * x",
        "\n    return 2 * x\n",
        "    y = 2\n    return y * x",
        "y = 2\n    return y * x",
        "y = 2\nreturn y * x",
        "if x:\n        return 2 * x\n    return 0",
    ],
)
def test_a_body_is_joined_to_any_prompt(prompt: str, body: str) -> None:
    for response in (body, f"```python\n{body}\n```", f"{body}\n```\nDone."):
        assert call_f(extract_code(response, prompt=prompt, entry_point="f")) == 4, response


@pytest.mark.parametrize(
    "demo",
    [
        "```python\nprint(f(3))\n```",
        "```python\nassert f(1) == 2\nassert f(2) == 4\n```",
        "```\n>>> f(3)\n6\n```",
        "```python\nfrom solution import f\nf(3)\n```",
        "```output\n6\n```",
        "```\n6\n```",
        "```python\n6\n```",
    ],
)
def test_a_demo_is_not_the_solution(demo: str) -> None:
    for solution in (WHOLE, BODY):
        response = f"Solution:\n```python\n{solution}```\nHow to use it:\n{demo}\nThat is all."
        assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4


@pytest.mark.parametrize("before", ["", "Here it is:\n\n", "Sure.\n"])
@pytest.mark.parametrize(
    "behind",
    ["Use:\n```python\nprint(f(1))\n```", "```\nf(1) is 2\n```", "```\nDone.", "Try\n~~~\n2\n~~~"],
)
def test_a_program_without_fences_may_be_followed_by_a_block(before: str, behind: str) -> None:
    response = f"{before}{WHOLE}\n{behind}"
    assert call_f(extract_code(response, entry_point="f")) == 4
    assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4
    better = f"{before}def f(x):\n    return x\n\nNo:\n```python\n{WHOLE}```"
    assert call_f(extract_code(better, entry_point="f")) == 4
    program = extract_code(f"{before}{PROGRAM}\n{behind.replace('f(1)', '5')}")
    assert program is not None
    assert program.strip() == PROGRAM.strip()


PROGRAM = "import sys\nn = int(sys.stdin.readline())\nprint(n * 2)\n"


@pytest.mark.parametrize(
    "demo",
    [
        "```python\nprint(solve(3))\n```",
        "```python\nsys.stdin = io.StringIO('3')\nmain()\n```",
        "```python\nwith patch('builtins.input', return_value='3'):\n    main()\n```",
        "```\n3\n```",
        "```\n6 = 2 * 3\n```",
        "```bash\necho 3 | python main.py\n```",
        "```python\n# expected\n6\n```",
    ],
)
def test_a_demo_is_not_the_program(demo: str) -> None:
    assert extract_code(f"```python\n{PROGRAM}```\nFor example:\n{demo}\n") == PROGRAM
    assert extract_code(f"```\n{PROGRAM}```\nFor example:\n{demo}\n") == PROGRAM


def test_the_last_of_two_programs_counts() -> None:
    better = PROGRAM.replace("n * 2", "n + n")
    assert extract_code(f"```python\n{PROGRAM}```\nBetter:\n```python\n{better}```") == better
    no_input = "```python\nprint(1)\n```\nor\n```python\nprint(2)\n```"
    assert extract_code(no_input) == "print(2)\n"
    broken = "```\nprint(1)\n```\nNow:\n```python\nprint(2\n```"
    assert extract_code(broken) == "print(2\n"


@pytest.mark.parametrize("quotes", ['"""', "'''"])
@pytest.mark.parametrize("inner", ["```\n>>> f(1)\n2\n```", "```python\nf(1)\n```", "~~~\nf(1)\n~~~"])
def test_fences_in_a_string_belong_to_the_code(quotes: str, inner: str) -> None:
    indented = inner.replace("\n", "\n    ")
    code = f"def f(x):\n    {quotes}Doubles.\n\n    {indented}\n    {quotes}\n    return 2 * x\n"
    body = code.removeprefix("def f(x):\n")
    for response in (code, f"```python\n{code}```", f"So:\n```\n{code}```\nand\n```python\nf(1)\n```"):
        assert call_f(extract_code(response, entry_point="f")) == 4, response
    for response in (body, f"```python\n{body}```\nDone", body + "```"):
        assert call_f(extract_code(response, prompt="def f(x):\n", entry_point="f")) == 4, response


def test_a_string_that_never_ends_does_not_swallow_the_next_block() -> None:
    response = f"```python\ns = '''\n```\nBetter:\n```python\n{WHOLE}```\n"
    assert extract_code(response, entry_point="f") == WHOLE


@pytest.mark.parametrize(
    "response",
    [
        f"[BEGIN]\n{WHOLE}[DONE]",
        f"Here:\n[BEGIN]\n{WHOLE}[DONE]\n\nYou are an expert.",
        f"[PYTHON]\n{WHOLE}[/PYTHON]\nIt doubles.",
        f"<code>\n{WHOLE}</code>",
        f"<code>{WHOLE}</code>\nExplained: x is doubled.",
        f"<python>\n{WHOLE}</python>",
        f"<think>Hm.</think>\n<answer>\n{WHOLE}</answer>",
        f"[BEGIN]\n```python\n{WHOLE}```\n[DONE]",
        f"<code>\n```python\n{WHOLE}```\n</code>",
        f"[BEGIN]\n{WHOLE}",
    ],
)
def test_tags_around_code(response: str) -> None:
    assert call_f(extract_code(response, entry_point="f")) == 4
    assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4


@pytest.mark.parametrize(
    "response",
    [
        f"{WHOLE}\nThis doubles x.",
        f"Here is the function:\n\n{WHOLE}",
        f"Sure\n\n{WHOLE}\nDone",
        f"Sure, here\n{WHOLE}\nDone\n",
        f"Sure!\n\n{WHOLE}\nIt works, because it doubles.\n\nAnd that is it.",
        f"<think>Hm.</think>\n{WHOLE}",
        f"<think>\nHm.\n</think>```python\n{WHOLE}```",
        f"Answer: ```python\n{WHOLE}```",
        "```python\ndef f(x):\n    return 2 * x```",
        f"```python\r\n{WHOLE}```".replace("\n", "\r\n"),
        f"````python\n{WHOLE}````",
        f"```python\n{WHOLE}`````\n",
        "```{.python}\ndef f(x):\n    return 2 * x\n```",
        f'```python title="f.py"\n{WHOLE}```',
    ],
)
def test_prose_around_code(response: str) -> None:
    assert call_f(extract_code(response, entry_point="f")) == 4


@pytest.mark.parametrize("odd", ["\u2028", "\u00a0", "\x0c", "\x1c", "\x85", "\x0b", "\u2003"])
def test_characters_that_only_some_take_for_white_space_stay(odd: str) -> None:
    body = f"    s = '{odd}'\n    return 2 * len(s) * x\n"
    assert call_f(extract_code(body, prompt=PROMPT, entry_point="f")) == 4
    dedented = f"s = 'a{odd}b'\nreturn len(s) + 1"
    for response in (dedented, f"```python\n{dedented}\n```"):
        assert call_f(extract_code(response, prompt=PROMPT, entry_point="f")) == 4
    lined = f'text = """a{odd}\n  {odd}\nb"""\nreturn len(text) - 4'
    assert call_f(extract_code(f"```\n{lined}\n```", prompt=PROMPT, entry_point="f")) == 4


def test_what_python_warns_of_is_code() -> None:
    body = '    """A \\d and \\_."""\n    return 2 * x if 1is 1 else x\n'
    response = f"{body}```\nDone."
    assert extract_code(response, prompt="def f(x):\n", entry_point="f") == f"def f(x):\n{body}"


def test_special_tokens_inside_of_a_program_stay() -> None:
    code = "n = input()\nprint(n + '<|im_end|>')\nprint('</s>')"
    assert extract_code(f"```python\n{code}\n```<|im_end|>") == code + "\n"
    assert extract_code(code) == code


@pytest.mark.parametrize(
    ("language", "fence", "code"),
    [
        ("cpp", "cpp", "#include <cstdio>\nint main() { return 0; }\n"),
        ("cpp", "c++", "#include <cstdio>\nint main() { return 0; }\n"),
        ("javascript", "js", "const a = require('fs')\nconsole.log(a)\n"),
        ("java", "java", "class Main { public static void main(String[] a) {} }\n"),
    ],
)
def test_the_block_of_the_language_counts(language: str, fence: str, code: str) -> None:
    other = "```python\nprint(input())\n```\n"
    for response in (
        f"{other}```{fence}\n{code}```\nRuns as\n```bash\n./main\n```",
        f"```{fence}\n{code}```\n{other}",
        f"So:\n```\n{code}```\nprints\n```\n1 2\n```",
        f"{code}```\nThat is it.",
        code,
        f"```{fence}\n{code}",
        f"<think>\n```{fence}\nno\n```\n</think>\n```{fence}\n{code}```",
    ):
        assert extract_code(response, language=language) == code, response
    assert extract_code(other, language=language) is None
    assert extract_code("I do not know.", language=language) is None


@pytest.mark.parametrize(
    "tail",
    [" " * 300_000, "\n" * 100_000, "`" * 300_000, "'''\n```\n" * 20_000, "```\n" * 50_000,
     "[DONE] " * 50_000, " \t" * 150_000 + "x", "a" * 300_000 + "```x", "# " * 100_000,
     "'" * 300_000, "</s>" * 50_000 + "x", "\n    " * 50_000, "\\" * 300_000 + "'''"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["", "```python\n", "def f(x):\n    '''", "[BEGIN]\n"])
def test_no_text_holds_up_the_extraction(head: str, tail: str) -> None:
    for language in ("python", "cpp"):
        with processor_time(most=10):
            extract_code(head + tail, prompt=PROMPT, entry_point="f", language=language)
