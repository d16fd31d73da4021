"""Reward models train on the tree's own tokens, at the right positions, split by problem."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification

from reward_models import Steps
from reward_models.errors import RewardModelError
from reward_models.manifest import TrainedModel
from reward_models.serving.model import Orm, Prm, ServingConfig
from reward_models.training import checkpoints
from reward_models.training.examples import Example, Labelled, is_held_out, make_example, split
from reward_models.training.model import make_model
from reward_models.training.records import Kind
from reward_models.training.train import train
from reward_models.training.trainer import Examples, collate, weighted_loss
from tests.labelled_responses import PROMPT, STEPS, labelled, outcomes, responses, run, settings
from tests.tiny_models import TOKENIZERS, base_model, byte_level, reward_model


@pytest.mark.parametrize("make", TOKENIZERS, ids=lambda make: make.__name__)
def test_places_are_the_ends_of_steps_for_every_tokenizer(make: Callable[[], Any]) -> None:
    """The ids up to each position, in a padded batch too, are the text up to the step's end."""
    tokenizer = make()
    whole = labelled(tokenizer, [1.0, 0.0, 0.5, None])
    other = labelled(tokenizer, [0.25], texts=STEPS[:1])
    examples = Examples([make_example(whole), make_example(other)])
    batch = collate([examples[0], examples[1]])
    for row, (one, count) in enumerate([(whole, 3), (other, 1)]):
        ids = batch["input_ids"][row].tolist()
        places = batch["places"][row].tolist()
        assert batch["weights"][row].tolist() == [1.0] * count + [0.0] * (3 - count)
        for step in range(count):
            upto = ids[: places[step] + 1]
            exact = [*one.prompt_token_ids]
            for earlier in one.step_token_ids[: step + 1]:
                exact += earlier
            assert upto == exact
            assert tokenizer.decode(upto) == tokenizer.decode(exact)
            assert ids[places[step]] == one.step_token_ids[step][-1]
        length = len(make_example(one).ids)
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (len(ids) - length)


def test_places_are_where_the_served_model_is_read() -> None:
    from reward_models.serving.inputs import TokenIds

    one = labelled(byte_level(), [1.0, 0.0, 1.0, 0.0])
    read = TokenIds().encode(
        Steps(
            prompt=PROMPT,
            prompt_token_ids=one.prompt_token_ids,
            texts=one.texts,
            token_ids=one.step_token_ids,
        )
    )
    example = make_example(one)
    assert (read.ids, read.ends) == (example.ids, example.places)


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    data=st.data(),
)
def test_only_steps_with_a_target_and_a_weight_are_learnt(
    lengths: list[int], data: st.DataObject
) -> None:
    number = len(lengths)
    targets = data.draw(st.lists(st.none() | st.floats(0, 1), min_size=number, max_size=number))
    weights = data.draw(st.lists(st.sampled_from([0.0, 1.0, 7.0]), min_size=number, max_size=number))
    one = Labelled(
        problem_id="p",
        prompt_token_ids=(1, 2),
        step_token_ids=tuple(tuple([3] * length) for length in lengths),
        texts=("a",) * number,
        targets=tuple(targets),
        weights=tuple(weights),
    )
    example = make_example(one)
    ends = [1 + sum(lengths[: step + 1]) for step in range(number)]
    wanted = [
        (end, target, weight)
        for end, target, weight in zip(ends, targets, weights, strict=True)
        if target is not None and weight > 0
    ]
    assert list(zip(example.places, example.targets, example.weights, strict=True)) == wanted
    assert len(example.ids) == 2 + sum(lengths)


def test_the_loss_is_the_binomial_log_likelihood_by_trials() -> None:
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [5.0, 5.0]]])
    targets = torch.tensor([[0.75, 0.0, 1.0]])
    weights = torch.tensor([[4.0, 2.0, 0.0]])
    right = torch.tensor([1.0, -2.0]).sigmoid()
    # 3 of 4 and 0 of 2 trials passed.
    likelihood = 3 * right[0].log() + (1 - right[0]).log() + 2 * (1 - right[1]).log()
    found = weighted_loss(logits, targets, weights)
    assert found.item() == pytest.approx(-likelihood.item() / 2, rel=1e-6)


