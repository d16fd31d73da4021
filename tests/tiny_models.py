"""Models with some thousand random weights, in the architectures of reward models, and tokenizers of
every sort, made without any download."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from reward_models.manifest import TrainedModel, tokenizer_digest

# A second thread gains nothing on models this small, and slows both down on busy cores.
torch.set_num_threads(1)

TEXTS = [
    "What is 12 + 7? Work it out.",
    "First we add 12 and 7.\nThat gives 19.\nThe answer is 19.",
    "Dafür nehmen wir 3 · 4 = 12, 好的。",
    "So x² - 1 ≥ 0 … therefore \\boxed{5}.\n\n",
] * 4
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<unk>", "<extra_0>"]


def byte_level() -> Any:
    """As in GPT-2 and SmolLM2: every byte has a token, white space leads."""
    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def byte_level_by_lines() -> Any:
    """As in Llama 3 and Qwen: the same, but line ends stay together before any text."""
    pieces = pre_tokenizers.Split(Regex(r"\s*[\r\n]+| ?\S+|\s+(?!\S)|\s+"), behavior="isolated")
    return _byte_level(
        pre_tokenizers.Sequence(
            [pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    )


def _byte_level(pre_tokenizer: Any) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    return _wrap(tokenizer, trainer)


def sentence_piece() -> Any:
    """As in Llama 2 and Mistral: a mark for white space, bytes for unknown characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    octets = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[*_SPECIAL, *octets], show_progress=False
    )
    return _wrap(tokenizer, trainer)


def unigram() -> Any:
    """As in T5 and XLM-R: pieces by their likelihood."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=_SPECIAL, unk_token="<unk>", show_progress=False
    )
    return _wrap(tokenizer, trainer)


def word_piece() -> Any:
    """As in BERT: words and their parts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=_SPECIAL, show_progress=False)
    return _wrap(tokenizer, trainer)


def characters() -> Any:
    """A token for each character of TEXTS."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.decoder = decoders.Fuse()
    return _wrap(
        tokenizer, trainers.BpeTrainer(vocab_size=1, special_tokens=_SPECIAL, show_progress=False)
    )


TOKENIZERS = [byte_level, sentence_piece, unigram, word_piece, characters]


def config(tokenizer: Any, **options: Any) -> LlamaConfig:
    """The config of a Llama with two layers."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        **{"max_position_embeddings": 512, "num_key_value_heads": 1, **options},
    )


def base_model(folder: Path, tokenizer: Any = None, *, seed: int = 0, **options: Any) -> Path:
    """A language model; `options` go into its config, and the weights follow from `seed`."""
    tokenizer = tokenizer or byte_level()
    torch.manual_seed(seed)
    return _save(AutoModelForCausalLM.from_config(config(tokenizer, **options)), tokenizer, folder)


def reward_model(folder: Path, kind: str, tokenizer: Any = None, *, trained: bool = True) -> Path:
    """A model with a head, as `berry train` writes it; without its description unless `trained`."""
    tokenizer = tokenizer or byte_level()
    torch.manual_seed(1)
    auto = AutoModelForTokenClassification if kind == "prm" else AutoModelForSequenceClassification
    made = auto.from_config(
        config(tokenizer, num_labels=2, token_classification_bias=False, classifier_dropout=0.0)
    )
    # Makes the scores differ clearly.
    made.score.weight.data.normal_(0, 0.2)
    _save(made, tokenizer, folder)
    if trained:
        description = TrainedModel(
            kind="prm" if kind == "prm" else "orm",
            labels="soft" if kind == "prm" else "outcome",
            base="tiny",
            tokenizer=tokenizer_digest(tokenizer),
            train_problems=("seen",),
        )
        description.write(folder)
    return folder


def _save(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _wrap(tokenizer: Tokenizer, trainer: Any) -> Any:
    tokenizer.train_from_iterator(TEXTS, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<|end|>",
        unk_token="<unk>",
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>", "<extra_0>"],
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
