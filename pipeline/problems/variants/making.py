"""The variants of problems, in blocks: templates, other numbers, and their gold answers."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from pipeline.hashing import derive_seed
from pipeline.problems.variants.calculations import read_number
from pipeline.problems.variants.drawing import Values, draw
from pipeline.problems.variants.programs import Programs, answer_text, program_of
from pipeline.problems.variants.template import NoTemplate, Template, make_template
from pipeline.records import Problem

NUMBERS = "numbers"
"""The kind of a variant with other numbers."""
REDRAWN = "redrawn"
"""The kind of a variant that the source itself drew again."""
VARIANT_OF, VARIANT_KIND = "variant_of", "variant_kind"
"""Entries of a variant's `meta`: the ids of its originals, and how it was made."""


@dataclass(slots=True, kw_only=True)
class Yield:
    """What came of problems."""

    num_problems: int = 0
    num_templates: int = 0
    """Problems with a template that gives the gold answer."""
    num_variants: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> problems without a variant."""


@dataclass(frozen=True, slots=True)
class _Draft:
    place: int
    template: Template
    rows: list[Values]


def make_variants(
    problems: Sequence[Problem],
    number: int,
    seed: int,
    programs: Programs,
    columns: Sequence[str] = (),
    tally: Yield | None = None,
) -> list[list[Problem]]:
    """For each problem, at most `number` variants with other numbers, the same for the same seed.

    `columns` are the entries of `meta` that the prompt template uses. Raises as `Programs.run`.
    """
    tally = tally or Yield()
    tally.num_problems += len(problems)
    drafts: list[_Draft] = []
    for place, problem in enumerate(problems):
        template = _template(problem, columns)
        if isinstance(template, NoTemplate):
            tally.refused[template.value] += 1
            continue
        drafts.append(_Draft(place, template, _draw_rows(template, number, problem.id, seed)))
    answers = programs.run(
        [(program_of(one.template), [one.template.values, *one.rows]) for one in drafts]
    )
    made: list[list[Problem]] = [[] for _ in problems]
    for draft, (first, *found) in zip(drafts, answers, strict=True):
        problem = problems[draft.place]
        if first is None or first != read_number(problem.target.value or ""):
            tally.refused[NoTemplate.OTHER_ANSWER.value] += 1
            continue
        tally.num_templates += 1
        for row, answer in zip(draft.rows, found, strict=True):
            text = None if answer is None else answer_text(answer)
            if text is not None and answer == draft.template.answer(row):
                made[draft.place].append(_variant(problem, draft.template.fill(row), text, columns))
        if not made[draft.place]:
            tally.refused[NoTemplate.NO_NUMBERS.value] += 1
        tally.num_variants += len(made[draft.place])
    return made


def origin_of(problem_ids: Sequence[str], kind: str) -> Mapping[str, object]:
    """Entries of `meta` that say what a variant was made of."""
    return {VARIANT_OF: list(problem_ids), VARIANT_KIND: kind}


def originals_of(problem_id: str, meta: str | None) -> tuple[str, ...]:
    """The ids of the problems that a variant was made of; its own for any other problem.

    `meta` is JSON, as in the data, or None in rows without it.
    """
    made_of = json.loads(meta).get(VARIANT_OF) if meta and VARIANT_OF in meta else None
    return tuple(map(str, made_of)) if isinstance(made_of, list) and made_of else (problem_id,)


def _template(problem: Problem, columns: Sequence[str]) -> Template | NoTemplate:
    if problem.target.tests:
        return NoTemplate.NO_NUMBER_ANSWER
    if any(re.search(r"\d", str(problem.meta[name])) for name in columns):
        return NoTemplate.NUMBER_IN_COLUMN
    return make_template(problem.prompt, problem.worked, problem.target.value)


def _draw_rows(template: Template, number: int, problem_id: str, seed: int) -> list[Values]:
    rows: list[Values] = []
    for index in range(number):
        random = Random(derive_seed(seed, "variant", problem_id, index))
        values = draw(template, random, rows)
        if values is None:
            break
        rows.append(values)
    return rows


def _variant(problem: Problem, text: str, answer: str, columns: Sequence[str]) -> Problem:
    asked = {name: problem.meta[name] for name in columns}
    return Problem.create(
        prompt=text,
        target=replace(problem.target, value=answer),
        source=problem.source,
        domain=problem.domain,
        split=problem.split,
        # Other columns, such as another solution, are those of the original numbers.
        meta={**asked, **origin_of([problem.id], NUMBERS)},
        asked=asked,
        where=problem.where,
    )
