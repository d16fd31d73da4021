"""`berry check`: reads the whole problem set and says what would go wrong, before a token is sampled.

    1. read every row: bad rows, duplicates
    2. judge each gold answer against itself
    3. encode each prompt: three to look at, and those that leave no room for a response
    4. estimate tokens and time

It loads the verifier and the model's tokenizer, never the model. What it cannot know is whether a gold
answer is right, only whether the verifier can read it.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.config import RunConfig
from pipeline.engines import Prompt
from pipeline.estimate import Cost, cpu_tokens_per_second, most_tokens, search_cost
from pipeline.judging import LocalJudge
from pipeline.preview import Preview
from pipeline.problems import BadRow
from pipeline.problems.conflicts import Conflicts
from pipeline.problems.golds import gold_response, suspicion
from pipeline.records import Problem
from verifiers import Outcome, Verifier
from verifiers.kinds import SEVERAL_KINDS, refusal

_NUM_SHOWN = 3
_AT_ONCE = 256


@dataclass(slots=True)
class Finding:
    """Things of one kind that would spoil a run, with the first examples."""

    what: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < _NUM_SHOWN:
            self.examples.append(example)


@dataclass(slots=True)
class Checked:
    """What was found."""

    num_problems: int = 0
    num_duplicates: int = 0
    num_without_gold: int = 0
    num_judged: int = 0
    """Gold answers that were judged against themselves."""
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
            "problems that ask the same as an earlier one and have another gold answer"
        )
    )
    too_long: Finding = field(
        default_factory=lambda: Finding("prompts that leave no room for a response")
    )
    unused_columns: tuple[str, ...] = ()
    """Of the rows: what reaches neither the prompt nor the data."""
    prompts: list[str] = field(default_factory=list)
    """The first ones, as the model reads them."""
    longest_prompt: int | None = None
    """Tokens; None where nothing could be encoded without the model."""
    context: int | None = None
    """Tokens that the model can read and write in all; None if that is not known."""
    cost: Cost | None = None
    num_tokens: int = 0
    """Most that the run samples."""
    seconds: float | None = None
    """That these take, at most; None where this machine cannot tell."""

    @property
    def findings(self) -> list[Finding]:
        """What would spoil a run."""
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
    """Checks the config's problem set; `advance` is called for each problem.

    Raises ProblemError for a source that cannot be read at all, EngineStartError for a model without
    a usable tokenizer, and CannotBuild.
    """
    found = Checked()
    preview = await asyncio.to_thread(Preview, config)
    found.context = preview.context
    verifier = config.build_verifier()
    judge = LocalJudge(verifier)
    try:
        await judge.start()
        batch: list[Problem] = []
        for problem in _problems(config, found):
            _encode(problem, preview, config.sampling.max_tokens, found)
            batch.append(problem)
            if len(batch) == _AT_ONCE:
                await _judge(batch, verifier, judge, found)
                batch.clear()
            advance()
        await _judge(batch, verifier, judge, found)
    finally:
        await judge.close()
    await _estimate(config, preview, found)
    return found


def _problems(config: RunConfig, found: Checked) -> Iterator[Problem]:
    """The problems that a run would take; bad rows and duplicates are only counted."""
    source = config.open_source()
    conflicts, seen = Conflicts(config.prompt.parsed), set[int]()
    for row in source.rows():
        if isinstance(row, BadRow):
            found.bad_rows.add(str(row))
            continue
        key = int(row.id, 16)
        if key in seen:
            found.num_duplicates += 1
            continue
        seen.add(key)
        if conflicts.add(row):
            found.conflicts.add(_name(row))
        found.num_problems += 1
        yield row
        if found.num_problems == source.config.limit:
            break
    found.unused_columns = tuple(source.unused_columns)
    if not found.num_problems:
        found.empty.add("the source has no row that is a problem")


def _encode(problem: Problem, preview: Preview, max_tokens: int, found: Checked) -> None:
    prompt: Prompt | None = preview.encode(problem)
    if prompt is None:
        return
    if len(found.prompts) < _NUM_SHOWN:
        found.prompts.append(prompt.text)
    length = len(prompt.token_ids)
    found.longest_prompt = max(found.longest_prompt or 0, length)
    if found.context is not None and length >= found.context:
        found.too_long.add(f"{_name(problem)}: {length} tokens, of {found.context} in all")


async def _judge(batch: list[Problem], verifier: Verifier, judge: LocalJudge, found: Checked) -> None:
    """Judges the gold answers of some problems against themselves."""
    asked = []
    for problem in batch:
        if refused := refusal(verifier, problem.target.kind):
            found.bad_kinds.add(f"{_name(problem)}: {verifier.name} {refused}; {SEVERAL_KINDS}")
            continue
        found.num_without_gold += problem.target.value is None and not problem.target.tests
        if doubt := suspicion(problem.target):
            found.bad_golds.add(f"{_name(problem)}: {doubt}")
        elif (response := gold_response(problem.target)) is not None:
            asked.append((problem, response))
    verdicts = await asyncio.gather(
        # Without the question: whether an answer repeats it says nothing about the gold.
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
    found.seconds = None if rate is None else found.num_tokens / rate / config.cluster.workers


def _name(problem: Problem) -> str:
    where = problem.where or f"{problem.source}, problem {problem.id}"
    return f"{where} ({_short(problem.prompt)})"


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else f"{line[:57]}..."
