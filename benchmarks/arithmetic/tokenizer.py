"""A tokenizer with one token for each character of a chain and its response.

So a token's place in a response is the place of its character, and steps end where tokens end. There
is no chat template and no token before the prompt. The end of a response is a token of its own.
"""

import string
from typing import Any

PAD, END, UNKNOWN = "<pad>", "<end>", "<unk>"
_CHARACTERS = f"{string.digits}+-*=?# \n"


def make_tokenizer() -> Any:
    """A `PreTrainedTokenizerFast`; `save_pretrained` writes its tokenizer.json."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: id_ for id_, token in enumerate([PAD, END, UNKNOWN, *_CHARACTERS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