def test_a_weight_counts_the_same_in_every_batch() -> None:
    examples = Examples(
        [
            Example(ids=(1,), places=(0,), targets=(target,), weights=(weight,))
            for target, weight in [(1.0, 0.125), (0.0, 0.025)]
        ]
    )
    batches = [collate([examples[0], examples[1]]), collate([examples[0]]), collate([examples[1]])]
    together, first, second = (
        weighted_loss(torch.zeros(len(b["targets"]), 1, 2), b["targets"], b["weights"]) for b in batches
    )
    assert first.item() == pytest.approx(5 * second.item())
    assert together.item() == pytest.approx((first.item() + second.item()) / 2)


def test_without_any_weight_the_loss_is_nothing_and_a_number() -> None:
    found = weighted_loss(torch.ones(1, 2, 2), torch.ones(1, 2), torch.zeros(1, 2))
    assert found.item() == 0


def _response(problem: str, index: int, originals: Sequence[str] = ()) -> Labelled:
    return Labelled(
        problem_id=problem,
        prompt_token_ids=(1,),
        step_token_ids=((index,),),
        texts=("a",),
        targets=(1.0,),
        weights=(1.0,),
        originals=tuple(originals),
    )


PROBLEMS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=40)


@given(PROBLEMS, st.integers(0, 3))
def test_no_problem_is_on_both_sides(problems: list[str], seed: int) -> None:
    responses = [_response(problem, index) for index, problem in enumerate(problems)]
    found = split(responses, max_length=9, held_out=0.5, seed=seed)
    held = {problems[example.ids[1]] for example in found.held_out}
    assert not held & set(found.train_problems)
    assert held | set(found.train_problems) == set(problems)
    assert len(found.train) + len(found.held_out) == len(problems)


@given(
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=2), max_size=40), st.integers(0, 3)
)
def test_nothing_that_is_made_of_a_held_out_problem_is_trained_on(
    originals: list[list[str]], seed: int
) -> None:
    responses = [_response(f"{index}", index, made_of) for index, made_of in enumerate(originals)]
    found = split(responses, max_length=9, held_out=0.5, seed=seed)
    held = {one for made_of in originals for one in made_of if is_held_out(one, 0.5, seed)}
    trained = {one for problem in found.train_problems for one in originals[int(problem)]}
    assert not held & trained
    assert all(held & set(originals[example.ids[1]]) for example in found.held_out)


def test_about_the_configured_fraction_is_held_out() -> None:
    held = sum(is_held_out(f"problem {n}", 0.1, 0) for n in range(5000))
    assert held / 5000 == pytest.approx(0.1, abs=0.02)


def test_a_response_that_is_too_long_is_left_out_whole_and_counted() -> None:
    tokenizer = byte_level()
    short, long = labelled(tokenizer, [1.0], texts=STEPS[:1]), labelled(tokenizer, [1.0] * 4)
    limit = len(make_example(short).ids)
    found = split([short, long, labelled(tokenizer, [None] * 4)], max_length=limit, held_out=0, seed=0)
    assert (len(found.train), found.num_too_long, found.num_unlabelled) == (1, 1, 1)


async def test_a_prm_learns_which_steps_are_right_and_is_served(tmp_path: Path) -> None:
    tokenizer = byte_level()
    trained = run(base_model(tmp_path / "base", tokenizer), responses(tokenizer), tmp_path / "prm")
    assert (trained.model.labels, trained.model.up_to_first_error) == ("p_correct", True)
    assert trained.model.held_out["auc"] == pytest.approx(1.0, abs=0.05)
    assert trained.num_train + trained.num_held_out == 40
    assert set(trained.model.train_problems) < {f"problem {n}" for n in range(40)}
    assert len(trained.model.train_problems) + trained.num_held_out_problems == 40
    assert TrainedModel.read(tmp_path / "prm") == trained.model
    assert not (tmp_path / "prm" / "checkpoints").exists()
    model = Prm(ServingConfig(model=str(tmp_path / "prm")))
    await model.start()
    good, bad = (
        Steps(
            prompt=PROMPT,
            prompt_token_ids=one.prompt_token_ids,
            texts=one.texts,
            token_ids=one.step_token_ids,
        )
        for one in responses(tokenizer, 2)
    )
    scores = [one.values for one in await model.score([good, bad])]
    await model.close()
    assert scores[0][1] is not None
    assert scores[1][1] is not None
    assert scores[0][1] > 0.8 > 0.2 > scores[1][1]


