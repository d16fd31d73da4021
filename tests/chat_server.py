"""A chat model's server on loopback with answers that a test sets."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Speaks OpenAI's protocol; `answer` makes the reply from the message and the code in it."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str], Any] = lambda message, code: f"VERDICT-{code}: PASS"
        self.handler: Handler = self.complete
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.num_open = self.most_open = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        try:
            return await self.handler(request)
        finally:
            self.num_open -= 1

    async def complete(self, _: web.Request) -> web.StreamResponse:
        message = self.requests[-1]["messages"][0]["content"]
        codes = re.findall(r"^[A-Z-]+-([0-9a-f]{12}): \w+$", message, re.MULTILINE)
        answer = self.answer(message, codes[-1])
        return web.json_response(completion(answer) if isinstance(answer, str) else answer)


def completion(text: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A running server."""
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    yield server
    await runner.cleanup()
