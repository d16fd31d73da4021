"""How a model reads problems: through its chat template where it has one, else as plain text.

It works on any tokenizer of transformers, by what its template does to probe turns and never by the
model's name. A template that cannot take the turns is refused at the start. What it does not find
out is whether a template treats one problem's text differently from another's.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from jinja2 import TemplateError

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.engines import EngineStartError, Prompt, PromptFormat
from pipeline.records import Problem

_QUESTION, _ANSWER, _NEXT = "berry-question", "berry-answer", "berry-next"
"""Probe turns, in words that no template has of its own."""
_TAGGED = re.compile(r"<([^<>/]*)>.*?</\1>|<[^<>]*>", re.DOTALL)
"""A pair of tags and what they enclose, or one tag."""
_TEMPLATE_ERRORS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a template can raise: by itself, or in an expression that does not suit its turns."""
_CONTEXT_TOKENS = 6
"""Prompt tokens that a decoder reads first, so that the response's first space is not lost."""


class ChatFormat:
    """One model's chat template, or the lack of one, with a run's `PromptFormat`."""

    def __init__(self, tokenizer: Any, prompt_format: PromptFormat, model: str) -> None:
        """`model` is for messages. Raises EngineStartError for a template that cannot take turns."""
        self._tokenizer = tokenizer
        self._format = prompt_format
        self._has_template = getattr(tokenizer, "chat_template", None) is not None
        self.opening = ""
        """As `Chat.opening` of every prompt."""
        self._closing = ""
        """What the template writes after the last answer."""
        if self._has_template:
            prompt = self._check(model)
            self.opening, self._closing = self._around_answer(prompt)

    def encode(self, problem: Problem) -> Prompt:
        """The problem's prompt."""
        return self._encode(self._format.render(problem), self._format.system)

    def instruct(self, text: str) -> Prompt:
        """The text as the user's turn, without the run's system prompt and template."""
        return self._encode(text, None)

    def _encode(self, user: str, system: str | None) -> Prompt:
        if not self._has_template:
            text = f"{system}\n\n{user}" if system else user
            # Without a template the tokenizer itself adds the special tokens that the model expects.
            ids = self._tokenizer.encode(text)
            return Prompt(token_ids=tuple(ids), text=text, chat=Chat.plain(text))
        messages = _turns(user, system)
        text = self._render(messages, open_answer=True)
        chat = Chat(messages=tuple(messages), opening=self.opening)
        return Prompt(token_ids=tuple(self._ids(text)), text=text, chat=chat)

    def match(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        """Whether the template makes the sampled ids of the chat and the response.

        What the template writes behind an answer's end token is left out of account. A response that
        a stop string ended is compared up to there: it has no end token. None without a template.
        """
        if not self._has_template:
            return None
        try:
            text = self._render([*chat.messages, chat.answer(response)])
        except _TEMPLATE_ERRORS:
            return MessageMatch.OTHER_TEXT
        rendered = self._ids(text)
        num_tokens, num_cut = self._until_stop(prompt_token_ids, response, response_token_ids)
        sampled = [*prompt_token_ids, *response_token_ids[:num_tokens]]
        behind = rendered[len(sampled) :]
        closing = self._ids(self._closing)
        if rendered[: len(sampled)] == sampled and behind == closing[len(closing) - len(behind) :]:
            return MessageMatch.EXACT
        whole = self._text([*prompt_token_ids, *response_token_ids])
        sampled_text, rendered_text = whole[: len(whole) - num_cut], self._text(rendered)
        is_same = rendered_text.startswith(sampled_text) and self._closing.endswith(
            rendered_text[len(sampled_text) :]
        )
        return MessageMatch.OTHER_TOKENS if is_same else MessageMatch.OTHER_TEXT

    def _render(self, messages: Sequence[Message], *, open_answer: bool = False) -> str:
        """The turns as text; raises one of _TEMPLATE_ERRORS."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=open_answer
        )
        return text

    def _ids(self, text: str) -> list[int]:
        # The template has put the special tokens into the text already.
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _check(self, model: str) -> str:
        """The prompt of a probe question. Raises EngineStartError."""
        where = f"engine.model={model}: expected a chat template that takes"
        instead = "put its text into prompt.template instead"
        try:
            prompt = self._render(_turns(_QUESTION, self._format.system), open_answer=True)
        except _TEMPLATE_ERRORS as e:
            if self._takes_question_alone():
                raise EngineStartError(
                    f"{where} prompt.system, got one that refuses it ({_line(e)}); {instead}"
                ) from e
            raise EngineStartError(f"{where} a user's turn, got one that fails ({_line(e)})") from e
        if _QUESTION not in prompt:
            raise EngineStartError(f"{where} a user's turn as text, got one that leaves it out")
        if self._format.system and self._format.system.strip() not in prompt:
            raise EngineStartError(f"{where} prompt.system, got one that leaves it out; {instead}")
        return prompt

    def _takes_question_alone(self) -> bool:
        try:
            self._render([Message(role="user", content=_QUESTION)], open_answer=True)
        except _TEMPLATE_ERRORS:
            return False
        return True

    def _around_answer(self, prompt: str) -> tuple[str, str]:
        """What the prompt has opened of the answer, and what follows the last answer.

        An answer in the middle of a chat shows how the template heads one by itself. What the prompt
        has behind that is opened for the model to go on from. Where the template puts tags of its own
        around nothing (`<think></think>`), the head ends before them.
        """
        asked = [*_turns(_QUESTION, self._format.system), Message(role="assistant", content=_ANSWER)]
        try:
            last = self._render(asked)
            middle = self._render([*asked, Message(role="user", content=_NEXT)])
        except _TEMPLATE_ERRORS:
            # It takes no answers: there is nothing to compare with, and `match` will say so.
            return "", ""
        head = middle.partition(_ANSWER)[0].rpartition(_QUESTION)[2]
        tail = prompt.rpartition(_QUESTION)[2]
        end = _num_shared(head, tail)
        for tagged in _TAGGED.finditer(head):
            if tagged.start() < end < tagged.end():
                end = tagged.start()
        return tail[end:], last.rpartition(_ANSWER)[2]

    def _until_stop(
        self, prompt_token_ids: Sequence[int], response: str, ids: Sequence[int]
    ) -> tuple[int, int]:
        """How many tokens come before a stop string, and how many characters from there on."""
        texts = token_texts(self._tokenizer.backend_tokenizer, prompt_token_ids, ids)
        ends = list(accumulate(map(len, texts)))
        num_cut = ends[-1] - len(response)
        if num_cut <= 0:
            return len(ids), 0
        before = bisect_left(ends, len(response))
        return before + (ends[before] == len(response)), num_cut


def token_texts(tokenizer: Any, prefix: Sequence[int], ids: Sequence[int]) -> tuple[str, ...]:
    """The text that each id adds behind a prefix, "" for special tokens and parts of a character.

    `tokenizer` is one of the library tokenizers.
    """
    from tokenizers.decoders import DecodeStream

    stream = DecodeStream(ids=list(prefix[-_CONTEXT_TOKENS:]), skip_special_tokens=True)
    return tuple(stream.step(tokenizer, token) or "" for token in ids)


def _num_shared(one: str, other: str) -> int:
    """How many characters both texts begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    differing = (index for index, (a, b) in pairs if a != b)
    return next(differing, min(len(one), len(other)))


def _turns(user: str, system: str | None) -> list[Message]:
    before = [Message(role="system", content=system)] if system else []
    return [*before, Message(role="user", content=user)]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
