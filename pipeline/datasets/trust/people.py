"""What people say about responses: their own verdicts, kept in the run folder, and how often the
verifier agrees with them.

Each is a small file in `OUT/judgements/`, so that several people can judge at the same time, also in a
store, and a crash loses none. A person's newest verdict on the same response or step counts. Nothing
that the run writes depends on them.
"""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.files.publishing import REPEAT, explained, json_bytes, publish, require_run
from pipeline.files.storage import files_in, make_folder, read_bytes
from pipeline.labels.step_labels import Interval, credible_interval

_log = logging.getLogger(__name__)
JUDGEMENTS = "judgements"
"""The folder in a run folder."""
_AGREEING = {
    ("right", "pass"): True,
    ("right", "fail"): False,
    ("wrong", "pass"): False,
    ("wrong", "fail"): True,
}
"""(A person's verdict, the verifier's) -> whether they say the same."""
_MASS = 0.95


class Judgement(BaseModel):
    """A person's verdict on a response, or on one step of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem_id: str
    leaf: int = Field(ge=1)
    """The response, by the node at which it ends."""
    node: int | None = Field(default=None, ge=1)
    """The step that is judged; None for the response's answer."""
    outcome: Literal["right", "wrong", "unsure"]
    note: str = Field(default="", max_length=4000)
    by: str = Field(default="", max_length=200)
    """The person; empty if not given."""
    time: str = ""
    verifier_outcome: str | None = None
    """The verifier's verdict on the response at that time; None without one."""
    verifier: str | None = None
    """Its name and version."""

    @property
    def agrees(self) -> bool | None:
        """Whether the verifier says the same of the response; None if one of them does not decide, or
        the verdict is on a step, which no verifier judges."""
        if self.node is not None or self.verifier_outcome is None:
            return None
        return _AGREEING.get((self.outcome, self.verifier_outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often the verifier says what people say."""

    judged: int = 0
    """Responses and steps that people judged, the newest verdict of each person."""
    agree: int = 0
    false_passes: int = 0
    """Responses that passed and are wrong to a person."""
    false_fails: int = 0
    unsure: int = 0
    undecided: int = 0
    """Verdicts on steps, and on responses that the verifier did not decide."""
    interval: Interval | None = None
    """95% credible interval of the share that agrees; None if nothing is decided by both."""

    @property
    def differ(self) -> int:
        """Responses of which the verifier says the opposite."""
        return self.false_passes + self.false_fails

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> "Agreement":
        """The agreement over the newest verdicts."""
        newest = latest(judgements)
        agree = sum(one.agrees is True for one in newest)
        differing = [one for one in newest if one.agrees is False]
        unsure = sum(one.outcome == "unsure" for one in newest)
        decided = agree + len(differing)
        return cls(
            judged=len(newest),
            agree=agree,
            false_passes=sum(one.verifier_outcome == "pass" for one in differing),
            false_fails=sum(one.verifier_outcome == "fail" for one in differing),
            unsure=unsure,
            undecided=len(newest) - decided - unsure,
            interval=credible_interval(agree, decided, _MASS) if decided else None,
        )


def latest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The newest verdict of each person on each response and step."""
    return list({(one.by, one.problem_id, one.leaf, one.node): one for one in judgements}.values())


class Judgements:
    """The verdicts of people on the responses of one run."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._read: dict[str, Judgement | None] = {}
        """File -> its verdict; None for a damaged one. Files never change."""

    def all(self) -> list[Judgement]:
        """All verdicts in the order in which they were given; a damaged file is logged and passed over.

        Raises FolderError and StorageError.
        """
        with explained(self._run):
            names = sorted(one for one in files_in(self._run / JUDGEMENTS) if one.endswith(".json"))
            for name in names:
                if name not in self._read:
                    self._read[name] = self._parse(name, read_bytes(self._run / JUDGEMENTS / name))
        return [one for name in names if (one := self._read[name]) is not None]

    def add(self, judgement: Judgement) -> Judgement:
        """Stores a verdict with the present time; returns it.

        Raises FolderError, also if the run's folder is gone, and StorageError.
        """
        now = datetime.now(UTC)
        stored = judgement.model_copy(update={"time": now.isoformat(timespec="seconds")})
        file = self._run / JUDGEMENTS / f"{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.json"
        with explained(self._run, cure=REPEAT):
            require_run(self._run)
            make_folder(file.parent)
            publish(file, json_bytes(stored.model_dump()))
        return stored

    @staticmethod
    def _parse(name: str, content: bytes) -> Judgement | None:
        try:
            return Judgement.model_validate_json(content)
        except ValidationError as e:
            _log.warning("%s/%s is damaged: %s", JUDGEMENTS, name, e.errors()[0]["msg"])
            return None


def describe_agreement(found: Agreement) -> str:
    """Whether people and the verifier say the same, in words; for at least one verdict."""
    rest = f"{found.unsure} unsure, {found.undecided} on steps or on responses without a verdict"
    if found.interval is None:
        return f"{found.judged} verdicts, none on a response that the verifier decided; {rest}"
    decided = found.agree + found.differ
    return (
        f"agree with the verifier on {found.agree} of {decided} responses "
        f"({found.agree / decided:.1%}, 95% interval {found.interval.low:.1%} to "
        f"{found.interval.high:.1%}): {found.false_passes} that passed are wrong, "
        f"{found.false_fails} that failed are right; {rest}"
    )


def agreement_facts(agreement: Agreement) -> dict[str, Any]:
    """The figures as JSON values."""
    interval = agreement.interval
    return {
        "judged": agreement.judged,
        "agree": agreement.agree,
        "differ": agreement.differ,
        "false_passes": agreement.false_passes,
        "false_fails": agreement.false_fails,
        "unsure": agreement.unsure,
        "undecided": agreement.undecided,
        "low": interval and interval.low,
        "high": interval and interval.high,
    }
