"""A simulated solver: a public, deterministic stand-in for a language model.

A problem takes a fixed number of steps. Each step carries a running value that is either right or
wrong: from a right value the next one is wrong with the problem's error rate, from a wrong value it
is right again with the recovery rate. The final answer is the gold answer if the last value was
right, else a wrong one. So whether a step is right, and how often a prefix ends in the right answer,
are known exactly: see `true_steps` and `true_pass_rate`.

Everything follows from a request's token ids and seed; the engine keeps no state. A token is one
byte of UTF-8, and id 256 ends a response.
"""

import asyncio
import json
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Sequence
from random import Random

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.chat import Chat
from pipeline.engines import Completion, Prompt, PromptFormat, Request
from pipeline.records import Problem
from pipeline.tree import Finish

END_TOKEN = 256
_SOLUTION = "\nSolution:\n"
_TOLD = re.compile(r"\n\[the simulated solver is told: (.*)\]" + re.escape(_SOLUTION))
_OPENINGS = ("Now", "Then", "Next", "So", "We do", "Here is", "Next comes", "This is")
"""Words without meaning, so that two right responses seldom have the same text."""
_VALUE = re.compile(r"running value is (\d+)")


class SimulatedEngine:
    """The simulated solver as an `Engine`."""

    class Config(BaseModel):
        """How good and how fast the solver is."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        min_steps: int = Field(default=2, ge=1)
        max_steps: int = Field(default=5, ge=1)
        error_rate: float = Field(default=0.2, ge=0, le=1)
        """Chance that a step goes wrong, for a problem of middling difficulty."""
        error_spread: float = Field(default=0.5, ge=0, le=1)
        """Problems' own error rates lie between 1 - spread and 1 + spread times `error_rate`."""
        recovery_rate: float = Field(default=0.02, ge=0, le=1)
        """Chance that a step after a wrong one is right again."""
        token_seconds: float = Field(default=0.0, ge=0)
        """Latency for each token of the longest rollout of a request."""

        @property
        def gives_logprobs(self) -> bool:
            """Its tokens are bytes, which have none."""
            return False

        @model_validator(mode="after")
        def _check_steps(self) -> "SimulatedEngine.Config":
            if self.min_steps > self.max_steps:
                raise ValueError(f"min_steps {self.min_steps} is over max_steps {self.max_steps}")
            return self

    def __init__(self, config: Config, prompt_format: PromptFormat, seed: int = 0) -> None:
        self.config = config
        self.model_version = "simulated-1"
        self._format = prompt_format
        self._seed = seed

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    def encode(self, problem: Problem) -> Prompt:
        """The prompt, in which the solver is also told the gold answer it is to find or miss."""
        answer = json.dumps(problem.target.value or "0")
        text = f"{self._format.render(problem)}\n[the simulated solver is told: {answer}]{_SOLUTION}"
        return Prompt(token_ids=tuple(text.encode()), text=text, chat=Chat.plain(text))

    async def generate(self, request: Request) -> list[Completion]:
        """Completions after `token_seconds` for each token of the longest one."""
        task = _Task.read(request.token_ids, self.config)
        completions = [
            _complete(task.sample(Random(request.seed + index)), request)
            for index in range(request.num_rollouts)
        ]
        if self.config.token_seconds:
            longest = max(len(completion.token_ids) for completion in completions)
            await asyncio.sleep(longest * self.config.token_seconds)
        return completions

    def true_steps(self, token_ids: Sequence[int]) -> list[bool]:
        """Whether each step of a prefix has the right running value."""
        return _Task.read(token_ids, self.config).steps_right

    def true_pass_rate(self, token_ids: Sequence[int]) -> float:
        """Chance that a rollout from this prefix states the gold answer, tokens unlimited."""
        return _Task.read(token_ids, self.config).pass_rate()


class _Task:
    """A prefix, understood: the problem's parameters and how far the response has come."""

    def __init__(self, prompt: str, gold: str, response: str, config: SimulatedEngine.Config) -> None:
        self._hash = zlib.crc32(prompt.encode())
        span = config.max_steps - config.min_steps + 1
        self.num_steps = config.min_steps + self._hash % span
        difficulty = (self._hash >> 8) % 1001 / 500 - 1
        self.error_rate = min(1.0, config.error_rate * (1 + config.error_spread * difficulty))
        self.recovery_rate = config.recovery_rate
        self.gold = gold
        self.response = response
        self.steps_right = [
            int(value) == self._right_value(index)
            for index, value in enumerate(_VALUE.findall(response))
        ]

    @classmethod
    def read(cls, token_ids: Sequence[int], config: SimulatedEngine.Config) -> "_Task":
        text = bytes(token_ids).decode(errors="replace")
        told = _TOLD.search(text)
        if told is None:
            raise ValueError("expected a prefix that begins with a prompt of this engine's own")
        return cls(text[: told.start()], json.loads(told[1]), text[told.end() :], config)

    def sample(self, random: Random) -> str:
        """A continuation of the response to its end."""
        right = self.steps_right[-1] if self.steps_right else True
        lines = []
        for index in range(len(self.steps_right), self.num_steps):
            right = random.random() >= (self.error_rate if right else 1 - self.recovery_rate)
            value = self._right_value(index) + (0 if right else random.randint(1, 9))
            opening = random.choice(_OPENINGS)
            lines.append(f"{opening} step {index + 1}: the running value is {value}.\n")
        lines.append(f"The answer is \\boxed{{{self.gold if right else self._wrong(random)}}}.")
        return "".join(lines)

    def pass_rate(self) -> float:
        chance = float(self.steps_right[-1]) if self.steps_right else 1.0
        for _ in range(len(self.steps_right), self.num_steps):
            chance = chance * (1 - self.error_rate) + (1 - chance) * self.recovery_rate
        return chance

    def _right_value(self, index: int) -> int:
        return (self._hash >> index) % 900 + 100

    def _wrong(self, random: Random) -> str:
        off = random.randint(1, 9)
        try:
            return str(int(self.gold) + off)
        except ValueError:
            return f"{self.gold}{off}"


def _complete(text: str, request: Request) -> Completion:
    """Applies the stop strings, the pauses and the token limit to a full response."""
    ids = [*text.encode(), END_TOKEN]
    finish, visible = Finish.STOP, text
    for stop in request.sampling.stop:
        found = visible.find(stop)
        if found >= 0:
            ids = list(text[: found + len(stop)].encode())
            visible = text[:found]
    for pause in request.pause:
        found = visible.find(pause)
        if found >= 0:
            visible = visible[: found + len(pause)]
            ids, finish = list(visible.encode()), Finish.STEP
    if len(ids) > request.max_tokens:
        ids, finish = ids[: request.max_tokens], Finish.LENGTH
    token_texts = _token_texts(ids, ascii_only=text.isascii())
    return Completion(
        token_ids=tuple(ids),
        token_texts=token_texts,
        text="".join(token_texts)[: len(visible)],
        logprobs=None,
        finish=finish,
    )


def _token_texts(ids: list[int], *, ascii_only: bool) -> tuple[str, ...]:
    if ascii_only:
        return tuple("" if token == END_TOKEN else chr(token) for token in ids)
    decoder = getincrementaldecoder("utf-8")()
    return tuple("" if token == END_TOKEN else decoder.decode(bytes([token])) for token in ids)
