"""Reward models of every known architecture are read at the right positions, or refused."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    Qwen2Config,
)

from reward_models import Steps
from reward_models.errors import RewardModelDied, RewardModelError
from reward_models.serving.inputs import Input
from reward_models.serving.loading import _qwen_prm
from reward_models.serving.model import Orm, Prm, ServingConfig
from reward_models.serving.on_torch import group_by_prefix
from tests.tiny_models import base_model, byte_level, config, reward_model, sentence_piece

PROMPT = "What is 12 + 7? Work it out."
TEXTS = ("First we add 12 and 7.\n", "That gives 19.\n", "The answer is 19.")


def steps(tokenizer: Any, *texts: str) -> Steps:
    return Steps(
        prompt=PROMPT,
        prompt_token_ids=tuple(tokenizer.encode(PROMPT)),
        texts=texts,
        token_ids=tuple(tuple(tokenizer.encode(text)) for text in texts),
    )


async def score(model: Prm, batch: Sequence[Steps]) -> list[tuple[float | None, ...]]:
    await model.start()
    try:
        return [one.values for one in await model.score(batch)]
    finally:
        await model.close()


def prm(folder: Path, **options: Any) -> Prm:
    return Prm(ServingConfig(model=str(folder), **options))


def reference(model: Any, ids: Sequence[int], places: Sequence[int]) -> list[float]:
    """Probabilities of `right` at these positions, by one plain forward pass."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([list(ids)])).logits[0]
    return [logits[place].softmax(-1)[1].item() for place in places]


async def test_a_trained_prm_is_read_at_the_last_token_of_each_step(tmp_path: Path) -> None:
    tokenizer = byte_level()
    folder = reward_model(tmp_path / "prm", "prm", tokenizer)
    batch = [steps(tokenizer, *TEXTS[:count]) for count in (3, 1, 2)] + [steps(tokenizer, "So x.\n")]
    plain = AutoModelForTokenClassification.from_pretrained(folder).eval()
    for max_batch_tokens in (1, 64, 100_000):
        found = await score(prm(folder, max_batch_tokens=max_batch_tokens), batch)
        for one, values in zip(batch, found, strict=True):
            ids, places = list(one.prompt_token_ids), []
            for step in one.token_ids:
                ids += step
                places.append(len(ids) - 1)
            assert values == pytest.approx(reference(plain, ids, places), abs=1e-5)
    assert len({round(value, 3) for values in found for value in values if value is not None}) == 4


async def test_a_trained_orm_is_read_at_the_end_alone(tmp_path: Path) -> None:
    tokenizer = byte_level()
    folder = reward_model(tmp_path / "orm", "orm", tokenizer)
    batch = [steps(tokenizer, *TEXTS), steps(tokenizer, "So x.\n")]
    found = await score(Orm(ServingConfig(model=str(folder))), batch)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for one, values in zip(batch, found, strict=True):
        ids = [*one.prompt_token_ids, *(token for step in one.token_ids for token in step)]
        with torch.inference_mode():
            wanted = plain(input_ids=torch.tensor([ids])).logits.softmax(-1)[0, 1].item()
        assert set(values[:-1]) <= {None}
        assert values[-1] == pytest.approx(wanted, abs=1e-5)


async def test_calls_at_once_are_put_together_and_each_gets_its_own(tmp_path: Path) -> None:
    tokenizer = byte_level()
    model = prm(reward_model(tmp_path / "prm", "prm", tokenizer))
    await model.start()
    batches = [[steps(tokenizer, f"Take {n}.\n", f"Add {n}.\n")] for n in range(40)]
    together = await asyncio.gather(*map(model.score, batches))
    alone = [await model.score(batch) for batch in batches]
    for one, other in zip(together, alone, strict=True):
        assert one[0].values == pytest.approx(other[0].values, abs=1e-5)
    await model.close()
    await model.close()
    with pytest.raises(RewardModelDied):
        await model.score(batches[0])


