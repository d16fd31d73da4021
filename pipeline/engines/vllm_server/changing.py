"""Changes the weights of running servers, through the endpoints of vLLM's development mode.

A server pauses, loads, clears its cache and goes on. If it cannot load the new weights, it loads the
old ones again. One that can do neither, or that is lost on the way, is not used until it has loaded the
engine's present weights.
"""

import asyncio
import logging
from typing import Any

from pipeline.engines import WeightsRefused
from pipeline.engines.models import ModelError, locate
from pipeline.engines.vllm_server.pool import Pool, Refused, ServerLost
from pipeline.engines.vllm_server.routing import Server

_log = logging.getLogger(__name__)


async def put_everywhere(pool: Pool, model: str, old: str, *, keep: bool) -> None:
    """Gives all servers that are up other weights.

    Raises WeightsRefused if one of them refuses, or none is left; all then have the old weights.
    """
    servers = pool.up
    told = await asyncio.gather(
        *(put(pool, server, model, old, keep=keep) for server in servers), return_exceptions=True
    )
    failed = {s.address: e for s, e in zip(servers, told, strict=True) if e is not None}
    lost = [error for error in failed.values() if isinstance(error, ServerLost)]
    if len(lost) == len(failed) < len(servers):
        # What is lost gets the weights when it is back.
        return
    for server in servers:
        if server.address not in failed:
            await _put_back(pool, server, old)
    reasons = "; ".join(f"{address}: {error}" for address, error in failed.items())
    raise WeightsRefused(
        f"update_weights: expected servers that load {model}, got {reasons or 'none that is up'}"
    )


async def put(pool: Pool, server: Server, model: str, old: str, *, keep: bool) -> None:
    """Gives a server other weights, or else the old ones again.

    Raises ServerLost or Refused, and ValueError for a server that cannot change its weights.
    """
    try:
        if not server.has_unknown_weights and await read_version(pool, server) == model:
            # Another client has already changed them.
            server.version = model
        else:
            await _put(pool, server, model, old, keep=keep)
    except ServerLost as e:
        # It may be alive, and paused.
        server.has_unknown_weights = True
        pool.drop(server, str(e))
        raise


async def read_version(pool: Pool, server: Server) -> str | None:
    """The name of a server's weights; None outside vLLM's development mode.

    Raises ServerLost or Refused.
    """
    try:
        told = await pool.call(server, "GET", "/weight_info")
    except Refused as e:
        if e.status != 404:
            raise
        return None
    return str(told["weight_version"])


async def _put(pool: Pool, server: Server, model: str, old: str, *, keep: bool) -> None:
    # Looked for while the server still runs.
    folders = {name: _locate(name) for name in (model, old)}
    try:
        await _post(pool, server, f"/pause?mode={'keep' if keep else 'wait'}")
    except Refused as e:
        if e.status != 404:
            raise
        raise ValueError("no `/pause`; start the server with VLLM_SERVER_DEV_MODE=1") from e
    try:
        await _reload(pool, server, model, folders[model], keep=keep)
    except Refused:
        try:
            await _reload(pool, server, old, folders[old], keep=True)
        except Refused as e:
            # It stays paused: with these weights it may not sample.
            server.has_unknown_weights = True
            pool.drop(server, f"cannot go back to {old} ({e})")
            raise
        await _post(pool, server, "/resume")
        raise
    server.version, server.has_unknown_weights = model, False
    await _post(pool, server, "/resume")


async def _put_back(pool: Pool, server: Server, old: str) -> None:
    try:
        await put(pool, server, old, old, keep=True)
    except (ServerLost, Refused, ValueError) as e:
        server.has_unknown_weights = True
        pool.drop(server, f"cannot go back to {old} ({e})")


async def _post(pool: Pool, server: Server, path: str, body: object = None) -> Any:
    """One call that may be done twice, and is, if its connection breaks: that need not be the server's
    death. Raises ServerLost or Refused."""
    try:
        return await pool.call(server, "POST", path, body)
    except ServerLost as e:
        _log.warning("%s%s: %s; it is repeated", server.address, path, e)
        return await pool.call(server, "POST", path, body)


def _locate(model: str) -> str:
    try:
        return locate(model)
    except ModelError as e:
        raise ValueError(str(e)) from e


async def _reload(pool: Pool, server: Server, model: str, folder: str, *, keep: bool) -> None:
    reload = {"method": "reload_weights", "kwargs": {"weights_path": folder}}
    await _post(pool, server, "/collective_rpc", reload)
    # What is in the cache was computed with other weights; kept requests compute theirs again.
    path = f"/reset_prefix_cache?reset_running_requests={str(keep).lower()}"
    if not (await _post(pool, server, path))["success"]:
        raise Refused(200, "its prefix cache cannot be cleared")
    await _post(pool, server, "/update_weight_version", {"new_version": model})