async def test_an_orm_learns_outcomes_and_is_served(tmp_path: Path) -> None:
    tokenizer = byte_level()
    data = outcomes(tokenizer)
    trained = run(base_model(tmp_path / "base", tokenizer), data, tmp_path / "orm", "orm")
    assert trained.model.held_out["auc"] == pytest.approx(1.0, abs=0.05)
    assert (trained.model.labels, trained.model.up_to_first_error) == ("outcome", False)
    model = Orm(ServingConfig(model=str(tmp_path / "orm")))
    await model.start()
    batch = [
        Steps(
            prompt=PROMPT,
            prompt_token_ids=one.prompt_token_ids,
            texts=one.texts,
            token_ids=one.step_token_ids,
        )
        for one in data[:2]
    ]
    good, bad = [one.values for one in await model.score(batch)]
    await model.close()
    assert good[:2] == bad[:2] == (None, None)
    assert good[2] is not None
    assert bad[2] is not None
    assert good[2] > 0.8 > 0.2 > bad[2]


class Killed(Exception):
    """Stands for anything that ends the process."""


def test_an_interrupted_training_resumes_to_the_same_model(tmp_path: Path) -> None:
    """Also from before a checkpoint that was not written to its end."""
    tokenizer = byte_level()
    base = base_model(tmp_path / "base", tokenizer)
    data = responses(tokenizer)
    run(base, data, tmp_path / "whole", epochs=2, checkpoint_steps=3)

    def kill(now: Any) -> None:
        if now.step == 8:
            raise Killed

    with pytest.raises(Killed):
        train(
            "prm",
            str(base),
            data,
            tmp_path / "cut",
            settings(epochs=2, checkpoint_steps=3),
            data="test",
            advance=kill,
        )
    assert TrainedModel.read(tmp_path / "cut") is None
    folder = tmp_path / "cut" / checkpoints.FOLDER
    # What SIGKILL leaves if it comes before the weights.
    latest = checkpoints.at(folder, 6)
    (latest / "whole").unlink()
    (latest / "model.safetensors").unlink()
    trained = run(base, data, tmp_path / "cut", epochs=2, checkpoint_steps=3)
    assert trained.resumed_at == 3
    whole, cut = (
        AutoModelForTokenClassification.from_pretrained(tmp_path / name).state_dict()
        for name in ("whole", "cut")
    )
    for name, weights in whole.items():
        torch.testing.assert_close(weights, cut[name], rtol=1e-5, atol=1e-6)


def test_only_marked_checkpoints_count_and_the_others_are_deleted(tmp_path: Path) -> None:
    assert checkpoints.last_whole(tmp_path / "none") is None
    for step in (9, 10, 11):
        checkpoints.at(tmp_path, step).mkdir()
        (checkpoints.at(tmp_path, step) / "trainer_state.json").touch()
    checkpoints.mark(tmp_path, 9)
    checkpoints.mark(tmp_path, 10)
    assert checkpoints.last_whole(tmp_path) == 10
    assert sorted(one.name for one in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]


