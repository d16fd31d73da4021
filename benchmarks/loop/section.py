"""Three rounds of the loop with three strategies, three seeds, beside true solutions."""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loop.arms import ADAPTIVE, SURVIVORS, Arm, Result, best_of_n, run_arm, true_solutions
from benchmarks.loop.setting import NUM_HELD_OUT, NUM_ROUNDS, PER_ROUND, Setting
from benchmarks.measure import Measured, spread

_SEEDS = (0, 1, 2)
_PLAIN = best_of_n(8)
"""Samples at least as many tokens as the others."""
_ARMS = (_PLAIN, ADAPTIVE, SURVIVORS)
_LEAST_OF_TRUE = 0.9
_TEXT = """## The loop
The arithmetic model, started weak, in {rounds} rounds of {problems} chains: search with the round's
model, train the base on the survivors of all rounds. pass@1 is the exact probability of the right
response, a mean over {held_out} chains that no round trains on. A survivor is flawed if one of its
steps is wrong, which a later step undid. Pruned by step scores: of a problem's survivors the one
whose least sure step the solver was surest of, from 0.85 on (`prune.score_by=steps`, `confidence`).
True solutions: as many as the arm has survivors, of the same problem set. Medians and ranges of
{seeds} seeds, each with a base of its own.

| | pass@1 of the base | {headings} | true solutions | tokens sampled | survivors | flawed | seconds |
|---|---|{lines}---|---|---|---|---|
{rows}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    """An arm, for one seed."""

    result: Result
    true: float
    """pass@1 after training on as many true solutions."""

    @property
    def last(self) -> float:
        """pass@1 after the last round."""
        return self.result.pass_rates[-1]


def rounds_of_the_loop() -> tuple[list[Measured], str]:
    """pass@1 after each round, of each arm."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder))


def measure(folder: Path) -> tuple[list[Measured], str]:
    """The same in a folder, where it goes on with what is there."""
    found: dict[str, list[_Measurement]] = {arm.name: [] for arm in _ARMS}
    for seed in _SEEDS:
        setting = Setting.make(folder / str(seed), seed)
        for arm in _ARMS:
            found[arm.name].append(_measure(setting, arm))
    plain, adaptive = found[_PLAIN.name], found[ADAPTIVE.name]
    return [_of_true(adaptive), _above_plain(adaptive, plain)], _section(found)


def _measure(setting: Setting, arm: Arm) -> _Measurement:
    result = run_arm(setting, arm)
    return _Measurement(result=result, true=true_solutions(setting, result.kept.num_kept))


def _of_true(adaptive: Sequence[_Measurement]) -> Measured:
    shares = [one.last / one.true for one in adaptive]
    return Measured(
        what="loop, adaptive: pass@1 after three rounds, after as many true solutions",
        figures=f"{spread([one.last for one in adaptive], 3)}; "
        f"{spread([one.true for one in adaptive], 3)}",
        ratio=spread(shares, 3),
        goal=f"at least {_LEAST_OF_TRUE} of it",
        met=min(shares) >= _LEAST_OF_TRUE,
    )


def _above_plain(adaptive: Sequence[_Measurement], plain: Sequence[_Measurement]) -> Measured:
    """Seed by seed: bases and problems of two seeds differ by more than two arms."""
    ours, theirs = ([one.last for one in arm] for arm in (adaptive, plain))
    more = [one - other for one, other in zip(ours, theirs, strict=True)]
    tokens = [[sum(one.result.tokens) for one in arm] for arm in (adaptive, plain)]
    return Measured(
        what=f"loop: pass@1 after three rounds of adaptive, of {_PLAIN.name}",
        figures=f"{spread(ours, 3)}; {spread(theirs, 3)} "
        f"({spread(tokens[0])}; {spread(tokens[1])} tokens)",
        ratio=f"{statistics.median(more):+.3f} ({min(more):+.3f} to {max(more):+.3f})",
        goal="above 0 for every seed, at no more tokens",
        met=min(more) > 0 and all(one <= other for one, other in zip(*tokens, strict=True)),
    )


def _section(found: dict[str, list[_Measurement]]) -> str:
    headings = [f"round {number}" for number in range(1, NUM_ROUNDS + 1)]
    return _TEXT.format(
        rounds=NUM_ROUNDS,
        problems=PER_ROUND,
        held_out=NUM_HELD_OUT,
        seeds=len(_SEEDS),
        headings=" | ".join(headings),
        lines="---|" * NUM_ROUNDS,
        rows="\n".join(_row(name, arm) for name, arm in found.items()),
    )


def _row(name: str, arm: Sequence[_Measurement]) -> str:
    rates = zip(*(one.result.pass_rates for one in arm), strict=True)
    cells = [
        *(spread(rate, 3) for rate in rates),
        spread([one.true for one in arm], 3),
        spread([sum(one.result.tokens) for one in arm]),
        spread([one.result.kept.num_kept for one in arm]),
        spread([one.result.kept.flawed for one in arm], 3),
        spread([sum(one.result.seconds.values()) for one in arm]),
    ]
    return f"| {name} | {' | '.join(cells)} |"
