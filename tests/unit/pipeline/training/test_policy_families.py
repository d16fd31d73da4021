"""A problem and its variants are on one side of a training."""

from pathlib import Path
from typing import Any

from pipeline.problems.variants.making import NUMBERS, origin_of
from pipeline.records import Problem
from pipeline.training.policy.examples import read_split
from pipeline.training.policy.held_out import held_out_problems
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.train import _read_responses, _Seen
from reward_models.training.examples import is_held_out
from reward_models.training.settings import TrainSettings
from tests.policy_runs import ENGINE, branched_trace, policy_problem
from tests.runs import write_run


def test_a_variant_is_on_the_side_of_its_original(tmp_path: Path, tokenizer: Any) -> None:
    families: dict[str, str] = {}
    problems = []
    for number in range(12):
        original, other = policy_problem(number), policy_problem(number + 100)
        meta = origin_of([original.id], NUMBERS)
        variant = Problem.create(
            prompt=other.prompt, target=other.target, source=other.source, meta=meta
        )
        families |= {original.id: original.id, variant.id: original.id}
        problems += [original, variant]
    run = write_run(
        tmp_path / "run", [branched_trace(tokenizer, one) for one in problems], engine=ENGINE
    )
    for method in ("sft", "ppo"):
        settings = PolicySettings.model_validate({"method": method, "held_out": 0.4})
        found = read_split([run], settings, 4096)
        sides = [{families[one.problem_id] for one in side} for side in (found.train, found.held_out)]
        assert all(sides)
        assert not sides[0] & sides[1]
    labelled = list(_read_responses(run, "orm", TrainSettings(), _Seen()))
    assert {one.problem_id: one.originals for one in labelled} == {
        problem: (original,) for problem, original in families.items()
    }
    measured = held_out_problems([run], 0.4, 0, 100)
    assert {families[one.id] for one in measured} == sides[1]
    assert len(measured) == 2 * len(sides[1])


def test_a_composition_of_both_sides_is_neither_trained_on_nor_measured(
    tmp_path: Path, tokenizer: Any
) -> None:
    originals = [policy_problem(number) for number in range(12)]
    held = {one.id: is_held_out(one.id, 0.4, 0) for one in originals}
    first, second = (next(one for one in originals if held[one.id] is side) for side in (False, True))
    other = policy_problem(100)
    meta = origin_of([first.id, second.id], "composed")
    composed = Problem.create(prompt=other.prompt, target=other.target, source=other.source, meta=meta)
    traces = [branched_trace(tokenizer, one) for one in (*originals, composed)]
    run = write_run(tmp_path / "run", traces, engine=ENGINE)

    found = read_split([run], PolicySettings.model_validate({"held_out": 0.4}), 4096)
    assert set(found.train_problems) == {one for one, side in held.items() if not side}
    assert composed.id not in {one.id for one in held_out_problems([run], 0.4, 0, 100)}
