"""The problems: chains such as `17+5*3-8=?`, worked from left to right, all values modulo 100.

There is one right response, a line for each operation and one for the answer:

    17+5=22
    22*3=66
    66-8=58
    #### 58

Values are kept modulo 100, so a chain goes on from a wrong value as it does from a right one: a model's
fault is followed by arithmetic it knows. Adding and subtracting never undo a fault; multiplying by an
even number or by 5 can, since it sends several values to one.

A chain is for training or for testing by a hash of its prompt, whatever the seed it was made from.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.records import Problem
from verifiers import Target

NUM_VALUES = 100
NUM_OPERATIONS = (5, 8)
"""Least and most operations of a chain, if not given."""
_MOST_NUMBER = 9
_TEST_SHARE = 8
"""One chain in so many is for testing."""
_PROMPT = re.compile(r"(\d{1,2})((?:[-+*]\d{1,2})+)=\?", re.ASCII)
_OPERATION = re.compile(r"([-+*])(\d{1,2})", re.ASCII)


class Split(StrEnum):
    """What a chain is for."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a chain."""

    sign: str
    """`+`, `-` or `*`."""
    number: int

    def apply(self, value: int) -> int:
        """The value after it, from 0 to 99."""
        if self.sign == "+":
            return (value + self.number) % NUM_VALUES
        if self.sign == "-":
            return (value - self.number) % NUM_VALUES
        return (value * self.number) % NUM_VALUES

    def __str__(self) -> str:
        return f"{self.sign}{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One problem."""

    start: int
    """From 0 to 99."""
    operations: tuple[Operation, ...]

    @classmethod
    def parse(cls, prompt: str) -> "Chain":
        """The chain whose prompt this is. Raises ValueError for any other text."""
        match = _PROMPT.fullmatch(prompt)
        if match is None:
            raise ValueError(f"expected a chain such as 17+5*3-8=?, got {prompt!r}")
        operations = [
            Operation(sign=sign, number=int(number)) for sign, number in _OPERATION.findall(match[2])
        ]
        return cls(start=int(match[1]), operations=tuple(operations))

    @property
    def prompt(self) -> str:
        """What the model is asked; it ends in `=?`."""
        return f"{self.start}{''.join(map(str, self.operations))}=?"

    @property
    def lines(self) -> tuple[str, ...]:
        """The right response's lines, one more than there are operations."""
        lines, value = [], self.start
        for operation in self.operations:
            result = operation.apply(value)
            lines.append(f"{value}{operation}={result}")
            value = result
        return (*lines, f"#### {value}")

    @property
    def solution(self) -> str:
        """The right response."""
        return "\n".join(self.lines)

    @property
    def answer(self) -> str:
        """The gold answer."""
        return self.lines[-1].removeprefix("#### ")

    @property
    def split(self) -> Split:
        """By a hash of the prompt."""
        digest = hashlib.blake2b(self.prompt.encode(), digest_size=8).digest()
        return Split.TRAIN if int.from_bytes(digest) % _TEST_SHARE else Split.TEST

    def problem(self) -> Problem:
        """As a problem of berry's, the same that `problems.preset=plain` reads from a file."""
        target = Target(kind="math", value=self.answer)
        return Problem.create(prompt=self.prompt, target=target, source="arithmetic")


def draw_chains(
    seed: int | str, split: Split, num_operations: tuple[int, int] = NUM_OPERATIONS
) -> Iterator[Chain]:
    """Chains of a split without end, of the least to the most operations; short ones can come twice."""
    draw = random.Random(f"{seed} {split}")
    while True:
        chain = Chain(
            start=draw.randrange(NUM_VALUES),
            operations=tuple(_draw_operation(draw) for _ in range(draw.randint(*num_operations))),
        )
        if chain.split is split:
            yield chain


def make_chains(
    num_chains: int,
    seed: int | str,
    split: Split = Split.TEST,
    num_operations: tuple[int, int] = NUM_OPERATIONS,
) -> list[Chain]:
    """Different chains of a split, the same for the same arguments."""
    chains: dict[Chain, None] = {}
    for chain in draw_chains(seed, split, num_operations):
        if len(chains) == num_chains:
            break
        chains[chain] = None
    return list(chains)


def write_problems(path: Path, chains: list[Chain]) -> Path:
    """The chains as rows of `prompt` and `answer`, for `problems.preset=plain`."""
    rows = [json.dumps({"prompt": chain.prompt, "answer": chain.answer}) for chain in chains]
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def _draw_operation(draw: random.Random) -> Operation:
    sign = draw.choice("+-*")
    number = draw.randint(2 if sign == "*" else 1, _MOST_NUMBER)
    return Operation(sign=sign, number=number)
