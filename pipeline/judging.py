"""Where responses are judged: in this process, or by a pool of actors in batches.

Whatever fails on the way, a verifier that raises or an actor that is lost, becomes an ERROR verdict:
it says nothing about the response.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pipeline.batching import Batcher, BatchLost
from pipeline.errors import RunFailure, named
from sandbox import SandboxUnavailable
from verifiers import Target, Verdict, Verifier
from verifiers.border import Border

_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a verifier is asked about."""

    prompt: str
    text: str
    target: Target


class LocalJudge:
    """Judges in this process."""

    def __init__(self, verifier: Verifier) -> None:
        """Raises NotAVerifier for an object that lacks what a verifier has."""
        self._verifier = Border(verifier)
        self._starting = asyncio.Lock()
        self._started = False

    async def start(self) -> None:
        """Lets the verifier get ready, once, if it has anything to do."""
        async with self._starting:
            if not self._started:
                await self._verifier.start()
            self._started = True

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR if it breaks in any way."""
        return await self._verifier.verify(prompt, response, target)

    async def verify_batch(self, batch: Sequence[Response]) -> list[Verdict]:
        """A verdict for each response, in order."""
        # An actor that Ray has restarted was built anew, but nobody else starts it.
        await self.start()
        return await asyncio.gather(*(self.verify(r.prompt, r.text, r.target) for r in batch))

    async def close(self) -> None:
        """Closes the verifier, if it has anything to close."""
        await self._verifier.close()


async def start_judge(judge: LocalJudge) -> None:
    """Starts it. Raises RunFailure, which says why a verifier cannot start."""
    try:
        await judge.start()
    except SandboxUnavailable as e:
        raise RunFailure(str(e)) from e
    except (Exception, SystemExit) as e:
        # The verifier may be anybody's.
        raise RunFailure(f"the verifier cannot start: {named(e)}") from e


async def close_judge(judge: LocalJudge) -> None:
    """Closes it. Raises RunFailure, which says why a verifier cannot close."""
    try:
        await judge.close()
    except (Exception, SystemExit) as e:
        raise RunFailure(f"the verifier cannot close: {named(e)}") from e


VerifyBatch = Callable[[list[Response]], Awaitable[list[Verdict]]]


class PooledJudge:
    """Judges elsewhere, by functions that each send a batch to one actor."""

    def __init__(self, verifier: Verifier, pool: Sequence[VerifyBatch]) -> None:
        """`verifier` only names itself in the verdicts on batches that are lost."""
        self._verifier = Border(verifier)
        self._batcher: Batcher[Response, Verdict] = Batcher(pool, _BATCH_SIZE)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict; ERROR if the batch that it was in is lost."""
        try:
            return await self._batcher.ask(Response(prompt=prompt, text=response, target=target))
        except BatchLost as e:
            return self._verifier.error(str(e))

    async def close(self) -> None:
        """Stops sending; calling it twice is fine."""
        await self._batcher.close()