async def test_a_step_tag_model_is_read_at_its_tags(tmp_path: Path) -> None:
    """The architecture of Qwen2.5-Math-PRM, whose own code never runs."""
    tokenizer = byte_level()
    torch.manual_seed(0)
    made = _qwen_prm()(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    )
    made.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    # As transformers reads it for this architecture, regardless of its value before.
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    (values,) = await score(prm(tmp_path), [steps(tokenizer, *TEXTS)])
    text = "".join(f"{one.strip()}<extra_0>" for one in TEXTS)
    chat = tokenizer.apply_chat_template(
        [
            {
                "role": "system",
                "content": "Please reason step by step, and put your final answer within \\boxed{}.",
            },
            {"role": "user", "content": PROMPT},
            {"role": "assistant", "content": text},
        ],
        tokenize=False,
    )
    ids = tokenizer.encode(chat)
    places = [place for place, token in enumerate(ids) if tokenizer.decode([token]) == "<extra_0>"]
    assert len(places) == 3
    with torch.inference_mode():
        vectors = made.eval().model(input_ids=torch.tensor([ids])).last_hidden_state[0, places]
        wanted = made.score(vectors).softmax(-1)[:, 1].tolist()
    assert values == pytest.approx(wanted, abs=1e-5)


async def test_a_model_that_says_a_word_at_the_tag_is_asked_for_the_word(tmp_path: Path) -> None:
    """The format of Math-Shepherd's PRM."""
    tokenizer = sentence_piece()
    tokenizer.add_tokens(["ки", "+", "-"])
    folder = base_model(tmp_path, tokenizer)
    (values,) = await score(prm(folder), [steps(tokenizer, *TEXTS)])
    text = f"{PROMPT} {TEXTS[0].strip()} ки\n{TEXTS[1].strip()} ки\n{TEXTS[2].strip()} ки"
    ids = tokenizer.encode(text)
    tag, wrong, right = (tokenizer.encode(word)[-1] for word in ("ки", "-", "+"))
    plain = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = plain(input_ids=torch.tensor([ids])).logits[0]
    wanted = [
        logits[place, [wrong, right]].softmax(-1)[1].item()
        for place, token in enumerate(ids)
        if token == tag
    ]
    assert len(wanted) == 3
    assert values == pytest.approx(wanted, abs=1e-5)


async def test_a_published_token_classifier_reads_text_with_separators(tmp_path: Path) -> None:
    tokenizer = byte_level()
    folder = reward_model(tmp_path, "prm", tokenizer, trained=False)
    (values,) = await score(prm(folder), [steps(tokenizer, *TEXTS)])
    ids, places = [tokenizer.bos_token_id, *tokenizer.encode(PROMPT)], []
    for text in TEXTS:
        ids += [*tokenizer.encode(text.strip()), *tokenizer.encode("\n")]
        places.append(len(ids) - 1)
    plain = AutoModelForTokenClassification.from_pretrained(folder).eval()
    assert values == pytest.approx(reference(plain, ids, places), abs=1e-5)


async def test_a_published_orm_reads_a_chat(tmp_path: Path) -> None:
    tokenizer = byte_level()
    torch.manual_seed(0)
    made = AutoModelForSequenceClassification.from_config(config(tokenizer, num_labels=1))
    made.score.weight.data.normal_(0, 0.2)
    made.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (values,) = await score(Orm(ServingConfig(model=str(tmp_path))), [steps(tokenizer, *TEXTS)])
    ids = tokenizer.encode(f"<|user|>{PROMPT}<|end|><|assistant|>{''.join(TEXTS)}<|end|>")
    with torch.inference_mode():
        wanted = made.eval()(input_ids=torch.tensor([ids])).logits.sigmoid().item()
    assert values[:2] == (None, None)
    assert values[2] == pytest.approx(wanted, abs=1e-5)


