"""`method=ppo`: a tree is one sequence with the log-probabilities of its responses."""

import math
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM, PretrainedConfig

from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.packed import packed_rows
from pipeline.datasets.views.rules import PackedOptions, ViewOptions, ViewRules
from pipeline.derive.rl.formats import for_openrlhf, for_prime_rl, for_skyrl, for_verl
from pipeline.derive.rl.samples import RlSample, rl_samples
from pipeline.training.errors import TrainError
from pipeline.training.policy.examples import read_split
from pipeline.training.policy.ppo import (
    TreeRow,
    TreeTrainer,
    collate,
    log_probabilities,
    ppo_losses,
    tree_rows,
)
from pipeline.training.policy.sampling import temperature_of
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.policy.train import PolicyResult, train_policy
from pipeline.training.policy.trees import TreeExample, tree_examples
from tests.policy_runs import branched_trace, policy_problem
from tests.runs import write_run

SETTINGS = PolicySettings(method="ppo", held_out=0)


def row_of(
    tokenizer: Any, rules: ViewRules | None = None, logprob: float | None = None
) -> dict[str, Any]:
    trace = branched_trace(tokenizer, policy_problem(3), logprob=logprob)
    (row,) = packed_rows(trace, rules or ViewRules())
    return row


def example_of(row: dict[str, Any]) -> TreeExample:
    [example], num_too_long = tree_examples(row, SETTINGS, 4096, 4096)
    assert not num_too_long
    return example


def responses(example: TreeExample) -> list[list[int]]:
    """The tokens of each response, as indices in the example."""
    ends = set(range(example.longest)) - set(example.parents)
    found = []
    for end in sorted(ends):
        path = [end]
        while example.parents[path[-1]] >= 0:
            path.append(example.parents[path[-1]])
        found.append(path[::-1])
    return found


def loaded(base: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def test_a_token_has_the_same_log_probability_in_the_tree_and_in_its_response(
    base: Path, tokenizer: Any
) -> None:
    model, example = loaded(base), example_of(row_of(tokenizer))
    [longer] = packed_rows(branched_trace(tokenizer, policy_problem(123456)), ViewRules())
    other = example_of(longer)
    assert other.longest > example.longest
    # Beside a longer row, it is padded.
    rows = [TreeRow(example=one, old=[0.0] * one.longest, base=None) for one in (example, other)]
    with torch.no_grad():
        packed = log_probabilities(model, collate(rows))[0]
        found = responses(example)
        assert len(found) == 3
        assert sum(map(len, found)) > example.longest
        for path in found:
            ids = torch.tensor([[example.ids[token] for token in path]])
            alone = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])
            torch.testing.assert_close(packed[path[1:]], alone[:, 0], atol=1e-5, rtol=0)


class Recurrent:
    """Reads all tokens in order, as recurrent layers do, whatever the mask."""

    device = "cpu"
    config = PretrainedConfig()

    def eval(self) -> "Recurrent":
        return self

    def __call__(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        sums = input_ids.cumsum(1)[..., None] * torch.linspace(0, 1, 500)
        return SimpleNamespace(logits=sums.sin())


def test_a_model_that_reads_all_tokens_in_order_is_refused(tokenizer: Any) -> None:
    with pytest.raises(TrainError, match="expected a base whose attention takes a mask"):
        tree_rows(Recurrent(), [example_of(row_of(tokenizer))], needs_base=False)


def made(parents: list[int]) -> TreeExample:
    """A tree with a prompt of one token."""
    positions: list[int] = []
    for parent in parents:
        positions.append(positions[parent] + 1 if parent >= 0 else 0)
    ones = array("f", [1.0] * len(parents))
    return TreeExample(
        problem_id="one",
        problem="One?",
        prompt=array("i", [3]),
        ids=array("i", range(3, 3 + len(parents))),
        parents=array("i", parents),
        positions=array("i", positions),
        advantages=ones,
        weights=ones,
        logprobs=None,
    )


@pytest.mark.parametrize(
    "trees",
    [[[-1, 0, 1, 2, 3, 0, 5]], [[-1, 0, 1], [-1, 0, 1, 2, 0, 4]]],
    ids=["longest first", "chain"],
)
def test_what_shows_the_order_is_looked_at(trees: list[list[int]]) -> None:
    """The longest response comes first, or the shortest tree is a single response."""
    with pytest.raises(TrainError, match="expected a base whose attention takes a mask"):
        tree_rows(Recurrent(), [made(one) for one in trees], needs_base=False)


def test_a_response_beyond_the_sliding_window_is_refused(tokenizer: Any) -> None:
    example = example_of(row_of(tokenizer))
    longest = max(example.positions) + 1
    for window in (longest, longest - 1):
        config = MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            sliding_window=window,
        )
        model = MistralForCausalLM(config).eval()
        if window == longest:
            tree_rows(model, [example], needs_base=True)
            continue
        with pytest.raises(
            TrainError, match=rf"sliding window of {window} tokens, got one of {longest}"
        ):
            tree_rows(model, [example], needs_base=True)


