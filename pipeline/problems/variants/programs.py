"""A template as a program in Python, run in the sandbox: what it prints is the gold answer.

The program is written from the template, and works the answer out apart from `Template.answer`, which
chose the numbers: where the two differ, there is no variant.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from types import TracebackType
from typing import Self

from pipeline.errors import RunFailure, UserMistake
from pipeline.problems.variants.calculations import Expression, Number
from pipeline.problems.variants.drawing import Values, places_of
from pipeline.problems.variants.template import Constant, Earlier, Origin, Template
from sandbox import Limits, Program, Result, Sandbox, SandboxConfig, SandboxUnavailable, Status

_RUNNER = """\
import json, sys
from fractions import Fraction

for source, rows in json.load(sys.stdin):
    names = {"Fraction": Fraction}
    exec(source, names)
    answers = []
    for row in rows:
        try:
            answers.append(str(names["answer"](*map(Fraction, row))))
        except ZeroDivisionError:
            answers.append(None)
    print(json.dumps(answers))
"""
_TOGETHER = 2000
"""Programs that run together: about a second of the processor's time."""
_LIMITS = Limits(cpu_seconds=30.0, wall_seconds=60.0, output_bytes=20_000_000)


def program_of(template: Template) -> str:
    """The source of a function `answer`, which takes a Fraction for each number that may change."""
    names = [f"n{number}" for number in range(len(template.mentions))]
    lines = [f"def answer({', '.join(names)}):"]
    for number, (one, origins) in enumerate(zip(template.calculations, template.origins, strict=True)):
        lines.append(f"    r{number} = {_source(one.expression, iter(map(_name, origins)))}")
    return "\n".join([*lines, f"    return r{len(template.calculations) - 1}", ""])


def answer_text(value: Fraction) -> str | None:
    """A value as a gold answer: an integer or a decimal; None for a number without end."""
    places = places_of(value)
    if places is None:
        return None
    sign, scaled = ("-" if value < 0 else ""), abs(int(value * 10**places))
    whole, rest = divmod(scaled, 10**places)
    return f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"


class Programs:
    """Runs programs in a sandbox of its own, from code that is not asynchronous; a context manager."""

    def __init__(self, config: SandboxConfig) -> None:
        # One program runs at a time.
        self._sandbox = Sandbox(config.model_copy(update={"processes": 1}))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="variants")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, work: Sequence[tuple[str, Sequence[Values]]]) -> list[list[Fraction | None]]:
        """The answers of each program, for each row of numbers; None for a division by zero.

        Raises UserMistake where the sandbox cannot run at all, and RunFailure if it breaks off.
        """
        found: list[list[Fraction | None]] = []
        for begin in range(0, len(work), _TOGETHER):
            found += self._run_together(work[begin : begin + _TOGETHER])
        return found

    def _run_together(
        self, work: Sequence[tuple[str, Sequence[Values]]]
    ) -> Iterator[list[Fraction | None]]:
        stdin = json.dumps([(source, [list(map(str, row)) for row in rows]) for source, rows in work])
        program = Program(code=_RUNNER, stdin=stdin.encode(), limits=_LIMITS)
        try:
            result = self._thread.submit(self._wait_for, program).result()
        except SandboxUnavailable as e:
            raise UserMistake(f"problems.variants: expected a sandbox that runs: {e}") from e
        lines = result.stdout.splitlines()
        if result.status is not Status.OK or len(lines) != len(work):
            last = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise RunFailure(f"problems.variants: a program ended with {result.status}: {last}")
        return ([None if one is None else Fraction(one) for one in json.loads(line)] for line in lines)

    def close(self) -> None:
        """Ends the sandbox. Calling it twice is safe."""
        try:
            self._thread.submit(self._end).result()
        except RuntimeError:
            # The thread has ended: this is the second call, or the interpreter's end.
            return
        self._thread.shutdown()

    def _wait_for(self, program: Program) -> Result:
        return self._runner.run(self._sandbox.run(program))

    def _end(self) -> None:
        self._runner.run(self._sandbox.close())
        self._runner.close()


def _name(origin: Origin) -> str:
    if isinstance(origin, Constant):
        return f'Fraction("{origin.value}")'
    if isinstance(origin, Earlier):
        return f"r{origin.calculation}"
    return f"n{origin.mention} / 100" if origin.is_share else f"n{origin.mention}"


def _source(expression: Expression, names: Iterator[str]) -> str:
    if isinstance(expression, Number):
        name = next(names)
        return f"({name})" if "/ 100" in name else name
    left = _source(expression.left, names)
    return f"({left} {expression.sign} {_source(expression.right, names)})"
