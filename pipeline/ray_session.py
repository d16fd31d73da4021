"""A session with Ray: joined or started, watched, and given up when its head is gone.

Ray itself says nothing for a minute after its head has ended, and then aborts the process that waits
for it. `Head.watch` notices within seconds, so that a run ends with one line and can go on later.
"""

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any

import psutil
import ray
from ray.exceptions import RuntimeEnvSetupError

from pipeline.errors import RunFailure, UserMistake
from pipeline.signals import treat_as_interrupt

_CONNECT_SECONDS = 5.0
_OBJECT_STORE_BYTES = 256 * 2**20
_STARTS = 2
_LOOK_SECONDS = 2.0
"""Between two looks at whether Ray's head still answers."""
_LOOKS = 3
"""Looks in a row without an answer after which the head is gone."""


class ClusterError(RunFailure):
    """The cluster cannot do the run; the message is one line for the user."""


class HeadLost(ClusterError):
    """Ray's head process is gone, and with it everything that keeps track of the actors."""


class AddressError(UserMistake):
    """There is no Ray to be had where the config says."""


def join_ray(address: str, modules: list[str]) -> None:
    """Joins the cluster at `address` and sends it these modules. Raises AddressError."""
    _check_reachable(address)
    settings = {"runtime_env": {"py_modules": modules}} if modules else {}
    try:
        _init(address=address, **settings)
    except (ConnectionError, RuntimeError, RuntimeEnvSetupError, ValueError, OSError) as e:
        hint = "a cluster that wants a token needs RAY_AUTH_MODE=token set here"
        raise AddressError(f"Ray at {address}: {_first_line(e)}; {hint}") from e


def start_ray(num_actors: int) -> None:
    """Starts a Ray of this process's own; once more if that fails, as it can on a busy machine.

    Raises ClusterError.
    """
    for attempt in range(1, _STARTS + 1):
        try:
            _init(
                # Not one that somebody has started on this machine.
                address="local",
                # Ray's CPUs are bookkeeping: with fewer than actors, some would wait for ever.
                num_cpus=max(num_actors, os.cpu_count() or 1),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
            )
        except Exception as e:
            # For a start that takes too long Ray raises a bare Exception.
            ray.shutdown()
            if attempt == _STARTS:
                raise ClusterError(
                    f"Ray could not be started on this machine, tried {attempt} times "
                    f"({type(e).__name__}: {_first_line(e)}); is it very busy, or out of memory or of "
                    "space in /tmp? Ray's logs are in /tmp/ray/session_latest/logs"
                ) from e
        else:
            return


def _init(**settings: Any) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
    except SystemExit as e:
        # Ray's own answer to a SIGTERM while it starts.
        raise KeyboardInterrupt from e
    finally:
        # Ray has put its own handler in the place of ours.
        treat_as_interrupt()


def _check_reachable(address: str) -> None:
    """Raises AddressError for a host and port that nobody answers at: Ray would wait for minutes."""
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
        """Of the Ray that this process has just joined or started."""
        self.address = str(ray.get_runtime_context().gcs_address)
        host, _, port = self.address.rpartition(":")
        # A numeric address of IP version 6 stands in brackets before a port.
        self._place = host.strip("[]"), int(port)
        self._is_visible = _connects(*self._place)
        """False behind Ray's client port, for example: then Ray alone can tell whether it is there."""
        self._is_lost = False
        self._family = _children()
        """This process's descendants, when last looked at: those of a dead Ray have no parent."""

    async def watch(self, done: asyncio.Event) -> None:
        """Waits for `done`, and looks after the head meanwhile. Raises HeadLost."""
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
        """Whether something still listens where the head was; True where it never was visible."""
        if self._is_lost or not self._is_visible:
            return not self._is_lost
        return await asyncio.to_thread(_connects, *self._place)

    def lost(self) -> HeadLost:
        """The error to raise once the head is gone."""
        self._is_lost = True
        return HeadLost(
            f"Ray's head at {self.address} has ended, and the run with it; what is committed stays, "
            "the same command goes on from there"
        )

    def kill_family(self) -> None:
        """Kills what this process has started, Ray's processes and those of its actors.

        For a local Ray whose head is gone: nothing else would end them, and asking Ray would block.
        """
        for process in self._family | _children():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


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
