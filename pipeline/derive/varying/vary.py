"""Makes new problems from a run's verified solutions, and keeps those that are well posed.

    1. read the problems with a verified solution          originals.jsonl
    2. make candidates from templates, and let the model write others    propose/, candidates.jsonl
    3. drop what repeats a problem, and questions of test sets
    4. let the model answer the rest                       check/
    5. keep those on whose answer the samples agree        problems.jsonl, dropped.jsonl, report.json

The same command again goes on where the last one ended: each file is written whole, and the two runs
resume.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.config import ConfigError
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.datasets.reader import RunReader
from pipeline.derive.varying.candidates import Candidate, from_templates
from pipeline.derive.varying.checking import Checked, check, read_answers
from pipeline.derive.varying.lines import write_lines
from pipeline.derive.varying.originals import Original, read_originals
from pipeline.derive.varying.proposing import NotAProblem, candidate_of, instructions
from pipeline.derive.varying.running import Runs, berry_run
from pipeline.derive.varying.screening import without_duplicates, without_leaks
from pipeline.derive.varying.settings import VarySettings
from pipeline.errors import RunFailure, UserMistake, message_of
from pipeline.files.publishing import explained, json_bytes
from pipeline.files.storage import publish
from pipeline.hygiene.question_columns import guess_section
from pipeline.hygiene.rules import TestSet
from pipeline.problems.variants.making import VARIANT_KIND, VARIANT_OF
from pipeline.problems.variants.programs import Programs
from pipeline.records import Status
from pipeline.training.policy.evaluate import Run
from sandbox import SandboxConfig
from verifiers.plugins import Part

REQUEST, REPORT, PROBLEMS = "vary.json", "report.json", "problems.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it."""

    run: str
    output: str
    num_originals: int
    """Problems of the run with a verified solution, at most `max_problems`."""
    num_templates: int
    candidates: Mapping[str, int]
    """Kind -> candidates, also replies that are no problem."""
    dropped: Mapping[str, Mapping[str, int]]
    """Kind -> reason -> candidates."""
    kept: Mapping[str, int]
    """Kind -> new problems."""


