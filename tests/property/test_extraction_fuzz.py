"""For any response, extraction returns code or None, and never raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code.languages import LANGUAGES
from verifiers.code.reading.extraction import extract_code

PIECES = (
    "```", "```python\n", "```cpp\n", "\n```\n", "~~~", "\n", "\n\n", "    ", "\t", " ", "\r\n", "\r",
    "def f(x):\n", "    return 2 * x\n", "return", "class f:\n", "import math\n", "f = 5\n",
    "print(f(1))\n", "n = int(input())\n", "'''", '"""', "'", '"', "#", "\\", "\\\n", "Sure",
    "Here it is:\n", "<think>", "</think>", "\n</think>\n", "<|im_end|>", "</s>", "[BEGIN]\n", "[DONE]",
    "<code>", "</code>", "python\n", "(", ")", ":", ";", "\x00", "\x0c", "\u2028", "\u00a0", "\ud800",
    "\ufeff", "from __future__ import annotations\n", "@", "é", "#include <cstdio>\n",
    "int main() {}\n", "console.log(1)\n",
)  # fmt: skip
PROMPTS = (
    "",
    "def f(x):\n",
    "import math\n\n\ndef f(x):\n    '''Twice.'''",
    "class f:\n    def g(self):\n",
    "\ud800(",
    "def g():\n    pass\n",
)


@settings(deadline=None, max_examples=1500)
@given(
    response=st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    prompt=st.sampled_from(PROMPTS),
    name=st.sampled_from([None, "f", "f.g", "(", ""]),
)
def test_extraction_never_raises(response: str, prompt: str, name: str | None) -> None:
    for language in ("python", *LANGUAGES):
        code = extract_code(response, prompt=prompt, entry_point=name, language=language)
        assert code is None or isinstance(code, str)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=400))
def test_any_text_can_be_a_response(response: str) -> None:
    extract_code(response)
    extract_code(response, prompt="def f(x):\n", entry_point="f")
