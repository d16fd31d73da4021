"""Chains that turn back, sampled and scored by vLLM."""

import asyncio
from typing import Any

import pytest

from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.chains import Kind, ids_of
from pipeline.derive.backtracking.generator import Generator
from pipeline.derive.backtracking.sampling import ChainMaker
from pipeline.derive.backtracking.splices import find_splices
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import Request, RequestRejected, Sampling
from pipeline.engines.metered import MeteredEngine
from pipeline.engines.vllm import VllmEngine
from pipeline.engines.vllm_server import VllmServerEngine
from pipeline.records import Trace, trajectories
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree
from tests.conftest import TinyModels, make_problem, make_verdict
from verifiers import Outcome, Target, Verdict

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]
# Of the model's own distribution, so that what it reports while it samples is what it scores.
PLAIN = Sampling(temperature=1.0, max_tokens=200)


class Lenient:
    """A verifier that accepts whatever has ended."""

    name, version = "lenient", "1"

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return Verdict(outcome=Outcome.PASS, reason="it is lenient")


class Recording(MeteredEngine):
    """Keeps what was asked and answered."""

    def __init__(self, engine: VllmEngine) -> None:
        super().__init__(engine)
        self.answers: list[tuple[Request, Any]] = []

    async def generate(self, request: Request) -> Any:
        completions = await super().generate(request)
        self.answers.append((request, completions))
        return completions


def make_tree(engine: VllmEngine) -> Tree:
    """Two right and three wrong responses of two steps, in the engine's tokens."""
    prompt = engine.encode(make_problem())
    tree = Tree(prompt.token_ids, prompt.text, 3, prompt.chat)
    ways = [("First we add 12 and 7.\n", Outcome.PASS)] * 2 + [("So x² - 1.\n", Outcome.FAIL)] * 3
    for text, outcome in ways:
        steps = tuple(
            Step(token_ids=engine.encode_text(one), text=one, logprob=None)
            for one in (text, "The answer is 19.")
        )
        rollout = Rollout(steps=steps, finish=Finish.STOP, model_version="tiny")
        tree.judge(tree.add(ROOT, tree.reserve(ROOT, 1), rollout), make_verdict(outcome))
    return tree.sorted()


async def test_a_tail_has_the_sampled_tokens_and_their_probabilities(
    tiny_engine: VllmEngine, tiny_models: TinyModels
) -> None:
    if tiny_engine.model_version != str(tiny_models.one):
        await tiny_engine.update_weights(str(tiny_models.one))
    tree = make_tree(tiny_engine)
    trace = Trace(problem=make_problem(), seed=3, tree=tree, trajectories=trajectories(tree))
    # A random model hardly ever ends by itself.
    options = BacktrackingOptions(attempts=4)
    sampling = PLAIN.model_copy(update={"stop": ("e", "a", "9")})
    engine = Recording(tiny_engine)
    generator = Generator(
        engine=engine,
        encoder=tiny_engine,
        scorer=tiny_engine,
        judge=LocalJudge(Lenient()),
        splitter=StepSplitter(StepConfig(at="tokens", tokens=2)),
        sampling=sampling,
    )
    generator.check_reads(tree)
    (splice,) = find_splices(tree, options)
    made = await ChainMaker(generator, options).make(trace, splice)
    assert made.chain is not None
    assert made.control is not None
    assert made.chain.attempt is not None
    answers = [(request, one) for request, several in engine.answers for one in several]
    request, sampled = answers[made.chain.attempt]
    spans = list(made.chain.spans)
    kinds = [span.kind for span in spans]
    before = kinds.index(Kind.OPENING) + 1
    assert request.token_ids == ids_of(spans[:before])
    assert tuple(ids_of(spans[before:])) == sampled.token_ids
    assert kinds[before:] in ([Kind.NOTICE, Kind.TAIL], [Kind.TAIL])
    tail = len(made.chain.tail.token_ids)
    own = sum(sampled.logprobs[-tail:]) / tail
    assert made.chain.tail_logprob == pytest.approx(own, abs=1e-3)
    # The stored branch is known after the detour and where it stands; the two differ.
    for chain in (made.chain, made.control):
        assert chain.spliced_tail_logprob is not None
        assert chain.spliced_tail_logprob < 0
    assert made.control.tail_logprob != made.control.spliced_tail_logprob


async def test_scores_are_those_of_sampling_in_process_and_on_a_server(
    tiny_engine: VllmEngine, server_engine: VllmServerEngine, tiny_models: TinyModels
) -> None:
    for engine in (tiny_engine, server_engine):
        if engine.model_version != str(tiny_models.one):
            await engine.update_weights(str(tiny_models.one))
    prefix = tiny_engine.encode(make_problem()).token_ids
    request = Request(token_ids=prefix, num_rollouts=4, max_tokens=40, sampling=PLAIN, seed=1)
    for one in await tiny_engine.generate(request):
        scores, served = await asyncio.gather(
            tiny_engine.score_tokens(prefix, one.token_ids),
            server_engine.score_tokens(prefix, one.token_ids),
        )
        assert scores == pytest.approx(one.logprobs, abs=1e-3)
        assert served == pytest.approx(scores, abs=1e-3)
    with pytest.raises(RequestRejected):
        await tiny_engine.score_tokens(prefix, [5] * 2000)