def vary(
    run: Path,
    output: Path,
    settings: VarySettings,
    *,
    against: Sequence[str] = (),
    runs: Run = berry_run,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Writes `problems.jsonl` and the rest to the folder `output`; `runs` makes the two runs in
    between, and `tell` gets a line before each. Programs run in a sandbox like the run's.

    Raises UserMistake for a folder of another request or a run without a verified solution,
    FolderError, ConfigError, ProblemError for a test set that cannot be read, and RunFailure.
    """
    folder = RunFolder.read(run)
    test_sets = _test_sets(against)
    stored = config_with_sandbox(folder.run)
    work = Runs(folder=output.absolute(), stored=stored, settings=settings, run=runs)
    work.check()
    with explained(output):
        output.mkdir(parents=True, exist_ok=True)
        _claim(output, folder, settings, against)
        if (output / REPORT).exists():
            return Report(**json.loads((output / REPORT).read_text(encoding="utf-8")))
    originals = read_originals(RunReader(folder), output / "originals.jsonl", settings.max_problems)
    if not originals:
        raise UserMistake(
            f"{run}: expected a run with verified solutions of problems with gold answers, got none"
        )
    varying = _Varying(work, output, settings, originals, test_sets, tell)
    return varying.complete(str(run), SandboxConfig.model_validate(stored.get("sandbox") or {}))


class _Varying:
    """One request with its folder."""

    def __init__(
        self,
        runs: Runs,
        output: Path,
        settings: VarySettings,
        originals: Sequence[Original],
        test_sets: Sequence[Part],
        tell: Callable[[str], None],
    ) -> None:
        self._runs, self._output, self._settings = runs, output, settings
        self._originals, self._test_sets, self._tell = originals, test_sets, tell
        self._dropped: list[dict[str, Any]] = []

    def complete(self, run: str, sandbox: SandboxConfig) -> Report:
        """All steps. Raises as `vary`."""
        settings, originals = self._settings, self._originals
        with Programs(sandbox) as programs:
            candidates, num_templates = from_templates(originals, settings, programs)
        candidates += self._written()
        made = Counter[str](one.kind for one in candidates)
        made.update(row[VARIANT_KIND] for row in self._dropped)
        candidates, repeats = without_duplicates(candidates, originals, settings.min_similarity)
        candidates, leaks = without_leaks(candidates, originals, self._test_sets, settings)
        self._dropped += [_row(one) | {"reason": reason} for one, reason in (*repeats, *leaks)]
        checked = asyncio.run(check(candidates, self._answers(candidates), settings))
        kept = [one for one in checked if one.dropped is None]
        self._dropped += [
            _row(one.candidate) | _facts(one) | {"reason": one.dropped}
            for one in checked
            if one.dropped is not None
        ]
        write_lines(self._output / "dropped.jsonl", self._dropped)
        write_lines(self._output / PROBLEMS, map(_problem, kept))
        reasons: dict[str, Counter[str]] = {kind: Counter() for kind in made}
        for row in self._dropped:
            reasons[row[VARIANT_KIND]][row["reason"]] += 1
        report = Report(
            run=run,
            output=str(self._output),
            num_originals=len(originals),
            num_templates=num_templates,
            candidates=dict(made),
            dropped={kind: dict(one) for kind, one in reasons.items()},
            kept={kind: sum(one.candidate.kind == kind for one in kept) for kind in made},
        )
        # Last: a folder with a report is complete.
        with explained(self._output):
            publish(self._output / REPORT, json_bytes(asdict(report)))
        return report

    def _written(self) -> Iterator[Candidate]:
        """Candidates that the model writes; replies that are no problem are dropped."""
        rows = list(instructions(self._originals, self._settings))
        if not rows:
            return
        self._tell(f"writing problems: {len(rows)} instructions")
        by_id = {one.id: one for one in self._originals}
        for trace in RunReader.open(self._runs.propose(rows)).traces():
            row_id = trace.problem.source_id or ""
            for one in trace.trajectories:
                try:
                    if one.status is not Status.COMPLETED:
                        raise NotAProblem(one.status.value)
                    yield candidate_of(row_id, one.response, by_id)
                except NotAProblem as e:
                    kind, *ids = row_id.split()
                    row = {"prompt": one.response, "answer": None, VARIANT_KIND: kind}
                    self._dropped.append({**row, VARIANT_OF: ids, "reason": str(e)})

    def _answers(self, candidates: Sequence[Candidate]) -> dict[str, Any]:
        if not candidates:
            return {}
        self._tell(f"answering {len(candidates)} candidates {self._settings.samples} times")
        run = self._runs.answer([one.prompt for one in candidates])
        return dict(read_answers(RunReader.open(run).traces()))


def _row(one: Candidate) -> dict[str, Any]:
    return {
        "id": one.id,
        "prompt": one.prompt,
        "answer": one.answer,
        "domain": one.domain,
        "source": one.source,
        VARIANT_OF: list(one.variant_of),
        VARIANT_KIND: one.kind,
    }


def _facts(one: Checked) -> dict[str, Any]:
    answered = one.answered
    return {
        "pass_rate": one.pass_rate,
        "num_samples": answered.num_samples,
        "majority_answer": answered.answer,
    }


def _problem(one: Checked) -> dict[str, Any]:
    """A row of `problems.jsonl`."""
    return {
        **_row(one.candidate),
        "answer": one.answer,
        "answer_from": "majority" if one.candidate.answer is None else _FROM[one.candidate.kind],
        "pass_rate": one.pass_rate,
        "num_samples": one.answered.num_samples,
    }


_FROM = {"numbers": "program", "composed": "program", "rewrite": "original", "written": "majority"}
"""Kind -> where the gold answer is from."""


def _test_sets(paths: Sequence[str]) -> list[Part]:
    """The test sets to compare with. Raises ConfigError."""
    try:
        return [TypeAdapter(TestSet).validate_python(guess_section(path)) for path in paths]
    except ValueError as e:
        raise ConfigError(f"--against {message_of(e)}") from e


def _claim(output: Path, folder: RunFolder, settings: VarySettings, against: Sequence[str]) -> None:
    """Notes the request in a new folder. Raises UserMistake if there is another one."""
    wanted = {
        "digest": folder.run["digest"],
        "settings": settings.model_dump(mode="json"),
        "against": list(against),
    }
    path = output / REQUEST
    if not path.exists():
        if any(output.iterdir()):
            raise UserMistake(f"--output {output}: expected a new folder, or one of `berry vary`")
        publish(path, json_bytes(wanted))
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise RunFailure(f"{path}: is damaged; delete the folder and repeat the command") from e
    for key, value in wanted.items():
        if there.get(key) != value:
            what = "run" if key == "digest" else key
            raise UserMistake(
                f"--output {output}: expected the {what} with which it began; name another folder"
            )
