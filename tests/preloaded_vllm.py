"""What the process has loaded from which the tests' engines and servers of vLLM are forked.

On a CPU, vLLM spawns its processes, and each loads vLLM anew, for 15 seconds of a processor. Where this
is loaded, they are forked from one process instead.
"""

import importlib
import multiprocessing
from unittest.mock import patch

from tests.vllm_servers import SERVER, context_for_spawn

for _name in (SERVER, "vllm.v1.engine.core", "vllm.v1.worker.cpu_worker"):
    importlib.import_module(_name)
# A forked process knows no way to the one that it was forked from, and would start another.
patch.object(multiprocessing, "get_context", context_for_spawn("fork")).start()
