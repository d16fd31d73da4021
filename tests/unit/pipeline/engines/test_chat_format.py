"""A prompt and its chat say the same, and a chat that does not give back what was sampled is known."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.engines import EngineStartError, Prompt, PromptFormat
from pipeline.engines.chat_format import ChatFormat, token_texts
from tests.chat_templates import PARTS_ONLY, TEMPLATES, Template
from tests.conftest import make_problem
from tests.tiny_models import byte_level

FORMAT = PromptFormat(template="Solve: {problem}\nBriefly.")
SYSTEM = PromptFormat(system="Be brief. ", template="Solve: {problem}")
TAKES_SYSTEM = sorted(name for name, template in TEMPLATES.items() if template.system == "turn")


def chat_format(template: Template, prompt_format: PromptFormat = FORMAT) -> ChatFormat:
    return ChatFormat(template.tokenizer(), prompt_format, "some/model")


def match(
    template: Template, response: str, sampled: Sequence[int], prompt_format: PromptFormat = FORMAT
) -> MessageMatch | None:
    made = chat_format(template, prompt_format)
    prompt = made.encode(make_problem())
    return made.match(prompt.chat, prompt.token_ids, response, sampled)


def ids(template: Template, text: str) -> list[int]:
    return list(template.tokenizer().encode(text, add_special_tokens=False))


def sampled(template: Template, text: str) -> list[int]:
    """The text as the model would sample it: cut as the tokenizer does, and ended."""
    return ids(template, text + template.special[-1])


@pytest.fixture(params=sorted(TEMPLATES))
def template(request: pytest.FixtureRequest) -> Template:
    return TEMPLATES[request.param]


def test_the_opening_is_what_the_prompt_has_begun_of_the_answer(template: Template) -> None:
    made = chat_format(template)
    prompt = made.encode(make_problem())
    assert prompt.chat.opening == template.opening
    assert prompt.text.endswith(template.opening)


def test_the_turns_are_those_that_were_sent(template: Template) -> None:
    prompt = chat_format(template).encode(make_problem("1 + 1?"))
    assert prompt.chat.messages == (Message(role="user", content="Solve: 1 + 1?\nBriefly."),)
    assert prompt.text.count("Solve: 1 + 1?\nBriefly.") == 1
    assert list(prompt.token_ids) == ids(template, prompt.text)


@pytest.mark.parametrize("name", TAKES_SYSTEM)
def test_a_system_turn_is_one_of_them(name: str) -> None:
    prompt = chat_format(TEMPLATES[name], SYSTEM).encode(make_problem())
    assert prompt.chat.messages[0] == Message(role="system", content="Be brief. ")
    assert prompt.text.count("Be brief.") == 1
    assert prompt.chat.opening == TEMPLATES[name].opening


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gemma", "got one that refuses it (System role not supported)"),
        ("mistral", "got one that refuses it (Conversation roles must alternate"),
        ("no-system", "got one that leaves it out"),
    ],
)
def test_a_template_that_does_not_take_the_system_turn_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(EngineStartError) as caught:
        chat_format(TEMPLATES[name], SYSTEM)
    message = str(caught.value)
    assert message.startswith(
        "engine.model=some/model: expected a chat template that takes prompt.system"
    )
    assert complaint in message
    assert "prompt.template instead" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("jinja", "complaint"),
    [
        (PARTS_ONLY, "expected a chat template that takes a user's turn as text, got one that leaves"),
        ("{{ raise_exception('two\nlines') }}", "got one that fails (two lines)"),
        (
            "{% for m in messages %}{{ m.content + 1 }}{% endfor %}",
            "got one that fails (can only concat",
        ),
        ("{% for m in messages %}{{ m.nothing.more }}{% endfor %}", "got one that fails ("),
        ("{% for", "got one that fails ("),
    ],
)
def test_a_template_that_does_not_take_the_question_is_refused(jinja: str, complaint: str) -> None:
    with pytest.raises(EngineStartError) as caught:
        chat_format(Template(jinja=jinja, special=("<|im_end|>",)))
    assert complaint in str(caught.value)


def test_a_model_without_a_template_has_one_user_turn_with_the_exact_text() -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = None
    made = ChatFormat(tokenizer, SYSTEM, "some/model")
    prompt = made.encode(make_problem("1 + 1?"))
    assert prompt.text == "Be brief. \n\nSolve: 1 + 1?"
    assert prompt.chat == Chat.plain(prompt.text)
    assert made.match(prompt.chat, prompt.token_ids, "2", tokenizer.encode("2<|end|>")) is None


def test_an_answer_that_the_template_keeps_is_exact(template: Template) -> None:
    response = template.response("One and one\nare two.", "So 2 — 好 🙂.")
    found = match(template, response, sampled(template, response))
    assert found is (MessageMatch.EXACT if template.keeps else MessageMatch.OTHER_TEXT)


@pytest.mark.parametrize("name", TAKES_SYSTEM)
def test_so_is_one_to_a_prompt_with_a_system_turn(name: str) -> None:
    template = TEMPLATES[name]
    response = template.response("One and one are two.", "So 2.")
    found = match(template, response, sampled(template, response), SYSTEM)
    assert found is (MessageMatch.EXACT if template.keeps else MessageMatch.OTHER_TEXT)


def test_the_same_text_in_other_tokens_is_told_from_another_text(template: Template) -> None:
    response = template.response("One and one are two.", "The answer is 2.")
    letters = [token for letter in response for token in ids(template, letter)]
    assert letters != ids(template, response)
    found = match(template, response, [*letters, *ids(template, template.special[-1])])
    assert found is (MessageMatch.OTHER_TOKENS if template.keeps else MessageMatch.OTHER_TEXT)


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("llama-3", " So 2."),
        ("gemma", "So 2.\n"),
        ("qwen-3", "So 2, without a thought."),
        ("qwen-3", "<think>\nbegun and never ended"),
        ("qwen-3-thinking", "\n\nspaced out\n</think>\n\nSo 2."),
        ("qwq", "one more <|im_end|> sampled in letters"),
    ],
)
def test_an_answer_that_the_template_changes_is_not_exact(name: str, response: str) -> None:
    template = TEMPLATES[name]
    letters = [token for letter in response for token in ids(template, letter)]
    found = match(template, response, [*letters, *ids(template, template.special[-1])])
    expected = MessageMatch.OTHER_TOKENS if "<|im_end|>" in response else MessageMatch.OTHER_TEXT
    assert found is expected


def test_a_prompt_whose_end_joins_the_answer_is_the_same_text_in_other_tokens() -> None:
    template = TEMPLATES["llama-3"]
    tokenizer = template.tokenizer(byte_level)
    made = ChatFormat(tokenizer, FORMAT, "some/model")
    prompt = made.encode(make_problem())
    sampled = tokenizer.encode("So 2.<|eot_id|>", add_special_tokens=False)
    assert made.match(prompt.chat, prompt.token_ids, "So 2.", sampled) is MessageMatch.OTHER_TOKENS


def test_another_end_token_is_another_text() -> None:
    template = TEMPLATES["chatml"]
    found = match(template, "So 2.", ids(template, "So 2.<|im_start|>"))
    assert found is MessageMatch.OTHER_TEXT


def test_a_special_token_amid_the_answer_is_another_text() -> None:
    template = TEMPLATES["chatml"]
    found = match(template, "So 2.", ids(template, "So<|im_start|> 2.<|im_end|>"))
    assert found is MessageMatch.OTHER_TEXT


def test_a_template_that_takes_no_answers_gives_none_back() -> None:
    jinja = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    template = Template(jinja=jinja, special=("<|im_end|>",))
    assert match(template, "So 2.", sampled(template, "So 2.")) is MessageMatch.OTHER_TEXT


@pytest.mark.parametrize("name", ["chatml", "llama-3", "phi-3", "qwq"])
def test_a_response_that_a_stop_string_ended_is_compared_up_to_there(name: str) -> None:
    template = TEMPLATES[name]
    response = template.response("One and one are two.", "So 2.")
    stop = ids(template, "\nQ: what")
    assert match(template, response, [*ids(template, response), *stop]) is MessageMatch.EXACT


def test_a_stop_string_that_begins_inside_a_token_leaves_the_text_alone_to_compare() -> None:
    template = TEMPLATES["chatml"]
    (token,) = ids(template, " answer")
    found = match(template, "So a", [*ids(template, "So"), token])
    assert found is MessageMatch.OTHER_TOKENS


def test_a_stop_string_before_any_text_leaves_an_empty_answer() -> None:
    template = TEMPLATES["chatml"]
    assert match(template, "", ids(template, "Q: what")) is MessageMatch.EXACT


def test_the_texts_of_tokens_join_to_the_text() -> None:
    tokenizer: Any = byte_level()
    text = "naïve — 日本語 🙂\n\nend"
    texts = token_texts(tokenizer.backend_tokenizer, [5] * 10, tokenizer.encode(text))
    assert "".join(texts) == text
    assert "" in texts


def test_a_prompt_is_the_same_each_time(template: Template) -> None:
    one: Prompt = chat_format(template).encode(make_problem())
    assert one == chat_format(template).encode(make_problem())