async def test_a_response_that_does_not_fit_is_unscored_not_zero(tmp_path: Path) -> None:
    tokenizer = byte_level()
    folder = reward_model(tmp_path / "prm", "prm", tokenizer)
    short, long = steps(tokenizer, "So x.\n"), steps(tokenizer, *TEXTS)
    limit = len(short.prompt_token_ids) + len(short.token_ids[0])
    found = await score(prm(folder, max_length=limit), [long, short])
    assert found[0] == (None, None, None)
    assert found[1][0] is not None


async def test_weights_that_are_no_numbers_give_no_number(tmp_path: Path) -> None:
    tokenizer = byte_level()
    folder = reward_model(tmp_path / "prm", "prm", tokenizer)
    made = AutoModelForTokenClassification.from_pretrained(folder)
    made.score.weight.data.fill_(math.nan)
    made.save_pretrained(folder)
    (values,) = await score(prm(folder), [steps(tokenizer, *TEXTS)])
    assert all(value is not None and math.isnan(value) for value in values)


async def test_another_tokenizers_ids_are_refused(tmp_path: Path) -> None:
    folder = reward_model(tmp_path / "prm", "prm", byte_level())
    model = prm(folder)
    await model.start()
    with pytest.raises(RewardModelError, match="its own tokenizer's ids, got others"):
        await model.score([steps(sentence_piece(), *TEXTS)])
    await model.close()


def test_the_revision_changes_with_the_weights(tmp_path: Path) -> None:
    folder = reward_model(tmp_path / "prm", "prm")
    seen = []
    for change in (0.0, 0.0, 0.5):
        made = AutoModelForTokenClassification.from_pretrained(folder)
        made.score.weight.data += change
        made.save_pretrained(folder)
        model = prm(folder)
        asyncio.run(score(model, []))
        seen.append(model.revision)
    assert seen[0] == seen[1] != seen[2]


def _three_labels(folder: Path) -> Path:
    tokenizer = byte_level()
    made = AutoModelForTokenClassification.from_config(config(tokenizer, num_labels=3))
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _without_head(folder: Path) -> Path:
    base_model(folder)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("LlamaForCausalLM", "LlamaForTokenClassification"))
    return folder


def _without_tokenizer(folder: Path) -> Path:
    reward_model(folder, "prm")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return folder


def _broken_description(folder: Path) -> Path:
    reward_model(folder, "prm")
    (folder / "berry_reward_model.json").write_text("{")
    return folder


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: folder, "there is no such folder"),
        (_empty, "expected a folder with a model's config.json, got a folder without that file"),
        (lambda folder: reward_model(folder, "orm"), "expected a prm, got a orm"),
        (_three_labels, "expected a head of 2 labels, wrong and right, or of 1, got one of 3"),
        (_without_head, "expected weights for score"),
        (_without_tokenizer, "expected a tokenizer next to the weights"),
        (
            _broken_description,
            "berry_reward_model.json: is damaged, expected the content that `berry train` wrote",
        ),
    ],
)
async def test_a_model_that_does_not_fit_is_one_line(tmp_path: Path, make: Any, complaint: str) -> None:
    model = prm(make(tmp_path / "model"))
    with pytest.raises(RewardModelError, match=complaint) as raised:
        await model.start()
    assert "\n" not in str(raised.value)
    await model.close()


async def test_a_language_model_is_no_orm(tmp_path: Path) -> None:
    with pytest.raises(
        RewardModelError, match="ForSequenceClassification for a orm, got LlamaForCausalLM"
    ):
        await Orm(ServingConfig(model=str(base_model(tmp_path)))).start()


def test_a_prefix_of_another_input_is_in_its_group() -> None:
    ids = [(1, 2), (1,), (1, 2, 3), (2,), (1, 3), (1, 2), ()]
    groups = list(group_by_prefix([Input(one, ()) for one in ids]))
    assert sorted(index for group in groups for index in group) == list(range(len(ids)))
    for group in groups:
        longest = ids[group[-1]]
        assert all(longest[: len(ids[index])] == ids[index] for index in group)
    assert [sorted(ids[g[-1]] for g in groups)] == [[(1, 2, 3), (1, 3), (2,)]]
