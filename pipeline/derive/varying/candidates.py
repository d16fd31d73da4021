"""A candidate for a new problem, and the candidates that templates give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from pipeline.derive.varying.originals import Original
from pipeline.derive.varying.settings import Kind, VarySettings
from pipeline.hashing import derive_seed, digest_text
from pipeline.problems.variants.calculations import read_number
from pipeline.problems.variants.composing import compose
from pipeline.problems.variants.drawing import Values, draw
from pipeline.problems.variants.programs import Programs, answer_text, program_of
from pipeline.problems.variants.template import Template, make_template

_PARTNERS = 20
"""Other problems that are tried for a composition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A text that may become a problem."""

    prompt: str
    answer: str | None
    """The expected answer; None if only the responses can tell."""
    kind: Kind
    variant_of: tuple[str, ...]
    """Ids of the originals."""
    domain: str
    source: str

    @property
    def id(self) -> str:
        """By its text and origin."""
        return digest_text("\0".join([self.kind, *self.variant_of, self.prompt]))

    @classmethod
    def of(
        cls, kind: Kind, prompt: str, answer: str | None, originals: Sequence[Original]
    ) -> "Candidate":
        """A candidate made of originals; its domain and source are those of the last."""
        return cls(
            prompt=prompt,
            answer=answer,
            kind=kind,
            variant_of=tuple(one.id for one in originals),
            domain=originals[-1].domain,
            source=originals[-1].source,
        )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A candidate whose answer its program has yet to give."""

    kind: Kind
    prompt: str
    template: Template
    values: Values
    originals: tuple[Original, ...]


def from_templates(
    originals: Sequence[Original], settings: VarySettings, programs: Programs
) -> tuple[list[Candidate], int]:
    """Candidates with other numbers and compositions, and the number of originals with a template.

    Raises as `Programs.run`.
    """
    templates = _templates(originals, programs)
    drafts: list[_Draft] = []
    for place, template in templates.items():
        if "numbers" in settings.kinds:
            drafts += _with_numbers(originals[place], template, settings)
        if "composed" in settings.kinds:
            drafts += _composed(originals, place, template, settings)
    answers = programs.run([(program_of(one.template), [one.values]) for one in drafts])
    found = []
    for draft, (answer,) in zip(drafts, answers, strict=True):
        text = None if answer is None else answer_text(answer)
        if text is not None and answer == draft.template.answer(draft.values):
            found.append(Candidate.of(draft.kind, draft.prompt, text, draft.originals))
    return found, len(templates)


def _templates(originals: Sequence[Original], programs: Programs) -> dict[int, Template]:
    """Place of an original -> the first template of its solutions that gives its answer."""
    made = [
        (place, template)
        for place, one in enumerate(originals)
        for solution in one.solutions
        if isinstance(template := make_template(one.prompt, solution, one.answer), Template)
    ]
    answers = programs.run([(program_of(template), [template.values]) for _, template in made])
    found: dict[int, Template] = {}
    for (place, template), (answer,) in zip(made, answers, strict=True):
        if answer is not None and answer == read_number(originals[place].answer):
            found.setdefault(place, template)
    return found


def _with_numbers(one: Original, template: Template, settings: VarySettings) -> Iterator[_Draft]:
    rows: list[tuple[Fraction, ...]] = []
    for index in range(settings.per_problem):
        random = Random(derive_seed(settings.seed, "numbers", one.id, index))
        values = draw(template, random, rows)
        if values is None:
            return
        rows.append(values)
        yield _Draft("numbers", template.fill(values), template, values, (one,))


def _composed(
    originals: Sequence[Original], place: int, template: Template, settings: VarySettings
) -> Iterator[_Draft]:
    one = originals[place]
    random = Random(derive_seed(settings.seed, "composed", one.id))
    num_others, num_made = len(originals) - 1, 0
    for number in random.sample(range(num_others), min(_PARTNERS, num_others)):
        first = originals[number + (number >= place)]
        made = compose(first.prompt, first.answer, template, random)
        if made is not None:
            yield _Draft("composed", made.text, template, made.values, (first, one))
            num_made += 1
        if num_made == settings.per_problem:
            return
