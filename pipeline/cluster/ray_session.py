"""Joins or starts Ray, watches its head, and abandons it when the head is gone.

After its head has ended, Ray reports nothing for a minute and then aborts the waiting process.
`Head.watch` notices within seconds, so that a run ends with one line and can be resumed.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import ray
from ray.exceptions import RuntimeEnvSetupError

from pipeline.cluster.signals import treat_as_interrupt
from pipeline.errors import RunFailure, UserMistake
from pipeline.files.storage import is_local

_CONNECT_SECONDS = 5.0
_OBJECT_STORE_BYTES = 256 * 2**20
_STARTS = 2
_LOOK_SECONDS = 2.0
"""Seconds between two checks of Ray's head."""
_LOOKS = 3
"""Consecutive failed checks after which the head counts as gone."""


Result = TypeVar("Result")


class ClusterError(RunFailure):
    """The cluster cannot execute the run; the message is one line for the user."""


class HeadLost(ClusterError):
    """Ray's head process, which manages all actors, is gone."""


class AddressError(UserMistake):
    """Ray is not available at the configured address."""


def find_address(configured: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The Ray cluster to join: the configured one, else that of the environment; None without one.

    A Ray job would otherwise start a second Ray inside the first.
    """
    if configured is not None:
        return configured
    return environment.get("RAY_ADDRESS") or ("auto" if is_ray_job(environment) else None)


def is_ray_job(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process was started by `ray job submit`."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment


def check_output(output: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Raises AddressError for a relative output folder of a Ray job, which would be lost with it."""
    if is_ray_job(environment) and is_local(output) and not output.is_absolute():
        raise AddressError(
            f"output: expected an absolute path or a URL, got {output}; a Ray job's working folder is "
            "deleted with the job"
        )


def join_ray(address: str, modules: list[str]) -> None:
    """Joins the cluster at `address` and sends it these modules. Raises AddressError."""
    _check_reachable(address)
    settings = {"runtime_env": {"py_modules": modules}} if modules else {}
    try:
        _init(address=address, **settings)
    except (ConnectionError, RuntimeError, RuntimeEnvSetupError, ValueError, OSError) as e:
        hint = "a cluster with token authentication needs RAY_AUTH_MODE=token set here"
        raise AddressError(f"Ray at {address}: {_first_line(e)}; {hint}") from e


def start_ray(num_actors: int) -> None:
    """Starts a local Ray; tries twice, because the start can fail on a busy machine.

    Raises ClusterError.
    """
    for attempt in range(1, _STARTS + 1):
        try:
            _init(
                # Never join a Ray that already runs on this machine.
                address="local",
                # Ray only counts CPUs: with fewer CPUs than actors, some would wait forever.
                num_cpus=max(num_actors, os.cpu_count() or 1),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
            )
        except Exception as e:
            # Ray raises a bare Exception if the start takes too long.
            ray.shutdown()
            if attempt == _STARTS:
                raise ClusterError(
                    f"Ray could not be started on this machine in {attempt} attempts "
                    f"({type(e).__name__}: {_first_line(e)}); is it very busy, or out of memory or of "
                    "space in /tmp? Ray's logs are in /tmp/ray/session_latest/logs"
                ) from e
        else:
            return


def _init(**settings: Any) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
    except SystemExit as e:
        # Ray's reaction to a SIGTERM during its start.
        raise KeyboardInterrupt from e
    finally:
        # Ray has replaced our handler.
        treat_as_interrupt()


def _check_reachable(address: str) -> None:
    """Raises AddressError if the host and port do not answer; Ray would wait for minutes."""
    host, _, port = address.rpartition("://")[-1].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as e:
        raise AddressError(f"Ray at {address}: cannot connect ({e.strerror or e})") from e


class Head:
    """The process of the joined Ray that keeps track of everything."""

    def __init__(self) -> None:
        """The head of the Ray that this process has just joined or started."""
        self.address = str(ray.get_runtime_context().gcs_address)
        host, _, port = self.address.rpartition(":")
        # A numeric IPv6 address is in brackets before the port.
        self._place = host.strip("[]"), int(port)
        self._is_visible = _connects(*self._place)
        """False, for example, behind Ray's client port: then only Ray knows the head's state."""
        self._is_lost = False
        self._family = _children()
        """Descendants of this process at the last check; after Ray's death they have no parent."""

    async def watch(self, done: asyncio.Event) -> None:
        """Watches the head until `done` is set. Raises HeadLost."""
        missed = 0
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await done.wait()
            self._family |= await asyncio.to_thread(_children)
            missed = 0 if await self.answers() else missed + 1
            if missed >= _LOOKS and not done.is_set():
                raise self.lost()

    async def answers(self) -> bool:
        """Whether the head's address still accepts connections; True if it was never reachable."""
        if self._is_lost or not self._is_visible:
            return not self._is_lost
        return await asyncio.to_thread(_connects, *self._place)

    def lost(self) -> HeadLost:
        """The error to raise once the head is gone."""
        self._is_lost = True
        return HeadLost(
            f"Ray's head at {self.address} has ended, and the run with it; committed work is saved; "
            "repeat the command to resume"
        )

    def kill_family(self) -> None:
        """Kills the processes of Ray and its actors that this process has started.

        For a local Ray whose head is gone: nothing else would end them, and a call to Ray would block.
        """
        for process in self._family | _children():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


async def unblocked(function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls a function of Ray that waits for its head, and would stop this process's event loop.

    The thread is a daemon: once the head is gone, nobody waits for it, not even the end of the process.
    """
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    results: list[Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as e:  # noqa: BLE001 - raised in the caller's task
            errors.append(e)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(called.set)

    threading.Thread(target=call, name="a call of Ray", daemon=True).start()
    await called.wait()
    if errors:
        raise errors[0]
    return results[0]


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
