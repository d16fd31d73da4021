"""Encodes problems for a model: with its chat template if it has one, else as plain text.

This works with any transformers tokenizer. It looks at the output of the template for probe turns,
never at the model's name. A template that cannot take the turns is rejected at the start. A template
that treats one problem's text differently from another's is not detected.
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
"""Probe turns, in words that no template contains."""
_TAGGED = re.compile(r"<([^<>/]*)>.*?</\1>|<[^<>]*>", re.DOTALL)
"""A pair of tags with their content, or a single tag."""
_TEMPLATE_ERRORS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError)
"""Errors that a template raises deliberately, or in an expression that does not fit the turns."""
_CONTEXT_TOKENS = 6
"""Prompt tokens decoded before the response, so that the response's first space is not lost."""


class ChatFormat:
    """One model's chat template, or the lack of one, with a run's `PromptFormat`."""

    def __init__(self, tokenizer: Any, prompt_format: PromptFormat, model: str) -> None:
        """`model` is its name in messages. Raises EngineStartError if the template cannot take
        turns."""
        self._tokenizer = tokenizer
        self._format = prompt_format
        self._has_template = getattr(tokenizer, "chat_template", None) is not None
        self.opening = ""
        """`Chat.opening` of every prompt."""
        self._closing = ""
        """Text that the template appends to the last answer."""
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
            # Without a template, the tokenizer adds the special tokens that the model expects.
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
        """Compares the template's ids for the chat and the response with the sampled ids.

        Text that the template appends after an answer's end token is ignored. A response that a stop
        string ended has no end token and is compared up to that string. None without a template.
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
        # The template has already added the special tokens as text.
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
        """The beginning of the answer inside the prompt, and the text after the last answer.

        An answer in the middle of a chat shows the template's own heading of an answer. Text after this
        heading in the prompt is the beginning of the answer, which the model continues. If the template
        adds empty tags (`<think></think>`), the heading ends before them.
        """
        asked = [*_turns(_QUESTION, self._format.system), Message(role="assistant", content=_ANSWER)]
        try:
            last = self._render(asked)
            middle = self._render([*asked, Message(role="user", content=_NEXT)])
        except _TEMPLATE_ERRORS:
            # The template takes no answers; `match` reports that.
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
        """Number of tokens before a stop string, and number of characters from there on."""
        texts = token_texts(self._tokenizer.backend_tokenizer, prompt_token_ids, ids)
        ends = list(accumulate(map(len, texts)))
        num_cut = ends[-1] - len(response)
        if num_cut <= 0:
            return len(ids), 0
        before = bisect_left(ends, len(response))
        return before + (ends[before] == len(response)), num_cut


def token_texts(tokenizer: Any, prefix: Sequence[int], ids: Sequence[int]) -> tuple[str, ...]:
    """The text that each id adds after a prefix, "" for special tokens and parts of a character.

    `tokenizer` is a tokenizer of the library tokenizers.
    """
    from tokenizers.decoders import DecodeStream

    stream = DecodeStream(ids=list(prefix[-_CONTEXT_TOKENS:]), skip_special_tokens=True)
    return tuple(stream.step(tokenizer, token) or "" for token in ids)


def _num_shared(one: str, other: str) -> int:
    """Length of the common beginning of both texts."""
    pairs = enumerate(zip(one, other, strict=False))
    differing = (index for index, (a, b) in pairs if a != b)
    return next(differing, min(len(one), len(other)))


def _turns(user: str, system: str | None) -> list[Message]:
    before = [Message(role="system", content=system)] if system else []
    return [*before, Message(role="user", content=user)]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
