"""How many problems have variants with other numbers, and how often their gold answer is wrong.

reasoning-gym's `gsm_symbolic` has a hundred word problems, each with a function from its numbers to
text, worked solution and answer. A template sees text and solution alone; the function tells what the
answer of the variant is, if it gives the variant's very text for the changed numbers.
"""

import importlib
import json
import random
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from benchmarks.measure import Measured, gsm8k_file
from pipeline.hashing import derive_seed
from pipeline.problems.variants.calculations import read_number
from pipeline.problems.variants.drawing import Values, draw
from pipeline.problems.variants.making import Yield, make_variants
from pipeline.problems.variants.programs import Programs
from pipeline.problems.variants.template import NoTemplate, Template, make_template
from pipeline.records import Problem
from sandbox import SandboxConfig
from verifiers import Target

_TASK = "reasoning_gym.arithmetic.gsm_symbolic.generators_"
_NUM_TASKS, _PER_TASK = 100, 40
_INNER = "generate_from_variables"
_MOST_WRONG = 0.01
_LEAST_YIELD = 0.4
_TEXT = """## Variants
Problems with other numbers, made from worked solutions (`problems.variants`). Whether their gold
answers are right is known for reasoning-gym's `gsm_symbolic`: {num_tasks} word problems with a function
from numbers to text and answer, {per_task} draws of each. A variant is checked if the function gives
its very text; else it is left out.

| | problems | with a template | with a variant | checked | wrong |
|---|---|---|---|---|---|
{rows}

Why the others have none: {reasons}.
{wrong}"""


@dataclass(slots=True)
class _Truth:
    """What came of the problems with a known truth."""

    num_problems: int = 0
    num_templates: int = 0
    num_variants: int = 0
    num_checked: int = 0
    wrong: list[str] = field(default_factory=list)
    """Variants whose gold answer is not that of the function, with both."""


def variants_and_truth() -> tuple[list[Measured], str]:
    """The share of GSM8K's problems with a variant, and the share of wrong gold answers."""
    truth = against_functions()
    rows = [_row("`gsm_symbolic`", truth.num_problems, truth.num_templates, truth.num_variants, truth)]
    share = len(truth.wrong) / truth.num_checked
    measured = [
        Measured(
            what="variants with other numbers: wrong gold answers, `gsm_symbolic`",
            figures=f"{len(truth.wrong)} of {truth.num_checked} ({share:.2%})",
            ratio="",
            goal=f"at most {_MOST_WRONG:.0%}",
            met=share <= _MOST_WRONG,
        )
    ]
    reasons = "GSM8K was left out"
    if (tally := of_gsm8k()) is not None:
        found, seconds = tally
        num_varied = found.num_problems - sum(found.refused.values())
        rows.append(_row("GSM8K", found.num_problems, found.num_templates, num_varied, None))
        measured.append(
            Measured(
                what="problems of GSM8K with a variant with other numbers",
                figures=f"{num_varied:,} of {found.num_problems:,}, {seconds * 1000:.1f} ms each",
                ratio=f"{num_varied / found.num_problems:.0%}",
                goal=f"at least {_LEAST_YIELD:.0%}",
                met=num_varied / found.num_problems >= _LEAST_YIELD,
            )
        )
        reasons = ", ".join(f"{number:,} `{name}`" for name, number in found.refused.most_common())
    text = _TEXT.format(
        num_tasks=_NUM_TASKS,
        per_task=_PER_TASK,
        rows="\n".join(rows),
        reasons=f"of GSM8K, {reasons}",
        wrong="\n".join(f"\nCounted as wrong: {one}" for one in truth.wrong[:3]),
    )
    return measured, text


def against_functions() -> _Truth:
    """Draws problems of each task, makes a variant of each, and compares it with the function."""
    found = _Truth()
    for task in range(_NUM_TASKS):
        module = importlib.import_module(f"{_TASK}{'00_49' if task < 50 else '50_99'}")
        make = getattr(module, f"generate_{task}")
        inner = _inner(make)
        for draw_number in range(_PER_TASK):
            seed = derive_seed(task, draw_number)
            entry, arguments = _example(make, random.Random(seed))
            if entry is not None and inner is not None:
                _compare(found, entry, arguments, inner, seed)
    return found


