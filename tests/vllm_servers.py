"""vLLM servers with tiny models, each a process of its own on the loopback."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

from reward_models.processor import usable_cores

SERVER = "vllm.entrypoints.openai.api_server"


@contextlib.contextmanager
def forked_engines() -> Iterator[None]:
    """Engines and servers that start here meanwhile are forked, and compute on one core.

    Several OpenMP threads wait for each other busily, and take the cores from other processes.
    """
    core = str(usable_cores()[-1])
    multiprocessing.set_forkserver_preload(["tests.preloaded_vllm"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": core,
            "VLLM_NO_USAGE_STATS": "1",
        }.items():
            patch.setenv(name, value)
        with pytest.MonkeyPatch.context() as for_all:
            for_all.setenv("OMP_NUM_THREADS", "1")
            for_all.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
            forkserver.ensure_running()
        patch.setattr(multiprocessing, "get_context", context_for_spawn("forkserver"))
        yield


class VllmServer:
    """A server of one model."""

    def __init__(self, model: Path, log: Path, *options: str, port: int | None = None) -> None:
        """`port` is one that was free before, to start a server anew at its address."""
        self.port = port or _free_port()
        self.log = log
        settings = ["--model", str(model), "--host", "127.0.0.1", "--port", str(self.port)]
        settings += ["--enforce-eager", "--dtype", "float32", "--block-size", "32"]
        settings += ["--max-num-seqs", "16", *options]
        # Forked from a process that has vLLM loaded, as are its own: loading it takes each 15 seconds.
        context = multiprocessing.get_context("forkserver")
        self._process = context.Process(target=_serve, args=(settings, str(log)))
        self._process.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> "VllmServer":
        """Waits until it answers."""
        while not self._is_healthy():
            assert self._process.is_alive(), self.log.read_text()[-3000:]
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """Kills all of its processes at once; calling it twice is fine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        self._process.join()

    def hang(self, *, on: bool) -> None:
        """Stops all of its processes without ending them, or lets them go on."""
        os.killpg(self._pid, signal.SIGSTOP if on else signal.SIGCONT)

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None, "it has started"
        return self._process.pid

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


SOLVER_OPTIONS = (
    "--logprobs-mode=processed_logprobs",
    "--enable-prompt-tokens-details",
    "--max-model-len=1024",
)
"""Without `--enable-scale-out`, a server is asked through `/v1/completions`."""


@contextlib.contextmanager
def serving(model: Path, folder: Path, *options: str) -> Iterator[VllmServer]:
    """A running server."""
    server = VllmServer(model, folder / "server.log", *options)
    try:
        yield server.wait()
    finally:
        server.kill()


def _leave(port: int) -> None:
    """Puts nothing in the place of this process's sockets at a port."""
    for opened in list(Path("/proc/self/fd").iterdir()):
        number = int(opened.name)
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as one:
            if one.family == socket.AF_INET and one.getsockname()[1] == port:
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, number)
                os.close(nothing)


_get_context = multiprocessing.get_context


def context_for_spawn(start: str) -> Callable[..., BaseContext]:
    """Stands in for `multiprocessing.get_context`, with which vLLM on a CPU spawns its processes."""
    return lambda method=None: _get_context(start if method == "spawn" else method)


def _serve(settings: list[str], log: str) -> None:
    """What the process of a server does, in vLLM's development mode, in which weights can change."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ["VLLM_SERVER_DEV_MODE"] = "1"
    # A child with the server's socket that outlives it would let clients connect to nobody.
    port = int(settings[settings.index("--port") + 1])
    os.register_at_fork(after_in_child=lambda: _leave(port))
    # Not `vllm serve`: with the package vllm-cpu it does not find its own version.
    sys.argv = ["vllm", *settings]
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
    return port