def test_losses_are_those_of_the_clipped_objective() -> None:
    ratios = [1.0, 1.5, 1.5, 0.5, 0.5]
    batch = {
        "old": torch.zeros(1, 5),
        "advantages": torch.tensor([[2.0, 1.0, -1.0, 1.0, -1.0]]),
        "base": torch.full((1, 5), math.log(2)),
    }
    now = torch.tensor([ratios]).log()
    losses = ppo_losses(now, batch, clip_range=0.2, beta=0)
    assert losses[0].tolist() == pytest.approx([-2, -1.2, 1.5, -0.5, 0.8])
    # exp(d) - d - 1 with d = log 2, at the first token.
    held = ppo_losses(now, batch, clip_range=0.2, beta=0.5)[0, 0]
    assert float(held) == pytest.approx(-2 + 0.5 * (2 - math.log(2) - 1))


def test_the_stored_log_probabilities_are_the_old_ones(base: Path, tokenizer: Any) -> None:
    model = loaded(base)
    [stored] = tree_rows(model, [example_of(row_of(tokenizer, logprob=-0.25))], needs_base=True)
    sampled = [w > 0 for w in stored.example.weights]
    assert {old for old, on in zip(stored.old, sampled, strict=True) if on} == {-0.25}
    [without] = tree_rows(model, [example_of(row_of(tokenizer))], needs_base=False)
    assert without.base is None
    assert list(without.old) == stored.base


def test_probabilities_are_those_at_the_temperature_of_the_run(base: Path, tokenizer: Any) -> None:
    model, example = loaded(base), example_of(row_of(tokenizer))
    [row] = tree_rows(model, [example], needs_base=False, temperature=0.5)
    path = responses(example)[0]
    ids = torch.tensor([[example.ids[token] for token in path]])
    with torch.no_grad():
        alone = (model(input_ids=ids).logits / 0.5).log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])
    torch.testing.assert_close(
        torch.tensor([row.old[token] for token in path[1:]]), alone[:, 0], atol=1e-5, rtol=0
    )
    # What was sampled at that temperature is compared with itself: the ratio is 1.
    figures: dict[str, list[float]] = {"kl": [], "clip_fraction": []}
    trainer: Any = SimpleNamespace(_temperature=0.5, _clip_range=0.2, _beta=0.0, _figures=figures)
    TreeTrainer.compute_loss(trainer, model.train(), collate([row]))
    assert figures["kl"] == [pytest.approx(0, abs=1e-6)]


