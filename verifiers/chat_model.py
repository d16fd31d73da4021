"""A language model behind any server that speaks OpenAI's chat protocol.

The key for the server is read from the environment and appears in no answer. What a model is shown
and what it replies is the affair of whoever asks: `Marks` keeps the texts that are shown apart from the
question about them.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class NoReply(Exception):
    """There is none that can be read; the message says why, without the server's own words."""


class ChatModelConfig(BaseModel):
    """Which model, where, and how it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    """Such as `http://localhost:8000/v1`."""
    model: str
    """The name that the server gives the model."""
    api_key_env: str | None = None
    """Environment variable with the server's key; without it no key is sent."""
    temperature: float | None = Field(default=0.0, ge=0)
    """None leaves it out, for servers that refuse it."""
    max_tokens: int | None = Field(default=1024, ge=1)
    """Longest reply; None leaves it out."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with every request as it is."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """For one answer, all attempts together."""
    attempts: int = Field(default=3, ge=1)
    """Requests, where the connection breaks or the server is at fault or busy."""
    max_concurrency: int = Field(default=32, ge=1)
    """Requests at once."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, base_url: str) -> str:
        if not re.match(r"https?://[^/\s]+", base_url):
            raise ValueError(f"expected http://HOST:PORT/v1 or the like, got {base_url!r}")
        return base_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model answered."""

    text: str
    was_cut_off: bool
    """By the limit of tokens."""
    usage: Mapping[str, int]
    """`prompt_tokens` and `completion_tokens`, of those that the server says."""


class ChatModel:
    """Asks the model one question at a time, many at once."""

    def __init__(self, config: ChatModelConfig) -> None:
        self.config = config
        self._places = asyncio.Semaphore(config.max_concurrency)
        self._client: Any = None

    async def ask(self, message: str) -> Reply:
        """The reply to one message. Raises NoReply."""
        async with self._places:
            completion = await self._complete(message)
        text, finish = _text_of(completion)
        usage = getattr(completion, "usage", None)
        counts = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
        return Reply(
            text=text,
            was_cut_off=finish == "length",
            usage={name: count for name, count in counts.items() if isinstance(count, int)},
        )

    async def close(self) -> None:
        """Closes the connections; calling it twice is fine."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def without_key(self, text: str) -> str:
        """The text, in which a server may have repeated the key."""
        key = self._key()
        return text.replace(key, "[key]") if key else text

    async def _complete(self, message: str) -> Any:
        import openai

        options: dict[str, Any] = {"extra_body": self.config.extra_body or None}
        for name in ("temperature", "max_tokens"):
            if (value := getattr(self.config, name)) is not None:
                options[name] = value
        client = self._connect()
        try:
            async with asyncio.timeout(self.config.timeout_seconds):
                return await client.chat.completions.create(
                    model=self.config.model,
                    messages=[{"role": "user", "content": message}],
                    **options,
                )
        except (TimeoutError, openai.APITimeoutError) as e:
            raise NoReply(f"no reply within {self.config.timeout_seconds:g} seconds") from e
        except openai.APIStatusError as e:
            # The body may repeat the key.
            raise NoReply(f"the model's server answered with status {e.status_code}") from e
        except openai.APIConnectionError as e:
            raise NoReply("the model's server cannot be reached, or broke off") from e
        except (openai.OpenAIError, ValueError) as e:
            raise NoReply(f"the model's server sent no readable reply ({type(e).__name__})") from e

    def _connect(self) -> Any:
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                base_url=self.config.base_url,
                # Never None: the library would send the one that is in OPENAI_API_KEY.
                api_key=self._key() or "none",
                timeout=self.config.timeout_seconds,
                max_retries=self.config.attempts - 1,
            )
        return self._client

    def _key(self) -> str | None:
        name = self.config.api_key_env
        if name is None:
            return None
        if not (key := os.environ.get(name)):
            raise NoReply(f"api_key_env: expected a key in the environment variable {name}, got none")
        return key


class Marks:
    """Marks around texts that a model is to judge, with a code that no such text can contain.

    The code is a hash of the texts, so that a text can neither close its block nor write an answer
    that would be read as the model's. Nothing keeps it from talking the model into one.
    """

    def __init__(self, *texts: str) -> None:
        whole = "".join(f"{len(text)}:{text}" for text in texts)
        self.code = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def around(self, name: str, text: str) -> str:
        """The text between marks of this name."""
        return f"<{name}-{self.code}>\n{_sendable(text)}\n</{name}-{self.code}>"


def _text_of(completion: Any) -> tuple[str, object]:
    """Text and finish of a chat completion, of which the library checks nothing. Raises NoReply."""
    choices = getattr(completion, "choices", None)
    first: Any = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(first, "message", None)
    if message is None:
        raise NoReply("the model's server sent no readable reply (no chat completion)")
    text = getattr(message, "content", None) or getattr(message, "refusal", None) or ""
    if not isinstance(text, str):
        raise NoReply("the model's server sent no readable reply (its content is no text)")
    return text, getattr(first, "finish_reason", None)


def _sendable(text: str) -> str:
    """Without halves of surrogate pairs, which a request cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
