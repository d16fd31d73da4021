"""vLLM servers with tiny models, each a process of its own on the loopback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from reward_models.processor import usable_cores


class VllmServer:
    """A server in vLLM's development mode, in which weights can change."""

    def __init__(self, model: Path, log: Path, *options: str, port: int | None = None) -> None:
        """`port` is one that was free before, to start a server anew at its address."""
        self.port = port or _free_port()
        self.log = log
        own = {
            "VLLM_SERVER_DEV_MODE": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": str(usable_cores()[-1]),
            "VLLM_NO_USAGE_STATS": "1",
        }
        # Not `vllm serve`: with the package vllm-cpu it does not find its own version.
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        settings = ["--host", "127.0.0.1", "--port", str(self.port), "--enforce-eager"]
        settings += ["--dtype", "float32", "--block-size", "32", "--max-num-seqs", "16"]
        with log.open("w") as opened:
            self._process = subprocess.Popen(
                [*command, *settings, *options],
                env=os.environ | own,
                stdout=opened,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> "VllmServer":
        """Waits until it answers; takes 25 seconds or more."""
        while not self._is_healthy():
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """Kills all of its processes at once; calling it twice is fine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def hang(self, *, on: bool) -> None:
        """Stops all of its processes without ending them, or lets them go on."""
        os.killpg(self._process.pid, signal.SIGSTOP if on else signal.SIGCONT)

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


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
    return port
