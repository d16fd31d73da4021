"""`model_judge` asks a real vLLM server; its model is a tiny one, since no opinion is asked for."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from reward_models.vllm_settings import preload_libraries
from tests.patience import wait_until
from tests.tiny_models import base_model
from verifiers import Outcome, Target
from verifiers.model_judge import ModelJudgeVerifier, compose

GOLD = Target(kind="math", value="42")


@pytest.fixture(scope="module")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's OpenAI server with a model of random weights on a free port of this machine."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("vllm")
    log = folder / "log"
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    environment = os.environ | {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": cores,
        "LD_PRELOAD": ":".join(preload_libraries()),
    }
    command = [
        # What `vllm serve` runs; that command itself asks for a package named vllm, which on a CPU
        # is vllm-cpu.
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", base_model(folder / "model", max_position_embeddings=1024)),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", "smol"),
        *("--max-model-len", "1024", "--dtype", "float32", "--enforce-eager", "--block-size", "32"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), env=environment, stdout=output, stderr=output
        )
    try:
        try:
            wait_until(lambda: _is_healthy(f"http://127.0.0.1:{port}/health"), process)
        except AssertionError:
            pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except OSError:
        return False


@pytest.mark.engine
async def test_a_real_server_is_asked(vllm_server: str) -> None:
    config = ModelJudgeVerifier.Config(base_url=vllm_server, model="smol", max_tokens=64)
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    again = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    await verifier.close()
    # Random weights keep to no form; what matters is that their words came back.
    assert verdict.outcome is not Outcome.ERROR, verdict.reason
    assert verdict.evidence["reply"]
    assert isinstance(tokens := verdict.evidence["completion_tokens"], int)
    assert 0 < tokens <= 64
    assert (again.outcome, again.evidence) == (verdict.outcome, verdict.evidence)
    # The same server, made to say the line by guided decoding: the whole path to a PASS.
    _, code = compose(config.template, "What is 6 * 7?", "It is 42.", "42")
    forced = {"structured_outputs": {"choice": [f"VERDICT-{code}: PASS"]}}
    config = ModelJudgeVerifier.Config(base_url=vllm_server, model="smol", extra_body=forced)
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    await verifier.close()
    assert verdict.outcome is Outcome.PASS, verdict


@pytest.mark.engine
async def test_a_real_server_that_does_not_have_the_model(vllm_server: str) -> None:
    config = ModelJudgeVerifier.Config(base_url=vllm_server, model="other")
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("?", "It is 42.", GOLD)
    await verifier.close()
    assert (verdict.outcome, verdict.reason) == (
        Outcome.ERROR,
        "the model's server answered with status 404",
    )
