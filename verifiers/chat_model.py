"""A language model behind any server that speaks OpenAI's chat protocol.

The server's key is read from the environment and never appears in a result. Callers write the
messages and interpret the replies; `Marks` keeps the texts under judgement apart from the question
about them.
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
    """No readable reply; the message says why, without quoting the server."""


class ChatModelConfig(BaseModel):
    """Server, model and sampling options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    """Such as `http://localhost:8000/v1`."""
    model: str
    """The name that the server gives the model."""
    api_key_env: str | None = None
    """Environment variable that holds the server's key; without it no key is sent."""
    temperature: float | None = Field(default=0.0, ge=0)
    """None omits it, for servers that reject it."""
    max_tokens: int | None = Field(default=1024, ge=1)
    """Longest reply, in tokens; None omits it."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent unchanged with every request."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """Limit for one answer, across all attempts."""
    attempts: int = Field(default=3, ge=1)
    """Requests per answer, if the connection breaks or the server fails or is busy."""
    max_concurrency: int = Field(default=32, ge=1)
    """Concurrent requests."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, base_url: str) -> str:
        if not re.match(r"https?://[^/\s]+", base_url):
            raise ValueError(f"expected http://HOST:PORT/v1 or the like, got {base_url!r}")
        return base_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The model's answer."""

    text: str
    was_cut_off: bool
    """Whether the token limit cut it off."""
    usage: Mapping[str, int]
    """`prompt_tokens` and `completion_tokens`, if the server reports them."""


class ChatModel:
    """Asks the model. Each request holds one question; requests run concurrently."""

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
        """Closes the connections. Calling it twice is safe."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def without_key(self, text: str) -> str:
        """The text with the server's key removed, in case the server repeated it."""
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
            raise NoReply("the model's server cannot be reached, or closed the connection") from e
        except (openai.OpenAIError, ValueError) as e:
            raise NoReply(f"the model's server sent no readable reply ({type(e).__name__})") from e

    def _connect(self) -> Any:
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                base_url=self.config.base_url,
                # Never None: the library would then send the key in OPENAI_API_KEY.
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
    """Marks around texts that a model judges, with a code that the texts cannot contain.

    The code is a hash of the texts, so a text can neither close its block nor write an answer that
    would be read as the model's. A text can still persuade the model.
    """

    def __init__(self, *texts: str) -> None:
        whole = "".join(f"{len(text)}:{text}" for text in texts)
        self.code = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def around(self, name: str, text: str) -> str:
        """The text between marks with this name."""
        return f"<{name}-{self.code}>\n{_sendable(text)}\n</{name}-{self.code}>"


def _text_of(completion: Any) -> tuple[str, object]:
    """Text and finish reason of a chat completion; the library validates neither. Raises NoReply."""
    choices = getattr(completion, "choices", None)
    first: Any = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(first, "message", None)
    if message is None:
        raise NoReply("the model's server sent no readable reply (no chat completion)")
    text = getattr(message, "content", None) or getattr(message, "refusal", None) or ""
    if not isinstance(text, str):
        raise NoReply("the model's server sent no readable reply (its content is not text)")
    return text, getattr(first, "finish_reason", None)


def _sendable(text: str) -> str:
    """The text without lone surrogates, which a request cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")
