"""A Ray cluster of several nodes on this machine, whose processes can be found, killed and stopped."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from ray.cluster_utils import Cluster

KINDS = {"worker": "ray::RolloutWor", "verifier": "ray::VerifierAc", "reward actor": "ray::RewardActo"}
"""Kind of an actor -> how the name of its process begins."""
_NODE_CPUS = 3
_STORE_BYTES = 80 * 2**20
MARK = "BERRY_DURABILITY"
"""Environment variable of every process of a campaign."""


class Nodes:
    """A head without room for actors, and nodes with it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._cluster: Cluster
        self.start()

    def start(self) -> None:
        """Starts them all."""
        common = {"node_ip_address": "127.0.0.1", "object_store_memory": _STORE_BYTES}
        self._common = common
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, **common},
        )
        for _ in range(self._number):
            self.add()

    @property
    def address(self) -> str:
        """Where drivers join."""
        return str(self._cluster.address)

    def add(self) -> None:
        """Adds a node."""
        self._cluster.add_node(num_cpus=_NODE_CPUS, wait=False, **self._common)

    def actors(self, kind: str) -> list[psutil.Process]:
        """Processes of the actors of a kind that run, and are not stopped."""
        found = []
        for node in self._cluster.worker_nodes:
            for process in _children(_raylet(node)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name().startswith(KINDS[kind]) and process.status() not in (
                        psutil.STATUS_STOPPED,
                        psutil.STATUS_ZOMBIE,
                    ):
                        found.append(process)
        return found

    def node_processes(self, chosen: int) -> list[psutil.Process]:
        """All processes of a node."""
        nodes = sorted(self._cluster.worker_nodes, key=lambda node: str(node.unique_id))
        raylet = _raylet(nodes[chosen % len(nodes)])
        return [psutil.Process(raylet), *_children(raylet, recursive=True)]

    def kill_node(self, chosen: int) -> None:
        """Kills a node's raylet, with which its processes end; a new node takes its place."""
        nodes = sorted(self._cluster.worker_nodes, key=lambda node: str(node.unique_id))
        node = nodes[chosen % len(nodes)]
        os.kill(_raylet(node), signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)
        self.add()

    def kill_head(self) -> None:
        """Kills the process that keeps track of everything."""
        assert self._cluster.head_node is not None
        for info in self._cluster.head_node.all_processes["gcs_server"]:
            info.process.kill()
            info.process.wait()

    def end(self) -> None:
        """Kills every process of the cluster."""
        family = []
        for node in self._cluster.list_all_nodes():
            for infos in node.all_processes.values():
                for info in infos:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        family += [
                            one := psutil.Process(info.process.pid),
                            *one.children(recursive=True),
                        ]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for node in self._cluster.list_all_nodes():
            for infos in node.all_processes.values():
                for info in infos:
                    info.process.wait()
        psutil.wait_procs(family, timeout=10)
        # They are gone: `Cluster` would look for them at exit.
        self._cluster.worker_nodes.clear()
        self._cluster.head_node = None


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def _children(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=recursive)
    except psutil.NoSuchProcess:
        return []


def marked() -> Iterator[psutil.Process]:
    """Every other process of this campaign, wherever it is."""
    value = os.environ[MARK]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == value:
                yield process


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Waits until a function gives something true; whether it did in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.1)
    return False
