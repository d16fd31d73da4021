"""What the process has loaded from which the tests' engines and servers of vLLM are forked.

On a CPU, vLLM spawns its processes, and each loads vLLM anew, for 15 seconds of a processor. Where this
is loaded, they are forked from one process instead.
"""

import multiprocessing

import vllm.entrypoints.openai.api_server
import vllm.v1.engine.core
import vllm.v1.worker.cpu_worker  # noqa: F401  # for those who are forked

from tests.vllm_servers import context_for_spawn

# A forked process knows no way to the one that it was forked from, and would start another.
multiprocessing.get_context = context_for_spawn("fork")  # type: ignore[assignment]  # has overloads
