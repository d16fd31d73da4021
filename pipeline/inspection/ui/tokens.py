"""The text of single tokens, for runs whose tokenizer is on this machine.

A tree stores token ids and the text of whole steps; where a token begins in that text, only the model's
tokenizer knows. Nothing is ever downloaded.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.engines.models import BUNDLED, ModelError, cache_folder, locate
from pipeline.errors import BerryError

Decode = Callable[[Sequence[int]], str]
_WINDOW, _OVERLAP = 64, 16
"""Most tokens that are decoded for each token, and how many of them are decoded again after that: the
text of a token may depend on those just before it. With all of them, a step of 10,000 tokens would take
minutes."""


class NoTokenizer(BerryError):
    """The text of tokens is not known; the message says why."""


def token_texts(config: Mapping[str, Any], token_ids: Sequence[int]) -> list[str]:
    """The text of each token of a step, from the config of its run.

    A character of several tokens is the text of its last. Raises NoTokenizer.
    """
    engine = config.get("engine") or {}
    decode = _decoder(str(engine.get("use", "vllm")), str(engine.get("model", "")))
    found, before, begin = [], "", 0
    for end in range(1, len(token_ids) + 1):
        if end - begin > _WINDOW and before == decode(token_ids[begin : end - 1]):
            # No character is unfinished: the tokens before the last few change nothing any more.
            begin = end - 1 - _OVERLAP
            before = decode(token_ids[begin : end - 1])
        now = decode(token_ids[begin:end]).removesuffix("\ufffd")
        if not now.startswith(before):
            # An unfinished character changed what came before it.
            now = before
        found.append(now[len(before) :])
        before = now
    return found


@cache
def _decoder(use: str, model: str) -> Decode:
    if use == "simulated":
        # Its tokens are bytes; 256 ends a response.
        return lambda ids: bytes(one for one in ids if one < 256).decode(errors="replace")
    return _of_model(model)


def _of_model(model: str) -> Decode:
    file = _tokenizer_file(model)
    if file is None:
        raise NoTokenizer(f"the tokenizer of {model or 'the engine'} is not on this machine")
    try:
        from tokenizers import Tokenizer
    except ImportError as e:
        raise NoTokenizer("the package tokenizers is not installed") from e
    tokenizer = Tokenizer.from_file(str(file))
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=False))


def _tokenizer_file(model: str) -> Path | None:
    """The file of a model's fast tokenizer; None if it is not on this machine."""
    if not model:
        return None
    try:
        # A bundled model is only looked for: unpacking it takes half a minute.
        located = cache_folder() / "models" / model if model in BUNDLED else locate(model)
    except (ModelError, OSError):
        return None
    if (file := Path(located) / "tokenizer.json").is_file():
        return file
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    try:
        cached = try_to_load_from_cache(model, "tokenizer.json")
    except ValueError:
        # Not an id of the Hub.
        return None
    return Path(cached) if isinstance(cached, str) else None
