"""Counts what an engine samples, also for problems that are still under way."""

from pipeline.engines import Completion, Engine, Prompt, Request
from pipeline.records import Problem


class MeteredEngine:
    """An `Engine` around another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.num_tokens = 0
        """Tokens sampled so far."""

    @property
    def model_version(self) -> str:
        """The inner engine's."""
        return self._engine.model_version

    async def start(self) -> None:
        """Starts the inner engine."""
        await self._engine.start()

    async def close(self) -> None:
        """Closes the inner engine."""
        await self._engine.close()

    def encode(self, problem: Problem) -> Prompt:
        """As the inner engine does."""
        return self._engine.encode(problem)

    async def generate(self, request: Request) -> list[Completion]:
        """As the inner engine does, counted."""
        completions = await self._engine.generate(request)
        # A greedy rollout that is asked for several times is sampled once and is one object.
        sampled = {id(completion): completion for completion in completions}.values()
        self.num_tokens += sum(len(completion.token_ids) for completion in sampled)
        return completions
