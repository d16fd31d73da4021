"""How much a lying verifier costs, and what wins it back: 0, 5 and 20% of its verdicts flipped."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.loop.lies import DEFENCES, NUM_ROLLOUTS, Lied, Taught, taught
from benchmarks.loop.setting import NUM_HELD_OUT, NUM_ROUNDS, PER_ROUND, Setting
from benchmarks.measure import Measured, spread

_SEEDS = (0,)
"""Each takes some 25 minutes on a core."""
_FLIPPED = (0.0, 0.05, 0.2)
_NONE, _BEST = "none", "step scores, second verifier"
_HONEST = (_NONE, "step scores")
_LEAST_WON_BACK = 0.5
_TEXT = """## A lying verifier
The arithmetic model of [the loop](#the-loop), one round: {rollouts} whole rollouts of {problems} chains
(`best_of_n`), a verifier that flips a share of its verdicts, and a training on the responses that a
defence leaves of those that it passed. **Majority**: the answer that most responses to the problem
give. **Outcome reward model**: the best of each problem by a model trained on the lies, from 0.5 on.
**Second verifier**: one that lies as often, independently (`berry verify --with`). **Step scores**: the
one whose least sure step the solver was surest of, from 0.85 on (`prune.score_by=steps`). {seeds};
pass@1 is exact, over {held_out} held-out chains; the base has {base}.

| verdicts flipped | defence | survivors | with a wrong answer | flawed | pass@1 after training |
|---|---|---|---|---|---|
{rows}"""

Found = Mapping[tuple[float, str], Sequence[Taught]]
"""(share of flipped verdicts, defence) -> what was taught, for each seed."""


def flipped_verdicts() -> tuple[list[Measured], str]:
    """What a lying verifier costs, and how much of it each defence wins back."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), _SEEDS)


def measure(folder: Path, seeds: Sequence[int]) -> tuple[list[Measured], str]:
    """The same in a folder, where it goes on with what is there."""
    found: dict[tuple[float, str], list[Taught]] = {}
    bases = []
    for seed in seeds:
        setting = Setting.make(folder / str(seed), seed)
        bases.append(setting.pass_rate(setting.base))
        for share in _FLIPPED:
            (lied := Lied(setting=setting, flipped=share)).make()
            # Where nothing lies, there is nothing to defend against but flawed steps.
            for defence in DEFENCES if share else _HONEST:
                found.setdefault((share, defence), []).append(taught(lied, defence))
    return [_won_back(found)], _TEXT.format(
        rollouts=NUM_ROLLOUTS,
        problems=f"{PER_ROUND * NUM_ROUNDS:,}",
        seeds="One seed" if len(seeds) == 1 else f"Medians and ranges of {len(seeds)} seeds",
        held_out=NUM_HELD_OUT,
        base=_spread(bases, 3),
        rows="\n".join(_row(share, defence, each) for (share, defence), each in found.items()),
    )


def _won_back(found: Found) -> Measured:
    honest, lied, defended = (
        [one.pass_rate for one in found[key]]
        for key in ((0.0, _NONE), (_FLIPPED[-1], _NONE), (_FLIPPED[-1], _BEST))
    )
    shares = [
        (best - worst) / (whole - worst)
        for whole, worst, best in zip(honest, lied, defended, strict=True)
    ]
    return Measured(
        what=f"{_FLIPPED[-1]:.0%} of the verdicts flipped: pass@1 with honest verdicts; with lies; "
        f"with lies and {_BEST}",
        figures="; ".join(_spread(rates, 3) for rates in (honest, lied, defended)),
        ratio=f"{_spread(shares, 2)} of the loss won back",
        goal=f"at least {_LEAST_WON_BACK}",
        met=min(shares) >= _LEAST_WON_BACK,
    )


def _row(share: float, defence: str, each: Sequence[Taught]) -> str:
    cells = [
        f"{share:.0%}",
        defence,
        _spread([one.kept.num_kept for one in each]),
        _spread([one.kept.wrong_answers for one in each], 3),
        _spread([one.kept.flawed for one in each], 3),
        _spread([one.pass_rate for one in each], 3),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range; of a single value, the value."""
    return spread(values, digits) if len(values) > 1 else f"{values[0]:,.{digits}f}"
