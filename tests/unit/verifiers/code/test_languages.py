"""Programs in languages other than Python, each in the real sandbox."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.verifiers.code.judging import printed
from verifiers import Outcome, Verdict
from verifiers.code import CodeVerifier
from verifiers.code.languages import LANGUAGES
from verifiers.records import NothingKnown

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAMS: Mapping[str, Mapping[str, str]] = {
    "cpp": {
        "right": "#include <bits/stdc++.h>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }",
        "wrong": "#include <iostream>\nint main() { std::cout << 5; }",
        "deep": "#include <iostream>\n"
        "int f(int n) { volatile int x = n; return n ? 1 + f(n - 1) + x - n : 0; }\n"
        "int main() { int n; std::cin >> n; std::cout << f(1000000) - 1000000 + 2 * n; }",
        "loop": "int main() { volatile int x = 1; while (x) ; }",
        "memory": "#include <vector>\nint main() { std::vector<std::vector<int>> v;\n"
        "  for (;;) v.push_back(std::vector<int>(1 << 20, 1)); }",
        "output": '#include <cstdio>\nint main() { for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); }',
        "crash": "int main() { volatile int *p = nullptr; return *p; }",
        "exit": "int main() { return 3; }",
        "no compile": "int main() { return x; }",
        "no link": "int f();\nint main() { return f(); }",
        "reads": '#include "/etc/passwd"\nint main() {}',
    },
    "javascript": {
        "right": "const n = Number(require('fs').readFileSync(0, 'utf8')); console.log(2 * n)",
        "wrong": "console.log(5)",
        "deep": "const n = Number(require('fs').readFileSync(0, 'utf8'))\n"
        "const f = k => k ? 1 + f(k - 1) : 0\nconsole.log(f(50000) - 50000 + 2 * n)",
        "loop": "console.log(1); while (true);",
        "memory": "const v = []; for (;;) v.push(new Array(1000000).fill(1.5)); console.log(v)",
        "output": "for (;;) require('fs').writeSync(1, 'x'.repeat(10000))",
        "crash": "console.log(null.x)",
        "exit": "console.log(1); process.exit(3)",
        "no compile": "console.log(1",
        "reads": "console.log(require('fs').readFileSync('/etc/passwd', 'utf8'))",
    },
    "java": {
        "right": "import java.util.*;\npublic class Solution { public static void main(String[] a) {\n"
        "  System.out.println(2 * new Scanner(System.in).nextInt()); } }",
        "wrong": "class Main { public static void main(String[] a) { System.out.println(5); } }",
        "deep": "class Helper { static int f(int n) { return n == 0 ? 0 : 1 + f(n - 1); } }\n"
        "public class Main { public static void main(String[] a) {\n"
        "  int n = new java.util.Scanner(System.in).nextInt();\n"
        "  System.out.println(Helper.f(100000) - 100000 + 2 * n); } }",
        "loop": "class Main { public static void main(String[] a) { while (true); } }",
        "memory": "import java.util.*;\nclass Main { public static void main(String[] a) {\n"
        "  List<int[]> v = new ArrayList<>(); while (true) v.add(new int[1 << 20]); } }",
        "crash": "class Main { public static void main(String[] a) { int[] x = {}; x[0] = 1; } }",
        "exit": "class Main { public static void main(String[] a) { System.exit(3); } }",
        "no compile": "class Main { public static void main(String[] a) { return 1; } }",
        "package": "package my.own;\npublic class Main { public static void main(String[] a) {\n"
        "  System.out.println(2 * new java.util.Scanner(System.in).nextInt()); } }",
    },
}
EXPECTED = {
    "right": None,
    "deep": None,
    "package": None,
    "wrong": "wrong_answer",
    "loop": "timeout",
    "memory": "memory_limit",
    "output": "output_limit",
    "crash": "runtime_error",
    "exit": "runtime_error",
    "no compile": "compile_error",
    "no link": "compile_error",
}
FENCES = {"cpp": "cpp", "javascript": "js", "java": "java"}


def needs(language: str) -> None:
    if missing := LANGUAGES[language].missing():
        pytest.skip(
            f"{', '.join(missing)} not installed: apt-get install {LANGUAGES[language].package}"
        )


async def ask(verifier: CodeVerifier, language: str, code: str, **more: Any) -> Verdict:
    needs(language)
    response = f"So:\n```{FENCES[language]}\n{code}\n```\nIt doubles."
    cases = (("1\n", "2\n"), ("21\n", "42\n"))
    return await printed(verifier, response, *cases, language=language, **more)


@pytest.mark.parametrize(
    ("language", "name"), [(language, name) for language, some in PROGRAMS.items() for name in some]
)
async def test_programs_of_every_sort(verifier: CodeVerifier, language: str, name: str) -> None:
    verdict = await ask(verifier, language, PROGRAMS[language][name], limits={"memory_mb": 256})
    if name == "reads":
        assert verdict.outcome is Outcome.FAIL, verdict
        assert "root:" not in verdict.reason
    elif EXPECTED[name] is None:
        assert verdict.outcome is Outcome.PASS, verdict
    else:
        assert verdict.outcome is Outcome.FAIL, verdict
        assert "Node.js v" not in verdict.reason
        assert verdict.evidence["reason_code"] == EXPECTED[name], verdict.reason


async def test_a_program_is_compiled_once(verifier: CodeVerifier) -> None:
    code = PROGRAMS["cpp"]["right"] + " // once"
    first = await ask(verifier, "cpp", code)
    again = await ask(verifier, "cpp", code)
    other = await ask(verifier, "cpp", code + " more")
    assert first.outcome is again.outcome is other.outcome is Outcome.PASS
    assert first.seconds is not None
    assert again.seconds is not None
    assert again.seconds < first.seconds / 2


async def test_a_language_that_is_not_installed_is_an_error(
    verifier: CodeVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifiers.code.languages._PATH", "/nowhere")
    for language in LANGUAGES:
        code = f"```{FENCES[language]}\nint main() {{}} // console.log('new')\n```"
        verdict = await printed(verifier, code, ("", ""), language=language)
        assert verdict.outcome is Outcome.ERROR
        assert f"apt-get install {LANGUAGES[language].package}" in verdict.reason


async def test_compilers_are_bound_by_time(verifier: CodeVerifier) -> None:
    needs("cpp")
    quick = CodeVerifier(CodeVerifier.Config(compile_seconds=0.5))
    endless = (
        "template <int A, int B> struct F { static const int v = F<A - 1, B>::v + F<A, B - 1>::v; };\n"
        "template <int B> struct F<0, B> { static const int v = 1; };\n"
        "template <int A> struct F<A, 0> { static const int v = 1; };\n"
        "int main() { return F<440, 440>::v; }"
    )
    try:
        verdict = await ask(quick, "cpp", endless)
    finally:
        await quick.close()
    assert verdict.evidence["reason_code"] == "compile_error", verdict
    assert "time limit" in verdict.reason


async def test_a_compiler_that_is_killed_from_outside_says_nothing_of_the_program(
    verifier: CodeVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("cpp")

    async def killed(program: object) -> None:
        raise NothingKnown("the program was killed from outside, twice")

    monkeypatch.setattr(verifier._compiler._runs, "run", killed)
    code = PROGRAMS["cpp"]["right"] + " // killed"
    assert (await ask(verifier, "cpp", code)).outcome is Outcome.ERROR
    monkeypatch.undo()
    assert (await ask(verifier, "cpp", code)).outcome is Outcome.PASS


async def test_a_checker_judges_any_language(verifier: CodeVerifier) -> None:
    checker = "def check(input, output, expected): return int(output) == int(input) * 2"
    verdict = await ask(verifier, "cpp", PROGRAMS["cpp"]["right"], checker=checker)
    assert verdict.outcome is Outcome.PASS, verdict
