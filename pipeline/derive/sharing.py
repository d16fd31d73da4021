"""Shares work on the parts of a run: in this process, in processes of this machine, or on a cluster."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipeline import parallel
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.files.storage import exists, is_local


class PartWork(Protocol):
    """Work on one part; a process can be given it."""

    @property
    def run(self) -> Path:
        """The run folder."""
        ...

    @property
    def part(self) -> int:
        """The number of the part."""
        ...


Work = TypeVar("Work", bound=PartWork)
Result = TypeVar("Result")


async def share(
    function: Callable[[Work], Coroutine[Any, Any, Result]],
    work: Sequence[Work],
    folder: RunFolder,
    address: str | None = None,
) -> AsyncGenerator[Result, None]:
    """Yields the results in the order of the work; on the Ray cluster at `address`, if it is given.

    Raises what `function` raises, RunFailure if a process dies, and with an address AddressError,
    ClusterError, and FolderError for a node that does not see the run.
    """
    num_bytes = sum(folder.parts[one.part].sizes.get("trees", 0) for one in work)
    if address is None:
        results = parallel.map_trees(function, work, num_bytes)
    else:
        from pipeline.cluster_map import map_on_cluster

        results = map_on_cluster(partial(_where_seen, function), work, address)
    async with aclosing(results):
        async for result in results:
            yield result


async def _where_seen(function: Callable[[Work], Coroutine[Any, Any, Result]], work: Work) -> Result:
    if not exists(work.run / "run.json"):
        raise FolderError(
            f"{work.run}: expected a folder that every node of the cluster sees; name one on shared "
            "storage, or a URL such as s3://BUCKET/FOLDER"
        )
    return await function(work)


def seen_everywhere(path: Path) -> Path:
    """The path as processes with other working folders name it."""
    return path.absolute() if is_local(path) else path
