"""The code verifier, one for each file."""

from collections.abc import AsyncIterator

import pytest_asyncio

from verifiers.code import CodeVerifier


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[CodeVerifier]:
    built = CodeVerifier(CodeVerifier.Config(cpu_seconds=2, wall_seconds=4))
    yield built
    await built.close()
    await built.close()
