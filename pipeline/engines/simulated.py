"""A simulated solver: a public, deterministic stand-in for a language model.

A problem takes a fixed number of steps. Each step has a running value that is either right or wrong.
After a right value, the next is wrong with the problem's error rate; after a wrong value, it is right
again with the recovery rate. The final answer is the gold answer if the last value is right, else a
wrong answer. So the correctness of a step and the pass rate of a prefix are known exactly, see
`true_steps` and `true_pass_rate`.

All output follows from a request's token ids and seed and from the solver's options, which stand for
its weights. A token is one byte of UTF-8, and id 256 ends a response.
"""

import asyncio
import json
import math
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Sequence
from random import Random

from pydantic import Field, ValidationError, model_validator

from pipeline.chat import Chat
from pipeline.engines import Completion, Load, Prompt, PromptFormat, Request, WeightsRefused
from pipeline.engines.base import EngineConfig
from pipeline.engines.gate import Gate
from pipeline.records import Problem
from pipeline.tree import Finish

END_TOKEN = 256
_NOISE = 1e-3
"""Fraction of bytes that count as noise where tokens are scored."""
_LINE_END = ord("\n")
_FIRST_VERSION = "simulated-1"
_SOLUTION = "\nSolution:\n"
_TOLD = re.compile(r"\n\[the simulated solver is told: (.*)\]" + re.escape(_SOLUTION))
_OPENINGS = ("Now", "Then", "Next", "So", "We do", "Here is", "Next comes", "This is")
"""Words without meaning, so that two right responses rarely have the same text."""
_VALUE = re.compile(r"running value is (\d+)")


