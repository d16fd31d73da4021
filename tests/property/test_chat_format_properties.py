"""Where a template keeps an answer, the chat gives back the sampled ids, whatever the text is."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.chat import MessageMatch
from pipeline.engines import PromptFormat
from pipeline.engines.chat_format import ChatFormat, token_texts
from tests.chat_templates import TEMPLATES
from tests.conftest import make_problem
from tests.tiny_models import TEXTS, byte_level_by_lines, characters, sentence_piece, unigram

KEEPING = sorted(name for name, template in TEMPLATES.items() if template.keeps)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)

KNOWN_TEXT = st.text(st.sampled_from(sorted(set("".join(TEXTS)))), min_size=1, max_size=30)


@cache
def parts(name: str, make: Callable[[], Any]) -> tuple[Any, ChatFormat]:
    tokenizer = TEMPLATES[name].tokenizer(make)
    return tokenizer, ChatFormat(tokenizer, PromptFormat(), "some/model")


def check(name: str, make: Callable[[], Any], question: str, reasoning: str, answer: str) -> None:
    template = TEMPLATES[name]
    tokenizer, chat_format = parts(name, make)
    prompt = chat_format.encode(make_problem(question))
    response = template.response(reasoning, answer)
    text = prompt.text + response + template.special[-1]
    whole = tokenizer.encode(text, add_special_tokens=False)
    split = len(prompt.token_ids)
    # Where the tokenizer joins the prompt's end with the answer, no model samples that.
    assume(whole[:split] == list(prompt.token_ids))
    sampled = whole[split:]
    seen = "".join(token_texts(tokenizer.backend_tokenizer, prompt.token_ids, sampled))
    # Some tokenizers do not know all characters.
    assume(seen == response)
    found = chat_format.match(prompt.chat, prompt.token_ids, response, sampled)
    assert found is MessageMatch.EXACT
    messages = [*prompt.chat.messages, prompt.chat.answer(response)]
    rendered = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages], tokenize=False
    )
    ids = tokenizer.encode(rendered, add_special_tokens=False)
    assert ids[: len(whole)] == whole


@pytest.mark.parametrize("name", KEEPING)
@settings(max_examples=60)
@example("1 + 1?", "So", " it is 2.")
@example("berry", "<|im_end|>", "{{ messages }} [/INST]")
@given(question=TEXT, reasoning=TEXT, answer=TEXT)
def test_rendering_the_messages_gives_the_sampled_ids(
    name: str, question: str, reasoning: str, answer: str
) -> None:
    check(name, byte_level_by_lines, question, reasoning, answer)


@pytest.mark.parametrize("make", [sentence_piece, unigram, characters])
@pytest.mark.parametrize("name", ["chatml", "gemma", "phi-3"])
@settings(max_examples=40)
@given(question=TEXT, reasoning=KNOWN_TEXT, answer=KNOWN_TEXT)
def test_so_it_does_with_other_tokenizers_as_far_as_their_characters_go(
    name: str, make: Callable[[], Any], question: str, reasoning: str, answer: str
) -> None:
    check(name, make, question, reasoning, answer)
