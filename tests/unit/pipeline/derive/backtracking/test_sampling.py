"""How a chain's end is sampled: the requests, and what becomes of each continuation."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.chains import Kind, ids_of
from pipeline.derive.backtracking.generator import Generator
from pipeline.derive.backtracking.sampling import ChainMaker, Made
from pipeline.derive.backtracking.splices import find_splices
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import Completion, Request, RequestRejected, Sampling
from pipeline.records import Trace, trajectories
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import Finish
from tests.conftest import make_problem
from tests.unit.pipeline.derive.backtracking.test_splices import TWO_WAYS
from verifiers import Outcome, Target, Verdict

TRACE = Trace(problem=make_problem(), seed=3, tree=TWO_WAYS, trajectories=trajectories(TWO_WAYS))
RIGHT = "that is wrong.\nGo back.\nright"


class Reading:
    """Accepts responses that end with `right`."""

    name, version = "reading", "1"

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        outcome = Outcome.PASS if response.endswith("right") else Outcome.FAIL
        return Verdict(outcome=outcome, reason="read")


@dataclass
class Scripted:
    """An engine of characters that says what it is told; a text without a last `|` is cut off."""

    texts: Iterable[str]
    requests: list[Request] = field(default_factory=list)
    model_version = "scripted"

    def __post_init__(self) -> None:
        self._texts = iter(self.texts)

    def encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    async def score_tokens(self, prefix: Any, token_ids: Any) -> tuple[float, ...]:
        if len(prefix) + len(token_ids) > 60:
            raise RequestRejected("too long")
        return (-float(len(prefix)),) * len(token_ids)

    async def generate(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        return [self._complete(request) for _ in range(request.num_rollouts)]

    def _complete(self, request: Request) -> Completion:
        said = next(self._texts)
        ended, text = said.endswith("|"), said.removesuffix("|")
        finish = Finish.STOP if ended else Finish.LENGTH
        for pause in request.pause:
            if pause in text:
                text, finish = text[: text.index(pause) + len(pause)], Finish.STEP
        return Completion(
            token_ids=self.encode_text(text),
            token_texts=tuple(text),
            text=text,
            logprobs=None,
            finish=finish,
        )


async def make(
    engine: Scripted, steps: StepConfig | None = None, *, of_run: float = 1.0, **options: object
) -> Made:
    generator = Generator(
        engine=engine,  # type: ignore[arg-type]  # it does not encode problems
        encoder=engine,
        scorer=engine,
        judge=LocalJudge(Reading()),
        splitter=StepSplitter(steps or StepConfig()),
        sampling=Sampling(temperature=of_run, max_tokens=100),
    )
    chosen = BacktrackingOptions.model_validate({"openings": ["Wait, "], "min_margin": 0.2, **options})
    (splice,) = find_splices(TWO_WAYS, chosen)
    return await ChainMaker(generator, chosen).make(TRACE, splice)


async def test_the_first_step_is_the_notice_and_the_rest_the_tail() -> None:
    engine = Scripted([f"{RIGHT}|"])
    made = await make(engine)
    assert made.chain is not None
    texts = [(span.kind, span.text) for span in made.chain.spans]
    assert texts[1:] == [
        (Kind.PREFIX, "a\n"),
        (Kind.DETOUR, "wrong\nworse\n"),
        (Kind.OPENING, "Wait, "),
        (Kind.NOTICE, "that is wrong.\n"),
        (Kind.TAIL, "Go back.\nright"),
    ]
    (request,) = engine.requests
    assert request.token_ids == ids_of(made.chain.spans[:4])
    assert request.max_tokens == 100 - len("a\nwrong\nworse\nWait, ")
    assert made.chain.model_version == "scripted"


async def test_a_single_step_is_a_tail() -> None:
    made = await make(Scripted(["right|"]))
    assert made.chain is not None
    assert [span.text for span in made.chain.spans[4:]] == ["", "right"]


async def test_attempts_double_until_one_passes() -> None:
    engine = Scripted(["no|", "no", f"{RIGHT}|", "right|"])
    made = await make(engine, attempts=8)
    assert [request.num_rollouts for request in engine.requests] == [1, 2]
    assert made.ends == {"fail": 1, "truncated": 1, "pass": 1}
    assert made.chain is not None
    assert made.chain.attempt == 2

    engine = Scripted(["no|"] * 10)
    made = await make(engine, attempts=10)
    assert [request.num_rollouts for request in engine.requests] == [1, 2, 4, 3]
    assert len({request.seed for request in engine.requests}) == 4
    assert made.ends == {"fail": 10}
    assert made.chain is made.control is None


async def test_greedy_continuations_are_sampled_once() -> None:
    """Whether the run or the option is greedy."""
    cold, chosen = Scripted(["no|"] * 9), Scripted(["no|"] * 9)
    await make(cold, of_run=0.0)
    await make(chosen, temperature=0.0)
    for engine in (cold, chosen):
        assert [request.num_rollouts for request in engine.requests] == [1]


async def test_a_notice_between_detours_is_one_step() -> None:
    for steps in (StepConfig(), StepConfig(at="regex", pattern=r"\n")):
        # With `regex` an engine cannot pause: it goes on, and the first step is taken.
        engine = Scripted(["that is wrong.\nand more|", f"{RIGHT}|"])
        made = await make(engine, steps, num_detours=2, max_detour_steps=1)
        assert made.chain is not None
        assert [span.text for span in made.chain.spans[1:]] == [
            "a\n", "wrong\n", "Wait, ", "that is wrong.\n", "bad\n", "Wait, ", "that is wrong.\n",
            "Go back.\nright",
        ]  # fmt: skip
        assert bool(engine.requests[0].pause) == (steps.at == "newline")

        made = await make(Scripted(["the end|"]), steps, num_detours=2, max_detour_steps=1)
        assert made.ends == {"ended": 1}


async def test_a_chain_without_room_or_too_long_to_score_is_no_error() -> None:
    made = await make(Scripted([]), max_tokens=5)
    assert made.ends == {"rejected": 1}
    assert made.rejection == "expected a chain of less than 5 tokens before its tail"
    made = await make(Scripted([f"{RIGHT}|"]))
    assert made.chain is not None
    assert made.control is not None
    assert made.chain.tail_logprob == -(2 + len("a\nwrong\nworse\nWait, that is wrong.\n"))
    assert made.chain.spliced_tail_logprob is None, "the fixed notice is longer"
    assert made.control.tail_logprob == -(2 + len("a\n"))
