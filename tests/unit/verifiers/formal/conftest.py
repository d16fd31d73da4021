"""One verifier for all tests of a file: its sandbox starts once."""

from collections.abc import AsyncIterator

import pytest_asyncio

from verifiers.formal.verifier import FormalVerifier


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[FormalVerifier]:
    built = FormalVerifier(FormalVerifier.Config())
    yield built
    await built.close()