@pytest.mark.parametrize(
    ("sampling", "options", "temperature", "uses_stored"),
    [
        ({"temperature": 0.7}, {}, 0.7, True),
        ({"temperature": 0}, {}, 1.0, True),
        ({"temperature": 0.7, "top_p": 0.9}, {}, 0.7, False),
        ({"temperature": 1, "top_k": 20}, {}, 1.0, False),
        ({"temperature": 0.7}, {"logprobs_mode": "raw_logprobs"}, 0.7, False),
        ({"temperature": 1, "top_p": 0.9}, {"logprobs_mode": "raw_logprobs"}, 1.0, True),
    ],
)
def test_stored_log_probabilities_count_if_they_are_those_of_the_run_s_temperature(
    tmp_path: Path,
    tokenizer: Any,
    sampling: dict[str, Any],
    options: dict[str, Any],
    temperature: float,
    uses_stored: bool,
) -> None:
    trace = branched_trace(tokenizer, policy_problem(3), logprob=-0.25)
    run = write_run(
        tmp_path / "run",
        [trace],
        engine={"use": "vllm", "model": "base", "options": options},
        sampling=sampling,
        dataset={"token_logprobs": True},
    )
    assert temperature_of([run]) == temperature
    settings = SETTINGS.model_copy(update={"temperature": temperature})
    [example] = read_split([run], settings, 512).train
    assert (example.logprobs is not None) is uses_stored


def test_runs_that_sampled_at_two_temperatures_need_one_named(
    base: Path, tokenizer: Any, tmp_path: Path
) -> None:
    engine = {"use": "vllm", "model": "base"}
    runs = [
        write_run(
            tmp_path / f"run-{t}",
            [branched_trace(tokenizer, policy_problem(number), logprob=-0.25)],
            engine=engine,
            sampling={"temperature": t},
            dataset={"token_logprobs": True},
        )
        for number, t in enumerate((0.7, 1.0), start=3)
    ]
    with pytest.raises(TrainError, match=r"sampled at one temperature, got 0.7, 1; set temperature=T"):
        temperature_of(runs)
    found = read_split(runs, SETTINGS.model_copy(update={"temperature": 1.0}), 512).train
    assert [one.logprobs is not None for one in found] == [False, True]


def test_a_long_tree_is_cut_into_whole_responses_that_count_each_token_once(tokenizer: Any) -> None:
    row = row_of(tokenizer)
    whole = example_of(row)
    longest = max(map(len, responses(whole)))
    pieces, num_too_long = tree_examples(row, SETTINGS, longest, 4096)
    assert len(pieces) > 1
    assert not num_too_long
    assert all(one.longest <= longest for one in pieces)
    learnt = [
        (position, token, weight)
        for one in pieces
        for position, token, weight in zip(one.positions, one.ids, one.weights, strict=True)
        if weight
    ]
    at_once = [one for one in zip(whole.positions, whole.ids, whole.weights, strict=True) if one[2]]
    assert sorted(learnt) == sorted(at_once)
    _, num_too_long = tree_examples(row, SETTINGS, 4096, longest - 1)
    assert num_too_long == sum(len(path) == longest for path in responses(whole)) > 0


@pytest.mark.parametrize("method", ["vineppo", "siblings", "math_shepherd"])
def test_another_rule_gives_what_an_export_by_it_has(tokenizer: Any, method: Any) -> None:
    rules = ViewRules(views=ViewOptions(packed=PackedOptions(advantages=method)))
    settings = SETTINGS.model_copy(update={"advantages": method})
    [example], _ = tree_examples(row_of(tokenizer), settings, 4096, 4096)
    assert example == example_of(row_of(tokenizer, rules))


def test_weights_are_numbers_of_samples_or_probabilities(tokenizer: Any) -> None:
    row = row_of(tokenizer)
    assert set(example_of(row).weights) == {0, 1, 2}
    settings = SETTINGS.model_copy(update={"weights": "sampling"})
    [example], _ = tree_examples(row, settings, 4096, 4096)
    # Half of the rollouts begin with the branched step; of three ways on, two are the same.
    assert sorted(set(example.weights)) == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2])


