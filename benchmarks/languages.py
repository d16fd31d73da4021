"""Programs in other languages than Python: compilations and runs a second, one at a time.

Every program differs in a comment, so that none comes from the cache. Runs are those of one compiled
program, each with an input of its own, and every output is checked.
"""

import asyncio
import time

from benchmarks.measure import Measured, spread
from sandbox import Limits, SandboxConfig, Status
from verifiers.code.compiler import Built, Compiler
from verifiers.code.languages import LANGUAGES, folders
from verifiers.code.runs import Runs

_COMPILATIONS, _ROUNDS, _RUNS_IN_ROUND = 10, 10, 10
_PROGRAMS = {
    "cpp": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }\n",
    "cpp, all headers": "#include <bits/stdc++.h>\nusing namespace std;\n"
    "int main() { int n; cin >> n; vector<int> v(n, 2);\n"
    "  cout << accumulate(v.begin(), v.end(), 0); }\n",
    "javascript": "console.log(2 * Number(require('fs').readFileSync(0, 'utf8')))\n",
    "java": "import java.util.*;\npublic class Main { public static void main(String[] a) {\n"
    "  System.out.println(2 * new Scanner(System.in).nextInt()); } }\n",
}
_TEXT = """## Other languages
One worker, one program at a time: compilations/s of {compilations} programs, none from the cache, each
in a sandbox of its own, and runs/s of {rounds} rounds of {runs}.{skipped}

| program | compilations/s | runs/s |
|---|---|---|
{lines}"""


def compilations_and_runs() -> tuple[list[Measured], str]:
    """No rows, since there is nothing to compare with; the section with the figures."""
    lines, skipped = [], []
    for name, code in _PROGRAMS.items():
        language = name.split(",")[0]
        if missing := LANGUAGES[language].missing():
            skipped.append(f" {name}: {', '.join(missing)} not installed.")
        else:
            compiled, ran = asyncio.run(_measure(language, code))
            lines.append(f"| {name} | {spread(compiled, 2)} | {spread(ran, 1)} |")
    facts = {"compilations": _COMPILATIONS, "rounds": _ROUNDS, "runs": _RUNS_IN_ROUND}
    return [], _TEXT.format(**facts, skipped="".join(skipped), lines="\n".join(lines))


async def _measure(language: str, code: str) -> tuple[list[float], list[float]]:
    runs = Runs(SandboxConfig(processes=1, readable=tuple(folders())))
    compiler = Compiler(runs, seconds=30)
    try:
        await runs.sandbox.start()
        compiled, built = [], Built()
        for number in range(_COMPILATIONS):
            start = time.perf_counter()
            made = await compiler.build(language, f"{code}// {number}\n")
            compiled.append(1 / (time.perf_counter() - start))
            assert isinstance(made, Built), made
            built = made
        ran = [await _round(runs, built) for _ in range(_ROUNDS)]
    finally:
        await runs.close()
    return compiled, ran


async def _round(runs: Runs, built: Built) -> float:
    start = time.perf_counter()
    for number in range(_RUNS_IN_ROUND):
        result = await runs.run(built.program(b"%d\n" % number, Limits()))
        assert result.status is Status.OK, result
        assert int(result.stdout) == 2 * number
    return _RUNS_IN_ROUND / (time.perf_counter() - start)
