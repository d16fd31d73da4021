"""Trains the model: a Llama of some hundred thousand weights, until it is right about half the time.

What it is trained to is no loss but the thing wanted: the probability that it gives the whole right
response when it is sampled at temperature 1. There is one right response, so that probability is
known without sampling, as the product over its tokens. Training ends as soon as the mean over
held-out chains reaches `pass_rate`: the model's mistakes are those of one that has not learned enough.

The same seed gives the same weights on the same machine with the same number of threads.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.arithmetic.chains import NUM_OPERATIONS, Chain, Split, draw_chains, make_chains
from benchmarks.arithmetic.tokenizer import make_tokenizer

_NUM_HELD_OUT = 256
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
_IGNORED = -100
"""The label of a token that is not trained on, in transformers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained."""

    pass_rate: float = 0.5
    """Training ends at this probability of a whole right response."""
    most_batches: int = 2_000
    """Training ends here in any case."""
    hidden_size: int = 128
    num_layers: int = 2
    num_heads: int = 4
    """Of `hidden_size / num_heads` numbers each; vLLM on a CPU takes 32 and 64."""
    chains_per_batch: int = 32
    learning_rate: float = 2e-3
    warmup_batches: int = 100
    batches_per_check: int = 50
    num_operations: tuple[int, int] = NUM_OPERATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training came to."""

    path: Path
    """A model folder, for `engine.model`."""
    num_batches: int
    seconds: float
    pass_rate: float
    """Mean probability of the whole right response, of held-out chains at temperature 1."""
    step_rate: float
    """Mean probability of a right line behind right lines."""


def train_model(path: Path, seed: int = 0, recipe: Recipe | None = None) -> Trained:
    """Trains and writes a folder that transformers and vLLM load, in bfloat16."""
    import torch

    recipe = recipe or Recipe()
    began = time.perf_counter()
    tokenizer = make_tokenizer()
    held_out = make_chains(_NUM_HELD_OUT, f"{seed} held out", Split.TEST, recipe.num_operations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _make_model(recipe, tokenizer)
        num_batches = 0
        for num_batches in _train(model, tokenizer, recipe, seed):
            if num_batches % recipe.batches_per_check == 0:
                passed, _ = measure_probabilities(model, tokenizer, held_out)
                if passed >= recipe.pass_rate:
                    break
    model.to(torch.bfloat16).save_pretrained(path)
    tokenizer.save_pretrained(path)
    # Of what was written, since rounding to bfloat16 changes it.
    passed, step = measure_probabilities(*load_model(path), held_out)
    return Trained(
        path=path,
        num_batches=num_batches,
        seconds=time.perf_counter() - began,
        pass_rate=passed,
        step_rate=step,
    )


@cache
def trained_solver() -> Path:
    """The folder of a model that was trained in this process, for as long as that runs."""
    # The folder is removed when the process ends.
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    return train_model(Path(folder.name)).path


def load_model(path: Path) -> tuple[Any, Any]:
    """A trained model and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
    return model.eval(), AutoTokenizer.from_pretrained(path)


def measure_probabilities(model: Any, tokenizer: Any, chains: list[Chain]) -> tuple[float, float]:
    """Mean probabilities at temperature 1 of the whole right response, and of a right line of it.

    A line's is that behind right lines; the end of the response is part of the last.
    """
    import torch

    ids, labels = _batch(chains, tokenizer)
    with torch.no_grad():
        logprobs = model(input_ids=ids).logits[:, :-1].float().log_softmax(-1)
    targets = labels[:, 1:]
    scored = targets != _IGNORED
    of_tokens = logprobs.gather(-1, targets.clamp(min=0)[..., None])[..., 0] * scored
    newline = tokenizer.convert_tokens_to_ids("\n")
    # A newline belongs to the line that it ends.
    line = (targets == newline).cumsum(-1) - (targets == newline).long()
    num_lines = max(len(chain.lines) for chain in chains)
    of_lines = torch.zeros(len(chains), num_lines).scatter_add_(1, line, of_tokens)
    exists = torch.arange(num_lines) < torch.tensor([[len(chain.lines)] for chain in chains])
    return of_tokens.sum(-1).exp().mean().item(), of_lines.exp()[exists].mean().item()


def _train(model: Any, tokenizer: Any, recipe: Recipe, seed: int) -> Iterator[int]:
    """Trains a batch and yields how many that makes, up to the recipe's most."""
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min((done + 1) / recipe.warmup_batches, 1 - done / recipe.most_batches)
    )
    chains = draw_chains(seed, Split.TRAIN, recipe.num_operations)
    for done in range(1, recipe.most_batches + 1):
        ids, labels = _batch(list(islice(chains, recipe.chains_per_batch)), tokenizer)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        yield done


def _batch(chains: list[Chain], tokenizer: Any) -> tuple[Any, Any]:
    """Token ids and labels, (chains, tokens): prompts and padding are not trained on."""
    import torch

    texts = [chain.prompt + chain.solution + tokenizer.eos_token for chain in chains]
    ids = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")["input_ids"]
    labels = ids.masked_fill(ids == tokenizer.pad_token_id, _IGNORED)
    prompt_ends = torch.tensor([[len(chain.prompt)] for chain in chains])
    return ids, labels.masked_fill(torch.arange(ids.shape[1]) < prompt_ends, _IGNORED)


def _make_model(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=2 * recipe.hidden_size,
            num_hidden_layers=recipe.num_layers,
            num_attention_heads=recipe.num_heads,
            num_key_value_heads=recipe.num_heads,
            max_position_embeddings=256,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