def train(trees: Path, base: Path, output: Path, *options: str) -> PolicyResult:
    quick = ("method=ppo", "max_steps=4", "learning_rate=0.01", "held_out=0.3", "eval_rollouts=0")
    return train_policy([trees], str(base), output, [*quick, *options], lambda _: None)


@pytest.mark.parametrize("options", [[], ["lora_rank=4", "beta=0.01"]], ids=["full", "lora"])
def test_steps_of_more_worth_become_more_likely(
    trees: Path, base: Path, tmp_path: Path, options: list[str]
) -> None:
    result = train(trees, base, tmp_path / "policy", *options)
    examples = read_split([trees], SETTINGS, 512).train
    before, after = (
        [row.old for row in tree_rows(loaded(one), examples, needs_base=False)]
        for one in (base, result.output)
    )
    gain = sum(
        weight * advantage * (late - early)
        for example, olds, news in zip(examples, before, after, strict=True)
        for weight, advantage, early, late in zip(
            example.weights, example.advantages, olds, news, strict=True
        )
    )
    assert gain > 0.1
    trained = result.manifest.result
    assert trained is not None
    assert {"loss", "kl", "clip_fraction"} <= {name for entry in trained.log for name in entry}
    last, first = trained.figure("held_out_loss"), trained.figure("held_out_loss", first=True)
    assert last is not None
    assert first is not None
    assert last < first


def test_trees_whose_responses_are_all_right_teach_nothing(
    base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    from tests.policy_runs import policy_run

    run = policy_run(tmp_path / "run", tokenizer, [True, True])
    with pytest.raises(TrainError, match=r"got none of .* have no advantage other than 0"):
        train(run, base, tmp_path / "policy")


def samples_of(row: dict[str, Any]) -> list[RlSample]:
    return list(rl_samples(row))


def test_single_responses_have_what_the_tree_has(trees: Path) -> None:
    for row in RunReader.open(trees).rows("packed"):
        example = example_of(row)
        in_tree = sorted(
            (position, token, advantage)
            for position, token, advantage, weight in zip(
                example.positions, example.ids, example.advantages, example.weights, strict=True
            )
            for _ in range(int(weight))
        )
        single = sorted(
            (position, token, advantage)
            for one in samples_of(row)
            for position, (token, advantage, on) in enumerate(
                zip(one.response_token_ids, one.advantages, one.mask, strict=True),
                len(one.prompt_token_ids),
            )
            if on
        )
        assert single == in_tree
        assert [one.reward for one in samples_of(row)] == row["response_rewards"]


def test_each_library_gets_lists_of_one_length(tokenizer: Any) -> None:
    found = samples_of(row_of(tokenizer, logprob=-0.25))
    first = found[0]
    tokens = len(first.prompt_token_ids) + len(first.response_token_ids)
    prime = for_prime_rl(first, temperature=1.0, env_name="sums")
    assert {len(value) for value in prime.values() if isinstance(value, list)} == {tokens}
    experience = for_openrlhf(first)
    assert len(experience["sequences"]) == len(experience["advantages"]) + 1 == tokens
    # The action that leads to a token stands one place before it.
    learnt = [experience["sequences"][k + 1] for k, on in enumerate(experience["action_mask"]) if on]
    assert learnt == list(first.response_token_ids)
    skyrl = for_skyrl(found)
    assert [len(one) for one in skyrl["rewards"]] == [len(one) for one in skyrl["response_ids"]]
    assert for_verl([], pad_token_id=9)["prompts"] == []
    verl = for_verl(found, pad_token_id=9)
    for ids, on, at in zip(
        verl["input_ids"], verl["attention_mask"], verl["position_ids"], strict=True
    ):
        real = [token for token, one in zip(ids, on, strict=True) if one]
        assert tuple(real) in {one.prompt_token_ids + one.response_token_ids for one in found}
        assert [place for place, one in zip(at, on, strict=True) if one] == list(range(len(real)))
    with pytest.raises(ValueError, match=r"dataset\.token_logprobs"):
        for_skyrl(samples_of(row_of(tokenizer)))
