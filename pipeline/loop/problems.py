"""The problems of a round, and those that no round trains on, as a problem source.

A problem is on one side or the other by a hash of its text, whatever its case and white space: so the
same text is on the same side in every round and in every source.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import KINDS
from pipeline.hashing import derive_seed, digest_text
from pipeline.problems import BadRow, SourceConfig
from pipeline.problems.border import open_source
from pipeline.problems.variants.making import VARIANT_OF
from pipeline.records import Problem
from pipeline.templates import Template
from pipeline.training.policy.checks import plain
from reward_models.training.examples import is_held_out
from sandbox import SandboxConfig
from verifiers.plugins import Part, PartOf

Side = Literal["train", "held_out"]


class RoundProblems:
    """One side of another source's problems, and of these the part that a round takes."""

    class Config(SourceConfig):
        """What `berry loop` writes into the configs of its runs."""

        source: Annotated[Part, PartOf(KINDS["problems"])]
        """The section `problems` of the loop's runs."""
        template: str
        """The prompt template of the runs."""
        source_seed: int
        """Seed of the source: the same in every round."""
        side: Side
        held_out: float = Field(ge=0, lt=1)
        """Fraction of the problems that no round trains on."""
        seed: int = 0
        """Seed of the sides."""
        begin: int = Field(default=0, ge=0)
        """Number of problems on this side before the first that the round takes; counts on from the
        beginning where the source ends."""
        count: int | None = Field(default=None, ge=1)
        """Number of problems that the round takes; None takes all."""
        more: tuple[Path, ...] = ()
        """Files of further problems, which all rounds' sides divide alike: with the columns of
        `problems.preset=plain`."""
        less: Path | None = None
        """A JSON list of the keys of problems that the round gets fewer of."""
        less_keep: float = Field(default=1.0, ge=0, le=1)
        """Fraction of these that the round keeps."""
        sandbox: SandboxConfig = SandboxConfig()
        """The sandbox of the runs, in which variants are made."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config, self._round_seed = config, seed
        self._source = open_source(
            config.source, config.source_seed, Template(config.template), config.sandbox
        )

    def size(self) -> int | None:
        """About the number of problems."""
        whole = self._source.size()
        config = self.config
        if whole is None:
            return config.count
        limit = self._source.config.limit
        whole = whole if limit is None else min(whole, limit)
        fraction = config.held_out if config.side == "held_out" else 1 - config.held_out
        side = round(fraction * whole)
        taken = side if config.count is None else min(side, config.count)
        return taken if config.limit is None else min(taken, config.limit)

    def rows(self) -> Iterator[Problem | BadRow]:
        """The problems. Raises ProblemError as the source does."""
        less, left_out, is_any = self._read_less(), list[Problem](), False
        for row in chain(self._taken(), self._more()):
            if isinstance(row, BadRow) or key_of(row.prompt) not in less or self._is_kept(row):
                is_any = is_any or isinstance(row, Problem)
                yield row
            elif not is_any:
                left_out.append(row)
        if not is_any:
            # Problems that teach little are better than a round without any.
            yield from left_out

    def _taken(self) -> Iterator[Problem | BadRow]:
        """Those from `begin` on, at most once around a source that ends before."""
        begin, left = self.config.begin, self.config.count
        if left is None:
            yield from self._side()
            return
        if begin:
            total = sum(isinstance(row, Problem) for row in self._side())
            if not total:
                return
            begin, left = begin % total, min(left, total)
        for row in chain(self._side(), self._side() if begin else ()):
            is_problem = isinstance(row, Problem)
            if begin:
                begin -= is_problem
            elif left:
                left -= is_problem
                yield row
            else:
                return

    def _more(self) -> Iterator[Problem | BadRow]:
        template = Template(self.config.template)
        for path in self.config.more:
            source = open_source(
                KINDS["problems"].part(made_section(path)), self.config.source_seed, template
            )
            for row in source.rows():
                if isinstance(row, BadRow) or self._is_wanted(row.prompt):
                    yield row

    def _side(self) -> Iterator[Problem | BadRow]:
        limit, seen = self._source.config.limit, 0
        original: Problem | None = None
        for row in self._source.rows():
            if limit is not None and seen >= limit:
                return
            if isinstance(row, BadRow):
                yield row
                continue
            seen += 1
            is_variant = original is not None and _is_variant_of(original, row)
            if original is None or not is_variant:
                original = row
            # Nothing is measured on a variant. It is trained on with its original, which it follows,
            # unless its text, which may be that of another problem, is held out.
            if is_variant and self.config.side == "held_out":
                continue
            if self._is_wanted(original.prompt) and self._is_wanted(row.prompt):
                yield row

    def _is_wanted(self, prompt: str) -> bool:
        return side_of(prompt, self.config.held_out, self.config.seed) == self.config.side

    def _is_kept(self, problem: Problem) -> bool:
        drawn = derive_seed("less", self._round_seed, key_of(problem.prompt)) / 2**63
        return drawn < self.config.less_keep

    def _read_less(self) -> frozenset[str]:
        path = self.config.less
        return frozenset() if path is None else frozenset(json.loads(path.read_text(encoding="utf-8")))


def _is_variant_of(original: Problem, problem: Problem) -> bool:
    made_of = problem.meta.get(VARIANT_OF)
    return isinstance(made_of, list | tuple) and original.id in made_of


def side_of(prompt: str, held_out: float, seed: int) -> Side:
    """The side that a problem is on."""
    return "held_out" if is_held_out(key_of(prompt), held_out, seed) else "train"


def made_section(path: Path) -> dict[str, object]:
    """The section `problems` of a file of new problems."""
    return {"use": "file", "preset": "plain", "path": str(path), "meta_fields": "all"}


def key_of(prompt: str) -> str:
    """A hash of a problem's text, whatever its case and white space."""
    return digest_text(plain(prompt))
