"""Computes the actors and resources that a run needs, and what the cluster's nodes have room for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from pipeline.cluster.ray_session import AddressError, join_ray
from pipeline.config import RunConfig
from pipeline.engines.border import read_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a cluster."""

    name: str
    resources: Mapping[str, float]
    """Ray's name of a resource -> amount, in all; `memory` is in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Actors of one kind with which a run starts."""

    what: str
    """One of them, with its article."""
    key: str
    """The key of `cluster` that changes what one needs."""
    number: int
    needs: Mapping[str, float]
    """Resource -> amount for one actor."""


def look_at(address: str) -> tuple[list[Node], dict[str, float]]:
    """Joins the cluster at an address for a moment: its nodes, and what is free of all together.

    Raises AddressError.
    """
    join_ray(address, [])
    try:
        return _nodes(), dict(ray.available_resources())
    finally:
        ray.shutdown()


def demands(config: RunConfig, *, has_gpus: bool) -> list[Demand]:
    """The actors with which a run starts, in the order in which it starts them."""
    gpus = _gpus_per_reward_actor(config, has_gpus)
    every = [
        Demand(
            what="a verifier",
            key="verifier_actors",
            number=config.cluster.first_verifiers,
            needs={"CPU": 1.0},
        ),
        Demand(
            what="a reward model",
            key="gpus_per_reward_actor",
            number=sum(num_reward_actors(config)),
            needs={"CPU": 1.0, **({"GPU": gpus} if gpus else {})},
        ),
        Demand(
            what="a worker",
            key="gpus_per_worker",
            number=config.cluster.first_workers,
            needs=_worker(config, has_gpus),
        ),
    ]
    return [one for one in every if one.number]


def check_fit(wanted: Sequence[Demand], nodes: Sequence[Node]) -> None:
    """Raises AddressError if an actor fits on no node, even on an empty one: it would wait forever."""
    for one in wanted:
        if not any(_fits(one.needs, node.resources) for node in nodes):
            most = max((node.resources.get("GPU", 0) for node in nodes), default=0)
            raise AddressError(
                f"expected a node with {amounts(one.needs)} for {one.what}, got nodes with at most "
                f"{most:g} GPUs; lower cluster.{one.key}"
            )


def place(wanted: Sequence[Demand], nodes: Sequence[Node]) -> list[list[int]]:
    """How many actors of each demand fit on each empty node, in this order: a row for each demand.

    Each goes to the first node with room; Ray may choose another.
    """
    left = [dict(node.resources) for node in nodes]
    placed = [[0] * len(nodes) for _ in wanted]
    for row, one in zip(placed, wanted, strict=True):
        for _ in range(one.number):
            place = next((k for k, free in enumerate(left) if _fits(one.needs, free)), None)
            if place is None:
                break
            row[place] += 1
            for name, amount in one.needs.items():
                left[place][name] -= amount
    return placed


def check_nodes(config: RunConfig) -> None:
    """Raises AddressError if an actor fits on no node of the joined cluster."""
    check_fit(demands(config, has_gpus=_has_gpus()), _nodes())


def describe_room(config: RunConfig) -> str | None:
    """What the cluster lacks now for another actor, one line; None if it has room."""
    free = ray.available_resources()
    for one in reversed(demands(config, has_gpus=_has_gpus())):
        if not _fits(one.needs, free):
            there = ray.cluster_resources()
            got = ", ".join(
                f"{free.get(name, 0):g} of {there.get(name, 0):g} {name}s" for name in one.needs
            )
            return (
                f"the cluster has no room for {one.what}: it needs {amounts(one.needs)}, free are {got}"
            )
    return None


def has_room_for_verifier() -> bool:
    """Whether the cluster has room for another verifier now."""
    return _fits({"CPU": 1.0}, ray.available_resources())


def is_alive(node: str) -> bool:
    """Whether Ray still has the node with this id."""
    return any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())


def num_possible_workers(config: RunConfig) -> int:
    """Workers for which the cluster has room now."""
    needed = _worker(config, _has_gpus())
    free = ray.available_resources()
    return max(0, min(int(free.get(name, 0) // amount) for name, amount in needed.items()))


def num_reward_actors(config: RunConfig) -> list[int]:
    """Number of actors of each reward model."""
    return [config.num_reward_actors(index) for index in range(len(config.reward_models))]


def num_actors(config: RunConfig) -> int:
    """Number of actors with which a run starts."""
    pools = config.cluster.first_verifiers + sum(num_reward_actors(config))
    return config.first_workers + pools


def gpus_per_reward_actor(config: RunConfig) -> float:
    """GPUs of one actor of a reward model."""
    return _gpus_per_reward_actor(config, _has_gpus())


def gpus_per_worker(config: RunConfig) -> float:
    """GPUs of one worker."""
    return _gpus_per_worker(config, _has_gpus())


def amounts(needs: Mapping[str, float]) -> str:
    """Resources as text, such as `1 CPU and 2 GPUs`."""
    return " and ".join(f"{amount:g} {name}{'s' * (amount != 1)}" for name, amount in needs.items())


def _nodes() -> list[Node]:
    return [
        Node(name=node["NodeManagerAddress"], resources=node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]


def _has_gpus() -> bool:
    return bool(ray.cluster_resources().get("GPU"))


def _gpus_per_reward_actor(config: RunConfig, has_gpus: bool) -> float:
    if config.cluster.gpus_per_reward_actor is not None:
        return config.cluster.gpus_per_reward_actor
    return 1.0 if has_gpus else 0.0


def _gpus_per_worker(config: RunConfig, has_gpus: bool) -> float:
    if config.cluster.gpus_per_worker is not None:
        return config.cluster.gpus_per_worker
    return read_engine(config.engine).num_gpus if has_gpus else 0


def _worker(config: RunConfig, has_gpus: bool) -> dict[str, float]:
    gpus = _gpus_per_worker(config, has_gpus)
    return {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}


def _fits(needed: Mapping[str, float], there: Mapping[str, Any]) -> bool:
    return all(there.get(name, 0) >= amount for name, amount in needed.items())
