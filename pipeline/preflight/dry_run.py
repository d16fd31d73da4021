"""`berry run --dry-run`: what a run would start and where, without starting it.

It reads the problem set as far as the first problem, the run folder's journal, and the resources of
the cluster or of this machine. No engine is started and nothing is written.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.cluster.placement import (
    Demand,
    Node,
    amounts,
    check_fit,
    demands,
    look_at,
    num_actors,
    place,
)
from pipeline.cluster.ray_session import check_output, find_address
from pipeline.config import RunConfig
from pipeline.datasets.damage import check_files
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.shards import check_limit
from pipeline.errors import UserMistake
from pipeline.problems import Intake
from reward_models.processor import available_gib
from verifiers.catalog import CannotBuild


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do."""

    output: str
    state: Literal["new", "resumes", "complete"]
    problems: int | None
    """Problems in the set, as far as counting is quick; None if unknown."""
    committed: int
    """Problems in committed parts."""
    engine: str
    """Value of `engine.use`."""
    address: str | None
    """The Ray cluster to join; None for a local Ray."""
    nodes: tuple[Node, ...]
    free: dict[str, float]
    """What is free in the cluster now, of all nodes together."""
    actors: tuple[Demand, ...]
    placed: tuple[tuple[int, ...], ...]
    """For each of `actors`, how many fit on each of `nodes` if nothing else runs there."""

    @property
    def missing(self) -> str | None:
        """Why the run could not start now, one line; None if it could, or is complete."""
        if self.state == "complete":
            return None
        for one, row in zip(self.actors, self.placed, strict=True):
            # A run begins with one worker; all verifiers and reward models have to start.
            least = 1 if one.what == "a worker" else one.number
            if sum(row) < least:
                return (
                    f"the cluster has room for {sum(row)} of {one.number} actors of the kind "
                    f"{one.what.partition(' ')[2]}, of {amounts(one.needs)} each; lower "
                    f"cluster.{one.key}, or add nodes"
                )
            if any(self.free.get(name, 0) < amount for name, amount in one.needs.items()):
                return (
                    f"the cluster has no room for {one.what} now: it needs {amounts(one.needs)}; a run "
                    "waits cluster.wait_seconds for it"
                )
        return None

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        actors = []
        for one, row in zip(self.actors, self.placed, strict=True):
            places = [
                {"node": node.name, "number": number}
                for node, number in zip(self.nodes, row, strict=True)
                if number
            ]
            actors.append(
                {
                    "kind": one.what.partition(" ")[2],
                    "number": one.number,
                    "fit": sum(row),
                    "needs": dict(one.needs),
                    "places": places,
                }
            )
        return {
            "can_start": self.missing is None,
            "missing": self.missing,
            "output": {"path": self.output, "state": self.state, "committed": self.committed},
            "problems": self.problems,
            "engine": self.engine,
            "cluster": {
                "address": self.address,
                "nodes": [asdict(node) for node in self.nodes],
                "free": self.free,
            },
            "actors": actors,
        }


def plan(config: RunConfig, run: dict[str, Any]) -> Plan:
    """Looks at everything that a run of this config needs; `run` is the content of its run.json.

    Raises UserMistake, FolderError, ProblemError and AddressError, as the run would.
    """
    try:
        config.build_verifier()
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    check_output(config.output)
    source = config.open_source()
    folder = RunFolder.find(config.output, run)
    state: Literal["new", "resumes", "complete"] = "new"
    if folder is not None:
        check_files(folder)
        reached = check_limit(folder, config.problems_limit, config.dataset.problems_per_part)
        old = folder.run.get("limit")
        goes_on = old != config.problems_limit and reached == old
        state = "complete" if folder.complete is not None and not goes_on else "resumes"
    if state != "complete":
        intake = Intake(source, config.prompt.parsed)
        intake.begin()
        intake.take(1)
    address = find_address(config.cluster.address)
    nodes, free = look_at(address) if address is not None else _this_machine(config)
    wanted = demands(config, has_gpus=any(node.resources.get("GPU") for node in nodes))
    if state != "complete":
        check_fit(wanted, nodes)
    return Plan(
        output=str(config.output),
        state=state,
        problems=source.size(),
        committed=0 if folder is None else folder.counts.problems,
        engine=config.engine.use,
        address=address,
        nodes=tuple(nodes),
        free=free,
        actors=tuple(wanted),
        placed=tuple(map(tuple, place(wanted, nodes))),
    )


def describe(found: Plan) -> str:
    """The lines for the user."""
    total = "of an unknown number of" if found.problems is None else f"of {found.problems}"
    state = {
        "new": "new",
        "resumes": f"resumes at {found.committed} {total} problems",
        "complete": f"complete, with {found.committed} problems: nothing would start",
    }[found.state]
    lines = [
        f"output     {found.output}: {state}",
        f"problems   {'number unknown' if found.problems is None else found.problems}",
        f"engine     {found.engine}",
        f"cluster    {found.address or 'a local Ray on this machine'}",
    ]
    for node in found.nodes:
        memory = node.resources.get("memory", 0) / 2**30
        lines.append(
            f"node       {node.name}: {node.resources.get('CPU', 0):g} CPUs, "
            f"{node.resources.get('GPU', 0):g} GPUs, {memory:.0f} GiB of memory"
        )
    for one, row in zip(found.actors, found.placed, strict=True):
        kind = one.what.partition(" ")[2]
        places = ", ".join(
            f"{number} on {node.name}" for node, number in zip(found.nodes, row, strict=True) if number
        )
        later = one.number - sum(row)
        wait = f"; {later} would wait for room" if later else ""
        lines.append(
            f"{'start':<10} {one.number} x {kind}, {amounts(one.needs)} each: {places or 'no room'}"
            f"{wait}"
        )
    return "\n".join(lines)


def _this_machine(config: RunConfig) -> tuple[list[Node], dict[str, float]]:
    """This machine as a local Ray would see it: that one only counts CPUs, so they never run out."""
    cpus = float(max(num_actors(config), os.cpu_count() or 1))
    resources = {"CPU": cpus, "memory": available_gib() * 2**30}
    if gpus := _num_gpus():
        resources["GPU"] = float(gpus)
    return [Node(name="this machine", resources=resources)], resources


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count()
