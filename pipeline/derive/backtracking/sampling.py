"""Makes the chains of a splice: samples its end at the splice itself, and lets the verifier judge it.

The generator gets the very ids of prompt, prefix and detour, and the ids of an opening, and goes on to
the end of the response. The first step that it samples is the notice, the rest the tail. So every token
that is trained on was sampled where it stands, but for the opening. With several detours, the notice
after each but the last is one sampled step; the next detour follows it.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.chains import (
    Chain,
    Kind,
    Span,
    begin,
    control,
    ids_of,
    response_of,
    spliced,
)
from pipeline.derive.backtracking.generator import Generator
from pipeline.derive.backtracking.splices import Splice
from pipeline.engines import Completion, Request, RequestRejected
from pipeline.hashing import derive_seed
from pipeline.records import Trace
from pipeline.rollouts.stepwise import generate_steps
from pipeline.tree import Finish
from verifiers import Outcome, Verdict

TRUNCATED, REJECTED, ENDED = "truncated", "rejected", "ended"
"""Ends of attempts without a verdict: cut off; refused, such as for their length; the response ended
with the notice between two detours."""


@dataclass(slots=True, kw_only=True)
class Made:
    """What became of a splice."""

    ends: Counter[str] = field(default_factory=Counter)
    """How its attempts ended: an outcome, TRUNCATED, REJECTED or ENDED."""
    rejection: str | None = None
    """Why the engine refused a request."""
    chain: Chain | None = None
    """The chain; None if no attempt passed."""
    control: Chain | None = None
    """The prefix and the right branch; None without a chain."""


class ChainMaker:
    """Makes chains with one generator."""

    def __init__(self, generator: Generator, options: BacktrackingOptions) -> None:
        self._generator, self._options = generator, options
        self._sampling = generator.sampling
        if options.temperature is not None:
            changed = {"temperature": options.temperature}
            self._sampling = self._sampling.model_copy(update=changed)

    @property
    def _model_version(self) -> str:
        return self._generator.engine.model_version

    async def make(self, trace: Trace, splice: Splice) -> Made:
        """The chain of a splice, and its control. Raises EngineDied."""
        made = Made()
        try:
            if self._options.mode == "generated":
                made.chain = await self._generate(trace, splice, made.ends)
            else:
                made.chain = await self._splice(trace, splice, made.ends)
        except RequestRejected as e:
            made.ends[REJECTED] += 1
            made.rejection = str(e)
        if made.chain is not None:
            await self._complete(trace, made, made.chain)
        return made

    async def _generate(self, trace: Trace, splice: Splice, ends: Counter[str]) -> Chain | None:
        seed = derive_seed(trace.seed, "backtracking", repr(splice.address))
        spans = await self._to_the_last_opening(trace, splice, seed)
        if spans is None:
            ends[ENDED] += 1
            return None
        attempt = 0
        async with aclosing(self._attempts(trace, spans, seed)) as completions:
            async for completion in completions:
                whole = [*spans, *self._ending(completion)]
                verdict = await self._judge(trace, whole, completion.finish, ends)
                if verdict is not None:
                    return Chain(
                        mode="generated",
                        splice=splice,
                        spans=tuple(whole),
                        verdict=verdict,
                        model_version=completion.model_version or self._model_version,
                        seed=seed,
                        attempt=attempt,
                    )
                attempt += 1
        return None

    async def _attempts(
        self, trace: Trace, spans: Sequence[Span], seed: int
    ) -> AsyncGenerator[Completion, None]:
        """Continuations in requests of 1, 2, 4, ...: where one in two passes few are sampled in vain,
        and where few pass they run together."""
        # Greedy continuations are identical.
        most = self._options.attempts if self._sampling.temperature > 0 else 1
        done = 0
        while done < most:
            number = min(done + 1, most - done)
            request = self._request(trace, spans, number, derive_seed(seed, "tail", done))
            for completion in await self._generator.engine.generate(request):
                yield completion
            done += number

    async def _judge(
        self, trace: Trace, spans: Sequence[Span], finish: Finish, ends: Counter[str]
    ) -> Verdict | None:
        """The verdict on a chain if it passes, else None; counts the end."""
        if finish is not Finish.STOP:
            ends[TRUNCATED] += 1
            return None
        problem = trace.problem
        verdict = await self._generator.judge.verify(problem.prompt, response_of(spans), problem.target)
        ends[verdict.outcome.value] += 1
        return verdict if verdict.outcome is Outcome.PASS else None

    async def _to_the_last_opening(self, trace: Trace, splice: Splice, seed: int) -> list[Span] | None:
        """Everything before the tail; None if a notice between two detours does not end."""
        spans, openings = begin(splice), self._options.openings
        for number, detour in enumerate(splice.detours):
            if number:
                request = self._request(trace, spans, 1, derive_seed(seed, "notice", number))
                notice = await self._notice(request)
                if notice is None:
                    return None
                spans.append(notice)
            spans.append(Span.of(Kind.DETOUR, detour.nodes))
            text = openings[derive_seed(seed, "opening", number) % len(openings)]
            ids = self._generator.encode_text(text)
            spans.append(Span(kind=Kind.OPENING, token_ids=ids, text=text))
        return spans

    async def _notice(self, request: Request) -> Span | None:
        """One sampled step; None if the response would end with it."""
        splitter = self._generator.splitter
        if splitter.pauses:
            request = replace(request, pause=splitter.pauses)
            (completion,) = await generate_steps(self._generator.engine, request, 1)
            can_go_on = completion.finish is Finish.STEP
            return Span.of(Kind.NOTICE, splitter.split(completion, 1)) if can_go_on else None
        (completion,) = await self._generator.engine.generate(request)
        steps = splitter.split(completion)
        return Span.of(Kind.NOTICE, steps[:1]) if len(steps) > 1 else None

    def _ending(self, completion: Completion) -> list[Span]:
        """Notice and tail; a continuation of one step is a tail alone."""
        steps = self._generator.splitter.split(completion)
        cut = min(1, len(steps) - 1)
        return [Span.of(Kind.NOTICE, steps[:cut]), Span.of(Kind.TAIL, steps[cut:])]

    def _request(self, trace: Trace, spans: Sequence[Span], num_rollouts: int, seed: int) -> Request:
        """A request for what follows the spans. Raises RequestRejected if there is no room left."""
        most = self._options.max_tokens or self._sampling.max_tokens
        left = most - len(ids_of(spans[1:]))
        if left < 1:
            raise RequestRejected(f"expected a chain of less than {most} tokens before its tail")
        return Request(
            token_ids=ids_of(spans),
            num_rollouts=num_rollouts,
            max_tokens=left,
            sampling=self._sampling,
            seed=seed,
            tree=trace.tree.seed,
        )

    async def _splice(self, trace: Trace, splice: Splice, ends: Counter[str]) -> Chain | None:
        spans = spliced(splice, self._options.notice, self._generator.encode_text)
        verdict = await self._judge(trace, spans, Finish.STOP, ends)
        if verdict is None:
            return None
        return Chain(
            mode="spliced",
            splice=splice,
            spans=tuple(spans),
            verdict=verdict,
            model_version=splice.right[-1].model_version,
            seed=derive_seed(trace.seed, "backtracking", repr(splice.address)),
        )

    async def _complete(self, trace: Trace, made: Made, chain: Chain) -> None:
        """Adds the control and what the model makes of the tails."""
        fixed = spliced(chain.splice, self._options.notice, self._generator.encode_text)
        of_spliced = await self._mean(fixed)
        own = of_spliced if chain.mode == "spliced" else await self._mean(chain.spans)
        made.chain = replace(chain, tail_logprob=own, spliced_tail_logprob=of_spliced)
        spans = control(chain.splice)
        made.control = Chain(
            mode="control",
            splice=chain.splice,
            spans=tuple(spans),
            verdict=trace.tree.verdicts.get(chain.splice.leaf),
            model_version=chain.splice.right[-1].model_version,
            seed=chain.seed,
            tail_logprob=await self._mean(spans),
            spliced_tail_logprob=of_spliced,
        )

    async def _mean(self, spans: Sequence[Span]) -> float | None:
        """Mean log-probability of the last span's tokens; None if the engine cannot score them."""
        if self._generator.scorer is None:
            return None
        tail = spans[-1].token_ids
        try:
            scores = await self._generator.scorer.score_tokens(ids_of(spans[:-1]), tail)
        except RequestRejected:
            return None
        return sum(scores) / len(scores)