class SimulatedEngine:
    """The simulated solver as an `Engine`."""

    class Config(EngineConfig):
        """Accuracy and speed of the solver."""

        min_steps: int = Field(default=2, ge=1)
        """Minimum number of steps in a response."""
        max_steps: int = Field(default=5, ge=1)
        """Maximum number of steps in a response."""
        error_rate: float = Field(default=0.2, ge=0, le=1)
        """Probability that a step goes wrong, for a problem of medium difficulty."""
        error_spread: float = Field(default=0.5, ge=0, le=1)
        """Spread of difficulty: a problem's error rate is `error_rate` times a factor between 1 -
        spread and 1 + spread."""
        recovery_rate: float = Field(default=0.02, ge=0, le=1)
        """Probability that a step after a wrong one is right again."""
        token_seconds: float = Field(default=0.0, ge=0)
        """Simulated seconds per token of the longest rollout in a request."""

        @property
        def gives_logprobs(self) -> bool:
            """False: its tokens are bytes without log-probabilities."""
            return False

        @model_validator(mode="after")
        def _check_steps(self) -> "SimulatedEngine.Config":
            if self.min_steps > self.max_steps:
                raise ValueError(f"min_steps {self.min_steps} is over max_steps {self.max_steps}")
            return self

    def __init__(self, config: Config, prompt_format: PromptFormat, seed: int = 0) -> None:
        self.config = config
        self.model_version = _FIRST_VERSION
        self._format = prompt_format
        self._seed = seed
        self._gate = Gate()

    async def start(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""

    def encode(self, problem: Problem) -> Prompt:
        """The prompt, which also gives the solver the gold answer that it finds or misses."""
        answer = json.dumps(problem.target.value or "0")
        text = f"{self._format.render(problem)}\n[the simulated solver is told: {answer}]{_SOLUTION}"
        return Prompt(token_ids=tuple(text.encode()), text=text, chat=Chat.plain(text))

    async def generate(self, request: Request) -> list[Completion]:
        """Samples; takes `token_seconds` for each token of the longest completion."""
        async with self._gate.passing():
            task = _Task.read(request.token_ids, self.config)
            completions = [
                _complete(task.sample(self._random(request, index)), request, self.model_version)
                for index in range(request.num_rollouts)
            ]
            if self.config.token_seconds:
                longest = max(len(completion.token_ids) for completion in completions)
                await asyncio.sleep(longest * self.config.token_seconds)
        return completions

    def encode_text(self, text: str) -> tuple[int, ...]:
        """See `EncodesText`: the text's bytes."""
        return tuple(text.encode())

    async def score_tokens(self, prefix: Sequence[int], token_ids: Sequence[int]) -> tuple[float, ...]:
        """See `ScoresTokens`: exact, but that one byte in a thousand counts as noise, so that bytes
        that the solver never writes have a probability, too."""
        scores: list[float] = []
        while (begin := len(scores)) < len(token_ids):
            lines = _Task.read([*prefix, *token_ids[:begin]], self.config).next_lines()
            scores += _score_line(lines, tuple(token_ids[begin:]))
        return tuple(scores)

    async def update_weights(self, model: str, *, keep: bool = False) -> str:
        """See `Updatable`; `model` is the solver's new options, such as `error_rate=0.1`.

        What it has begun to sample is not changed by `keep` either.
        """
        config, version = self._config_of(model), f"{_FIRST_VERSION} {model}"
        async with self._gate.closed(empty=not keep):
            self.config, self.model_version = config, version
        return version

    async def load(self) -> Load:
        """Its requests, all of which run at once."""
        return Load(num_running=self._gate.num_inside, num_waiting=0)

    def _config_of(self, model: str) -> Config:
        pairs = [pair.partition("=") for pair in model.split()]
        options = {key: value for key, _, value in pairs}
        wanted = "update_weights: expected options of the simulated solver, such as error_rate=0.1, got"
        if not options:
            raise WeightsRefused(f"{wanted} {model!r}")
        try:
            return self.Config.model_validate({**self.config.model_dump(), **options})
        except ValidationError as e:
            error = e.errors()[0]
            where = ".".join(map(str, error["loc"]))
            raise WeightsRefused(f"{wanted} {model!r} ({where}: {error['msg']})") from e

    def _random(self, request: Request, index: int) -> Random:
        """Each version samples differently."""
        seed = request.seed + index
        if self.model_version == _FIRST_VERSION:
            return Random(seed)
        return Random(f"{seed} {self.model_version}")

    def true_steps(self, token_ids: Sequence[int]) -> list[bool]:
        """Whether each step of a prefix has the right running value."""
        return _Task.read(token_ids, self.config).steps_right

    def true_pass_rate(self, token_ids: Sequence[int]) -> float:
        """Probability that a rollout of unlimited length from this prefix gives the gold answer."""
        return _Task.read(token_ids, self.config).pass_rate()


class _Task:
    """A parsed prefix: the problem's parameters and the response's progress."""

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
        found = _TOLD.search(text)
        if found is None:
            raise ValueError("expected a prefix that begins with a prompt of this engine's own")
        return cls(text[: found.start()], json.loads(found[1]), text[found.end() :], config)

    def sample(self, random: Random) -> str:
        """A continuation of the response to its end."""
        right = self.steps_right[-1] if self.steps_right else True
        lines = []
        for index in range(len(self.steps_right), self.num_steps):
            right = random.random() >= (self.error_rate if right else 1 - self.recovery_rate)
            value = self._right_value(index) + (0 if right else random.randint(1, 9))
            lines.append(_line(random.choice(_OPENINGS), index, value))
        lines.append(_answer(self.gold if right else self._wrong(random.randint(1, 9))))
        return "".join(lines)

    def next_lines(self) -> list[tuple[float, tuple[int, ...]]]:
        """Every line that `sample` may begin with, as ids, with its probability."""
        right = self.steps_right[-1] if self.steps_right else True
        index = len(self.steps_right)
        if index >= self.num_steps:
            answers = [self.gold] if right else [self._wrong(off) for off in range(1, 10)]
            return [(1 / len(answers), (*_answer(one).encode(), END_TOKEN)) for one in answers]
        goes_right = 1 - self.error_rate if right else self.recovery_rate
        weights = [goes_right, *[(1 - goes_right) / 9] * 9]
        return [
            (weight / len(_OPENINGS), tuple(_line(opening, index, value).encode()))
            for value, weight in enumerate(weights, start=self._right_value(index))
            for opening in _OPENINGS
        ]

    def pass_rate(self) -> float:
        probability = float(self.steps_right[-1]) if self.steps_right else 1.0
        for _ in range(len(self.steps_right), self.num_steps):
            probability = probability * (1 - self.error_rate) + (1 - probability) * self.recovery_rate
        return probability

    def _right_value(self, index: int) -> int:
        return (self._hash >> index) % 900 + 100

    def _wrong(self, off: int) -> str:
        try:
            return str(int(self.gold) + off)
        except ValueError:
            return f"{self.gold}{off}"


def _line(opening: str, index: int, value: int) -> str:
    return f"{opening} step {index + 1}: the running value is {value}.\n"


def _answer(value: str) -> str:
    return f"The answer is \\boxed{{{value}}}."


def _score_line(lines: list[tuple[float, tuple[int, ...]]], ids: tuple[int, ...]) -> list[float]:
    """Log-probabilities of the ids up to the first line end, if one of `lines` comes next."""
    scores: list[float] = []
    for end in range(1, len(ids) + 1):
        before, with_it = (_weight(lines, ids[:length]) for length in (end - 1, end))
        own = with_it / before if before else 0.0
        scores.append(math.log((1 - _NOISE) * own + _NOISE / (END_TOKEN + 1)))
        if ids[end - 1] == _LINE_END:
            break
    return scores


def _weight(lines: list[tuple[float, tuple[int, ...]]], begun: tuple[int, ...]) -> float:
    """Probability of the lines that begin so."""
    return sum(weight for weight, line in lines if line[: len(begun)] == begun)


def _complete(text: str, request: Request, model_version: str) -> Completion:
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
        model_version=model_version,
    )


def _token_texts(ids: list[int], *, ascii_only: bool) -> tuple[str, ...]:
    if ascii_only:
        return tuple("" if token == END_TOKEN else chr(token) for token in ids)
    decoder = getincrementaldecoder("utf-8")()
    return tuple("" if token == END_TOKEN else decoder.decode(bytes([token])) for token in ids)