@pytest.mark.parametrize("kind", ["prm", "orm"])
def test_whoever_may_read_the_config_may_read_the_weights(tmp_path: Path, kind: Kind) -> None:
    tokenizer = byte_level()
    data = outcomes(tokenizer) if kind == "orm" else responses(tokenizer)
    run(base_model(tmp_path / "base", tokenizer), data, tmp_path / "out", kind, max_steps=1)
    modes = {one.name: one.stat().st_mode for one in (tmp_path / "out").iterdir() if one.is_file()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_other_settings_do_not_go_on_from_anothers_checkpoint(tmp_path: Path) -> None:
    base = base_model(tmp_path / "base")
    data = responses(byte_level())
    run(base, data, tmp_path / "prm", max_steps=1)
    with pytest.raises(RewardModelError, match="expected the same settings as when the training there"):
        run(base, data, tmp_path / "prm", max_steps=2)


def test_frozen_layers_stay_and_the_others_move(tmp_path: Path) -> None:
    base = base_model(tmp_path / "base")
    run(base, responses(byte_level()), tmp_path / "prm", freeze_layers=1, max_steps=5)
    before = AutoModelForTokenClassification.from_pretrained(base).state_dict()
    after = AutoModelForTokenClassification.from_pretrained(tmp_path / "prm").state_dict()
    for name, weights in before.items():
        is_frozen = "embed_tokens" in name or "layers.0." in name
        if is_frozen or "layers.1." in name:
            assert torch.equal(weights, after[name]) == is_frozen, name


@pytest.mark.parametrize("kind", ["prm", "orm"])
def test_new_layers_change_nothing_until_they_are_trained(tmp_path: Path, kind: Kind) -> None:
    tokenizer = byte_level()
    base = base_model(tmp_path / "base", tokenizer)
    ids = torch.tensor([tokenizer.encode(PROMPT)])
    plain, expanded = (
        make_model(kind, str(base), tokenizer, settings(new_layers=number)) for number in (0, 2)
    )
    with torch.no_grad():
        assert torch.equal(plain.base_model(ids)[0], expanded.base_model(ids)[0])
    assert len(expanded.base_model.layers) == expanded.config.num_hidden_layers == 4


def test_new_layers_alone_learn_and_are_loaded_again(tmp_path: Path) -> None:
    """All others are frozen; transformers loads the result without missing or extra weights."""
    base = base_model(tmp_path / "base")
    data = responses(byte_level())
    trained = run(base, data, tmp_path / "prm", freeze_layers=2, new_layers=1)
    assert (trained.model.held_out["auc"] or 0) > 0.9
    before = AutoModelForTokenClassification.from_pretrained(base).state_dict()
    after, info = AutoModelForTokenClassification.from_pretrained(
        tmp_path / "prm", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    weights = after.state_dict()
    assert all(torch.equal(before[name], weights[name]) for name in before if "layers." in name)
    assert weights["model.layers.2.mlp.down_proj.weight"].abs().sum() > 0


def test_low_rank_additions_are_merged(tmp_path: Path) -> None:
    """transformers loads the folder without any other files."""
    base = base_model(tmp_path / "base")
    run(base, responses(byte_level()), tmp_path / "prm", lora_rank=4, max_steps=20)
    config = json.loads((tmp_path / "prm" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForTokenClassification"]
    assert not list((tmp_path / "prm").glob("adapter*"))
    before = AutoModelForTokenClassification.from_pretrained(base).state_dict()
    after, info = AutoModelForTokenClassification.from_pretrained(
        tmp_path / "prm", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    name = "model.layers.1.mlp.up_proj.weight"
    assert not torch.equal(before[name], after.state_dict()[name])


def test_a_reward_model_can_be_trained_further(tmp_path: Path) -> None:
    base = reward_model(tmp_path / "base", "prm")
    run(base, responses(byte_level()), tmp_path / "prm", max_steps=1, learning_rate=1e-9)
    before, after = (
        AutoModelForTokenClassification.from_pretrained(folder).score.weight
        for folder in (base, tmp_path / "prm")
    )
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    base = base_model(tmp_path / "base")
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(base, responses(byte_level()), tmp_path / name, max_steps=3, seed=seed)
        weights.append(AutoModelForTokenClassification.from_pretrained(tmp_path / name).score.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_example_has_as_many_places_as_targets() -> None:
    example = make_example(labelled(byte_level(), [1.0, None, 0.5, 0.0]))
    assert isinstance(example, Example)
    assert len(example.places) == len(example.targets) == len(example.weights) == 3
