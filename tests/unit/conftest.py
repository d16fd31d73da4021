"""Fixtures of more than one file."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox import Sandbox, SandboxConfig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxConfig(processes=2)) as opened:
        yield opened
    await opened.close()
