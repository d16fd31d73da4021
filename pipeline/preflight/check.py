"""`berry check`: reads the whole problem set and reports problems, before any token is sampled.

    1. read every row: find bad rows and duplicates
    2. judge each gold answer against itself
    3. encode each prompt: show three, and find those that leave no room for a response
    4. estimate tokens and time

It loads the verifier and the model's tokenizer, never the model. It cannot know whether a gold answer
is right, only whether the verifier can read it.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.config import RunConfig
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import Prompt
from pipeline.preflight.estimate import Cost, cpu_tokens_per_second, most_tokens, search_cost
from pipeline.preflight.preview import Preview
from pipeline.problems import BadRow
from pipeline.problems.conflicts import Conflicts
from pipeline.problems.golds import gold_response, suspicion
from pipeline.problems.id_set import IdSet
from pipeline.problems.variants.making import Yield
from pipeline.problems.variants.source import VariedSource
from pipeline.records import Problem
from verifiers import Outcome
from verifiers.isolation.target_kinds import SEVERAL_KINDS

_NUM_SHOWN = 3
_AT_ONCE = 256


@dataclass(slots=True)
class Finding:
    """One kind of problem that would spoil a run, with the first examples."""

    what: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Counts one more example."""
        self.count += 1
        if len(self.examples) < _NUM_SHOWN:
            self.examples.append(example)


@dataclass(slots=True)
class Checked:
    """Result of the check."""

    num_problems: int = 0
    num_duplicates: int = 0
    num_without_gold: int = 0
    num_judged: int = 0
    """Gold answers judged against themselves."""
    num_passed: int = 0
    empty: Finding = field(default_factory=lambda: Finding("problem set is empty"))
    bad_rows: Finding = field(default_factory=lambda: Finding("rows that are not problems"))
    bad_golds: Finding = field(
        default_factory=lambda: Finding("gold answers that look wrong or cannot be read")
    )
    bad_kinds: Finding = field(
        default_factory=lambda: Finding(
            "problems with a kind of target that the verifier does not take"
        )
    )
    conflicts: Finding = field(
        default_factory=lambda: Finding(
            "problems with the same text as an earlier one but another gold answer"
        )
    )
    too_long: Finding = field(
        default_factory=lambda: Finding("prompts that leave no room for a response")
    )
    unused_columns: tuple[str, ...] = ()
    """Columns that reach neither the prompt nor the data."""
    variants: Yield | None = None
    """What came of the problems that were read, with `problems.variants` of worked solutions."""
    prompts: list[str] = field(default_factory=list)
    """The first prompts, as the model reads them."""
    longest_prompt: int | None = None
    """Tokens in the longest prompt; None if prompts cannot be encoded without the model."""
    context: int | None = None
    """Tokens that the model can read and write in total; None if unknown."""
    cost: Cost | None = None
    num_tokens: int = 0
    """Upper bound of the tokens that the run samples."""
    seconds: float | None = None
    """Upper bound of the time for these tokens; None if this machine cannot tell."""

    @property
    def findings(self) -> list[Finding]:
        """Problems that would spoil a run."""
        every = (
            self.empty,
            self.bad_rows,
            self.bad_kinds,
            self.bad_golds,
            self.conflicts,
            self.too_long,
        )
        return [one for one in every if one.count]


async def check(config: RunConfig, advance: Callable[[], None] = lambda: None) -> Checked:
    """Checks the config's problem set; calls `advance` for each problem.

    Raises ProblemError for a source that cannot be read, EngineStartError for a model without a usable
    tokenizer, and CannotBuild.
    """
    found = Checked()
    preview = await asyncio.to_thread(Preview, config)
    found.context = preview.context
    judge = LocalJudge(config.build_verifier())
    try:
        await judge.start()
        batch: list[Problem] = []
        for problem in _problems(config, found):
            _encode(problem, preview, config.sampling.max_tokens, found)
            batch.append(problem)
            if len(batch) == _AT_ONCE:
                await _judge(batch, judge, found)
                batch.clear()
            advance()
        await _judge(batch, judge, found)
    finally:
        await judge.close()
    await _estimate(config, preview, found)
    return found


def _problems(config: RunConfig, found: Checked) -> Iterator[Problem]:
    """The problems that a run would use; counts bad rows and duplicates."""
    source = config.open_source()
    conflicts, seen = Conflicts(config.prompt.parsed), IdSet()
    for row in source.rows():
        if isinstance(row, BadRow):
            found.bad_rows.add(str(row))
            continue
        if not seen.add(int(row.id, 16)):
            found.num_duplicates += 1
            continue
        if conflicts.add(row):
            found.conflicts.add(_name(row))
        found.num_problems += 1
        yield row
        if found.num_problems == source.config.limit:
            break
    found.unused_columns = tuple(source.unused_columns)
    if isinstance(source, VariedSource) and source.tally.num_problems:
        found.variants = source.tally
    if not found.num_problems:
        found.empty.add("the source has no valid row")


def _encode(problem: Problem, preview: Preview, max_tokens: int, found: Checked) -> None:
    prompt: Prompt | None = preview.encode(problem)
    if prompt is None:
        return
    if len(found.prompts) < _NUM_SHOWN:
        found.prompts.append(prompt.text)
    length = len(prompt.token_ids)
    found.longest_prompt = max(found.longest_prompt or 0, length)
    if found.context is not None and length >= found.context:
        found.too_long.add(f"{_name(problem)}: {length} tokens, the limit is {found.context}")


async def _judge(batch: list[Problem], judge: LocalJudge, found: Checked) -> None:
    """Judges the gold answers of some problems against themselves."""
    asked = []
    for problem in batch:
        if refused := judge.border.traits.refusal(problem.target.kind):
            found.bad_kinds.add(f"{_name(problem)}: {judge.border.name} {refused}; {SEVERAL_KINDS}")
            continue
        found.num_without_gold += problem.target.value is None and not problem.target.tests
        if doubt := suspicion(problem.target):
            found.bad_golds.add(f"{_name(problem)}: {doubt}")
        elif (response := gold_response(problem.target)) is not None:
            asked.append((problem, response))
    verdicts = await asyncio.gather(
        # Without the question, because a gold answer may repeat it.
        *(judge.verify("", response, problem.target) for problem, response in asked)
    )
    for (problem, _), verdict in zip(asked, verdicts, strict=True):
        found.num_judged += 1
        if verdict.outcome is Outcome.PASS:
            found.num_passed += 1
        else:
            found.bad_golds.add(
                f"{_name(problem)}: gold {_short(problem.target.value)!r} judged against itself is "
                f"{verdict.outcome} ({verdict.reason})"
            )


async def _estimate(config: RunConfig, preview: Preview, found: Checked) -> None:
    found.cost = await search_cost(config)
    found.num_tokens = most_tokens(config, found.cost, found.num_problems)
    folder = preview.cpu_model
    rate = None if folder is None else await asyncio.to_thread(cpu_tokens_per_second, folder)
    found.seconds = None if rate is None else found.num_tokens / rate / config.first_workers


def _name(problem: Problem) -> str:
    where = problem.where or f"{problem.source}, problem {problem.id}"
    return f"{where} ({_short(problem.prompt)})"


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else f"{line[:57]}..."
