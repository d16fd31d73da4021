"""What the viewer answers, as JSON values: lists of problems, one problem, tokens, two runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.datasets.trust.people import Judgement
from pipeline.errors import UserMistake
from pipeline.inspection.selections import save_selection
from pipeline.inspection.ui.compare import Comparison
from pipeline.inspection.ui.index import ProblemTable
from pipeline.inspection.ui.problem import problem_facts
from pipeline.inspection.ui.query import Query, ordered, select
from pipeline.inspection.ui.runs import OpenRun
from pipeline.inspection.ui.tokens import NoTokenizer, token_texts

_PREVIEW = 300
"""Characters of a problem in a list."""
_MOST_ROWS = 1000
_Given = TypeVar("_Given", bound=BaseModel)


class NewSelection(BaseModel):
    """What is asked for when a selection is saved."""

    model_config = ConfigDict(extra="forbid")

    name: str
    query: dict[str, Any] = Field(default_factory=dict)


class NewJudgement(BaseModel):
    """What is asked for when a person judges."""

    model_config = ConfigDict(extra="forbid")

    problem_id: str
    leaf: int
    node: int | None = None
    outcome: str
    note: str = ""
    by: str = ""


class Page(BaseModel):
    """Which rows of a list, and in which order."""

    model_config = ConfigDict(extra="ignore")

    sort: str
    descending: bool = False
    offset: int = 0
    limit: int = 50

    @classmethod
    def take(cls, values: dict[str, str], sort: str) -> "Page":
        """Takes its keys out of an address. Raises UserMistake."""
        given = {key: values.pop(key) for key in list(cls.model_fields) if key in values}
        page = checked(cls, {"sort": sort, **given})
        if page.offset < 0 or not 0 < page.limit <= _MOST_ROWS:
            raise UserMistake(f"offset and limit: expected 0 or more, and 1 to {_MOST_ROWS}")
        return page


def list_problems(run: OpenRun, query: Query, page: Page) -> dict[str, Any]:
    """The problems that match, one page of them. Raises UserMistake."""
    is_complete, table = run.index.is_complete, run.table
    judgements = run.judgements.all()
    found = select(table, query, judgements)
    rows = ordered(table, found, page.sort, descending=page.descending)
    judged = {one.problem_id for one in judgements}
    return {
        "matched": len(rows),
        "of": table.num_problems,
        "complete": is_complete,
        "responses": _num_responses(table, query, found),
        "rows": [_row(table, int(row), judged) for row in rows[page.offset : page.offset + page.limit]],
    }


def _num_responses(table: ProblemTable, query: Query, rows: np.ndarray) -> int | None:
    """The responses that a condition about responses means; None without one."""
    column, text = ("reason", query.reason) if query.reason else ("decided_by", query.dropped)
    return None if text is None else table.num_responses(column, text, rows)


def _row(table: ProblemTable, row: int, judged: Collection[str]) -> dict[str, Any]:
    def text(name: str) -> str | None:
        found: str | None = table.texts[name][row].as_py()
        return found

    low, high = (float(one) for one in table.interval[row])
    return {
        "problem_id": text("problem_id"),
        "source_id": text("source_id"),
        "domain": text("domain"),
        "problem": (text("problem") or "")[:_PREVIEW],
        "gold": (text("target_value") or "")[:_PREVIEW],
        "rate": float(table.rate[row]),
        "low": low,
        "high": high,
        "passed": int(table.numbers("pass")[row]),
        "failed": int(table.numbers("fail")[row]),
        "abstained": int(table.numbers("abstain")[row]),
        "errors": int(table.numbers("error")[row]),
        **{
            name: int(table.numbers(name)[row])
            for name in ("right", "known", "responses", "kept", "tokens")
        },
        "judged": text("problem_id") in judged,
    }


def show_problem(run: OpenRun, row: Mapping[str, Any]) -> dict[str, Any]:
    """The problem of a row of `trees`, and the ones before and after it."""
    problem_id, table = row["problem_id"], run.table
    judgements = [one for one in run.judgements.all() if one.problem_id == problem_id]
    place = table.find(problem_id)
    before, after = (None, None) if place is None else (place - 1, place + 1)

    def at(other: int | None) -> str | None:
        if other is None or not 0 <= other < table.num_problems:
            return None
        found: str = table.texts["problem_id"][other].as_py()
        return found

    facts = problem_facts(run.reader, row, judgements)
    return {**facts, "previous": at(before), "next": at(after)}


def show_tokens(run: OpenRun, node: Mapping[str, Any]) -> dict[str, Any]:
    """The tokens of a step with their log-probabilities, or why there are none."""
    ids, logprobs = node["token_ids"], node.get("logprobs")
    if logprobs is None:
        why = (
            "the run stored no log-probability of single tokens: dataset.token_logprobs=true does, for "
            "engines that report them"
        )
        return {"tokens": None, "reason": why}
    texts: Sequence[str | None] = [None] * len(ids)
    reason: str | None = None
    try:
        texts = token_texts(run.reader.folder.run["config"], ids)
    except NoTokenizer as e:
        reason = str(e)
    found = [
        {"id": one, "text": text, "logprob": logprob}
        for one, text, logprob in zip(ids, texts, logprobs, strict=True)
    ]
    return {"tokens": found, "reason": reason}


def compare(a: OpenRun, b: OpenRun, page: Page, only: str | None) -> dict[str, Any]:
    """Two runs and one page of their problems. Raises UserMistake."""
    comparison = Comparison.of(a.table, b.table)
    places = comparison.ordered(only, page.sort, descending=page.descending)
    return {
        "a": a.brief(),
        "b": b.brief(),
        **comparison.summary(),
        "matched": len(places),
        "complete": a.index.is_complete and b.index.is_complete,
        "rows": [
            comparison.row(int(place), _PREVIEW)
            for place in places[page.offset : page.offset + page.limit]
        ],
    }


def judge(run: OpenRun, row: Mapping[str, Any], given: NewJudgement) -> dict[str, Any]:
    """Stores a person's verdict beside the verifier's. Raises UserMistake and StorageError."""
    if given.problem_id not in (row["problem_id"], row.get("source_id")):
        # Where problems are looked up, the beginning of an id will do; a verdict needs a whole one.
        raise UserMistake(f"problem_id: expected a whole id, got {given.problem_id!r:.80}")
    response = next((one for one in row["trajectories"] if one["leaf"] == given.leaf), None)
    if response is None:
        raise UserMistake(f"leaf: expected a node that ends a response, got {given.leaf}")
    if given.node is not None and given.node not in _path(row, given.leaf):
        raise UserMistake(f"node: expected a step of response {given.leaf}, got {given.node}")
    name, version = response.get("verifier"), response.get("verifier_version")
    values = {
        **given.model_dump(),
        "problem_id": row["problem_id"],
        "verifier_outcome": response["outcome"],
        "verifier": None if name is None else f"{name} {version}",
    }
    return run.judgements.add(checked(Judgement, values)).model_dump()


def save(run: OpenRun, given: NewSelection) -> dict[str, Any]:
    """Stores the problems that match now. Raises UserMistake, also if not every part could be read: the
    selection would lack problems that match, and nobody would see it; and StorageError."""
    table, query = run.table, Query.read(given.query)
    if not run.index.is_complete:
        raise UserMistake(
            f"expected every part of {run.path} to be read, got {run.index.num_read} of "
            f"{run.index.num_parts}{f' ({run.error})' if run.error else '; save again'}"
        )
    rows = select(table, query, run.judgements.all())
    ids = table.texts["problem_id"].take(rows).to_pylist()
    saved = save_selection(run.path, given.name, query.values(), ids)
    return {**saved.model_dump(exclude={"problem_ids"}), "problems": len(ids)}


def _path(row: Mapping[str, Any], leaf: int) -> set[int]:
    """The nodes of a response, without the root."""
    parents, path, at = {node["id"]: node["parent"] for node in row["nodes"]}, set(), leaf
    while at:
        path.add(at)
        at = parents[at]
    return path


def checked(kind: type[_Given], values: Any) -> _Given:
    """The values as an object of this kind. Raises UserMistake, which names the first fault."""
    try:
        return kind.model_validate(values)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise UserMistake(f"{where}: {first['msg']}, got {first['input']!r:.80}") from e
