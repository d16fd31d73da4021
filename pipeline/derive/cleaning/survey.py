"""Reads what the rules over all problems need to know of a run, part by part."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.folder import RunFolder, folder_at
from pipeline.datasets.views.problems import samples
from pipeline.derive.deriving import Derivation, Deriver
from pipeline.derive.sharing import share
from pipeline.hygiene.difficulty import Measured
from pipeline.hygiene.signatures import Compared, Signatures
from pipeline.hygiene.words import plain
from pipeline.prune.near_duplicates import normal_form
from pipeline.records import Trace


class Survivor(NamedTuple):
    """A response that survived."""

    problem_id: str
    leaf: int
    num_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was read of a part."""

    problems: list[Measured]
    survivors: list[Survivor]
    signatures: Signatures
    """Of the survivors' responses; a calculation is what near duplicates have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    derivation: Derivation
    run: Path
    state: str
    part: int


async def survey(
    folder: RunFolder,
    derivation: Derivation,
    advance: Callable[[], None],
    address: str | None = None,
) -> Survey:
    """Reads every trace by the rules of the derivation; `advance` counts problems.

    Raises FolderError, and RunFailure if a process dies.
    """
    state = folder.state_digest()
    tasks = [
        _Task(derivation=derivation, run=folder.path, state=state, part=index) for index in folder.parts
    ]
    parts = []
    async with aclosing(share(_survey, tasks, folder, address)) as surveys:
        async for one in surveys:
            for _ in one.problems:
                advance()
            parts.append(one)
    return Survey(
        problems=[problem for part in parts for problem in part.problems],
        survivors=[survivor for part in parts for survivor in part.survivors],
        signatures=Signatures.joined([part.signatures for part in parts]),
    )


async def _survey(task: _Task) -> Survey:
    deriver, folder = Deriver(task.derivation), folder_at(task.run, task.state)
    problems, survivors, forms = [], [], []
    try:
        async with aclosing(deriver.traces(folder, task.part)) as traces:
            async for trace in traces:
                problems.append(_measured(trace))
                for survivor in trace.kept:
                    form = normal_form(survivor.response)
                    own = Survivor(trace.problem.id, survivor.leaf, len(form.words))
                    survivors.append(own)
                    forms.append(Compared(plain(survivor.response), form.words, form.calculation))
    finally:
        await deriver.close()
    return Survey(problems=problems, survivors=survivors, signatures=Signatures.of(forms))


def _measured(trace: Trace) -> Measured:
    right, known = samples(trace)
    models = {node.model_version for node in trace.tree.nodes if node.model_version}
    return Measured(
        problem_id=trace.problem.id,
        domain=trace.problem.domain,
        source=trace.problem.source,
        num_right=right,
        num_samples=known,
        models=tuple(sorted(models)),
        num_tokens=sum(len(node.token_ids) for node in trace.tree.nodes[1:]),
    )