def of_gsm8k() -> tuple[Yield, float] | None:
    """What came of GSM8K's problems, and seconds for each; None if the file is missing."""
    path = gsm8k_file()
    if path is None:
        return None
    tally, problems = Yield(), list(_problems(path.read_text(encoding="utf-8")))
    began = time.perf_counter()
    with Programs(SandboxConfig()) as programs:
        for start in range(0, len(problems), 64):
            make_variants(problems[start : start + 64], 1, 0, programs, tally=tally)
    return tally, (time.perf_counter() - began) / len(problems)


def _problems(text: str) -> Iterator[Problem]:
    for row in map(json.loads, text.splitlines()):
        worked, _, gold = row["answer"].rpartition("####")
        target = Target(kind="math", value=gold.strip())
        yield Problem.create(prompt=row["question"], target=target, source="gsm8k", worked=worked)


def _compare(
    found: _Truth,
    entry: Mapping[str, Any],
    arguments: Mapping[str, Any],
    inner: Callable[..., Mapping[str, Any]],
    seed: int,
) -> None:
    found.num_problems += 1
    worked, _, _ = entry["metadata"]["answer_cot"].rpartition("####")
    template = make_template(entry["question"], worked, entry["answer"])
    if isinstance(template, NoTemplate):
        return
    found.num_templates += 1
    values = draw(template, random.Random(seed))
    if values is None:
        return
    found.num_variants += 1
    changed = _changed(template, values, arguments)
    truth = None if changed is None else inner(**changed)
    if truth is None or truth["question"].strip() != template.fill(values).strip():
        return
    found.num_checked += 1
    answer = template.answer(values)
    if read_number(str(truth["answer"])) != answer:
        found.wrong.append(f"{template.fill(values)} ({answer}, the function: {truth['answer']})")


def _changed(template: Template, values: Values, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The function's arguments for other numbers; None if it is not clear which argument is which."""
    changed = dict(arguments)
    numbers = {
        name: Fraction(str(one))
        for name, one in arguments.items()
        if isinstance(one, int | float) and not isinstance(one, bool)
    }
    for old, new in zip(template.values, values, strict=True):
        names = [name for name, one in numbers.items() if one == old]
        if old == new:
            continue
        if len(names) != 1:
            return None
        changed[names[0]] = type(arguments[names[0]])(new)
    return changed


def _inner(make: Callable[..., Any]) -> Callable[..., Mapping[str, Any]] | None:
    """A task's function from numbers to text and answer, which is inside its generator."""
    constants = make.__code__.co_consts
    codes = [one for one in constants if isinstance(one, types.CodeType) and one.co_name == _INNER]
    if len(codes) != 1 or codes[0].co_freevars:
        return None
    return types.FunctionType(codes[0], make.__globals__)


def _example(
    make: Callable[..., Any], source: random.Random
) -> tuple[Mapping[str, Any] | None, dict[str, Any]]:
    """A problem of a task, and the arguments of its function; None where the generator gives up."""
    arguments: dict[str, Any] = {}

    def see(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == _INNER:
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            arguments.update({name: frame.f_locals[name] for name in names})

    sys.setprofile(see)
    try:
        return make(source, 1.0), arguments
    except ValueError:
        return None, {}
    finally:
        sys.setprofile(None)


def _row(
    name: str, num_problems: int, num_templates: int, num_variants: int, truth: _Truth | None
) -> str:
    checked = "" if truth is None else str(truth.num_checked)
    wrong = "" if truth is None else str(len(truth.wrong))
    shares = (f"{number:,} ({number / num_problems:.0%})" for number in (num_templates, num_variants))
    return f"| {name} | {num_problems:,} | {' | '.join(shares)} | {checked} | {wrong} |"
