"""An engine of vLLM servers that run elsewhere, with token ids in and out.

engine.py   the engine: checks each server, and samples
changing.py changes the servers' weights
pool.py     sends requests to the servers, watches them, and repeats what a dead one lost
routing.py  decides which server gets a request
wire.py     what a server is sent, and how its answers are read
"""

from pipeline.engines.vllm_server.engine import VllmServerEngine

__all__ = ["VllmServerEngine"]
