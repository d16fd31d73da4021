"""Measures a model by pass@1 and pass@k, with a run of berry's own.

The run has the engine, prompt, sampling and verifier of the run that gave the data, and takes whole
rollouts (`best_of_n`). It is a process of its own, `berry run`, so its engine takes no memory of the
training, and an interrupted one resumes.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from pipeline.children import start_child, wait_for_child
from pipeline.config import RunConfig, load_config
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.datasets.reader import RunReader
from pipeline.errors import RunFailure
from pipeline.evaluation.curves import accuracy_curves, sizes
from pipeline.evaluation.design import design_of
from pipeline.evaluation.samples import Samples
from pipeline.files.storage import is_local
from pipeline.labels.outcomes import sample_outcome
from pipeline.problems import Intake
from pipeline.problems.border import open_source
from pipeline.records import Problem
from pipeline.templates import Template
from pipeline.training.errors import TrainError
from pipeline.training.policy.checks import check_apart, plain
from pipeline.training.policy.examples import Split
from pipeline.training.policy.held_out import held_out_problems
from pipeline.training.policy.manifest import Accuracy, Measurement
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.rows import is_run
from reward_models.evaluation.choosing import Sample

_TAKEN = ("prompt", "sampling", "steps", "verifier", "sandbox")
"""Sections of the data's run that measurements share."""
Run = Callable[[Path, Sequence[str], Path], None]
"""Runs a config with overrides, and writes what it prints to a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How the models of a training are measured."""

    folder: Path
    """Where configs, runs and logs go."""
    config: Mapping[str, Any]
    """The config of a measurement, without `output` and `engine.model`."""
    overrides: Sequence[str]
    problem_ids: tuple[str, ...]
    run: Run

    def check(self) -> None:
        """Writes the config as for the base, and reads it. Raises ConfigError."""
        self._write(0, Path("base"))

    def measure(self, step: int, model: str | Path) -> Measurement:
        """Measures the model of a step. Raises RunFailure if the run fails."""
        config, began = self._write(step, model), time.monotonic()
        self.run(config, self.overrides, self.log(step))
        return read_measurement(self._output(step), step, time.monotonic() - began)

    def log(self, step: int) -> Path:
        """What the run of a step prints."""
        return self.folder / f"step-{step}.log"

    def model_folder(self, step: int) -> Path:
        """Where the model of a step is written to be measured."""
        return self.folder / f"model-{step}"

    def forget_model(self, step: int) -> None:
        """Deletes the model of a step."""
        shutil.rmtree(self.model_folder(step), ignore_errors=True)

    def _output(self, step: int) -> Path:
        return self.folder / f"step-{step}"

    def _write(self, step: int, model: str | Path) -> Path:
        path = self.folder / f"step-{step}.yaml"
        engine = {**self.config["engine"], "model": str(model)}
        config = {**self.config, "output": str(self._output(step)), "engine": engine}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        load_config(path, self.overrides)
        return path


def prepare(
    folders: Sequence[Path], found: Split[Any], output: Path, settings: PolicySettings, run: Run
) -> Measuring | None:
    """Chooses the problems and writes what measurements need; None if there is no problem to measure
    with, or if none is wanted.

    Raises TrainError if the problems overlap with those of the training, or if the data have no run to
    measure like, and ConfigError.
    """
    if not settings.eval_rollouts:
        return None
    folder = output / "eval"
    stored = _stored_config(folders)
    overrides = [f"{key}={json.dumps(value)}" for key, value in settings.eval_config.items()]
    base = {
        "seed": settings.seed,
        **{name: stored[name] for name in _TAKEN if name in stored},
        "engine": _engine_of(stored, folders[0]),
        "strategy": {"use": "best_of_n", "rollouts": settings.eval_rollouts},
        "dataset": {"problems_per_part": 16, "views": []},
    }
    folder.mkdir(parents=True, exist_ok=True)
    if settings.eval_problems is None:
        problems = _apart(held_out_problems(folders, settings.held_out, settings.seed, 10**9), found)
        problems = problems[: settings.eval_limit]
        ids = folder / "problems.json"
        ids.write_text(json.dumps([one.id for one in problems]), encoding="utf-8")
        section: dict[str, Any] = {
            "use": "pipeline.training.policy.held_out:HeldOutProblems",
            "runs": [str(one.absolute() if is_local(one) else one) for one in folders if is_run(one)],
            "ids": str(ids.absolute()),
        }
    else:
        section = _given_section(settings, stored)
        problems = _given_problems({**base, "problems": section}, folder, overrides)
        check_apart([(one.id, one.prompt) for one in problems], found, str(settings.eval_problems))
    if not problems:
        return None
    return Measuring(
        folder=folder,
        config={**base, "problems": section},
        overrides=overrides,
        problem_ids=tuple(one.id for one in problems),
        run=run,
    )


def _stored_config(folders: Sequence[Path]) -> dict[str, Any]:
    """The config that all runs among the folders share where it matters. Raises TrainError."""
    configs = [
        (folder, config_with_sandbox(RunFolder.read(folder).run))
        for folder in folders
        if is_run(folder)
    ]
    if not configs:
        raise TrainError(
            "eval_rollouts: expected a run folder in --data, whose config says how to measure, got "
            "exported folders alone; name the run, or set eval_rollouts=0"
        )
    (first, config), *others = configs
    for folder, other in others:
        for name in ("prompt", "verifier"):
            if other.get(name) != config.get(name):
                raise TrainError(
                    f"eval_rollouts: expected runs with the same `{name}` section to measure with, got "
                    f"different ones in {first} and {folder}; set eval_rollouts=0"
                )
    return config


def _engine_of(stored: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The engine's section. Raises TrainError for an engine that loads no model."""
    engine = dict(stored["engine"])
    if "model" not in engine:
        raise TrainError(
            f"eval_rollouts: expected a run whose engine loads a model, got engine.use={engine['use']} "
            f"in {folder}; set eval_rollouts=0"
        )
    return engine


def _apart(problems: Sequence[Problem], found: Split[Any]) -> list[Problem]:
    """The problems with a known answer whose text no training problem has."""
    texts = {plain(text) for text in found.train_problems.values()}
    return [
        one
        for one in problems
        if plain(one.prompt) not in texts and ((one.target.value or "").strip() or one.target.tests)
    ]


def _given_section(settings: PolicySettings, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The section of `eval_problems`; a file has the columns of the run's file, if that is one."""
    given = settings.eval_problems
    if isinstance(given, dict):
        return {"limit": settings.eval_limit, **given}
    columns = stored["problems"] if stored["problems"]["use"] == "file" else {"use": "file"}
    # Nothing is measured on variants, which the run trains on.
    columns = {key: value for key, value in columns.items() if key != "variants"}
    return {**columns, "path": str(Path(str(given)).absolute()), "limit": settings.eval_limit}


def _given_problems(config: Mapping[str, Any], folder: Path, overrides: Sequence[str]) -> list[Problem]:
    """The problems of `eval_problems`. Raises ProblemError and ConfigError."""
    path = folder / "problems.yaml"
    path.write_text(yaml.safe_dump({**config, "output": str(folder / "unused")}), encoding="utf-8")
    read: RunConfig = load_config(path, overrides)
    template = Template(read.prompt.template)
    source = open_source(read.problems, read.seed, template)
    limit = source.config.limit
    return list(islice(Intake(source, template), limit))


def berry_run(config: Path, overrides: Sequence[str], log: Path) -> None:
    """Runs `berry run`, or resumes it. Raises RunFailure if it does not end with a complete run."""
    run_apart(
        config,
        overrides,
        log,
        what="the measurement",
        advice="checkpoints stay: repeat the command, or use another --output with eval_rollouts=0",
    )


def run_apart(config: Path, overrides: Sequence[str], log: Path, *, what: str, advice: str) -> None:
    """Runs `berry run` in a process of its own, or resumes it, as a part of something else.

    Raises RunFailure if it does not end with a complete run; the message says `what` failed, and the
    `advice`.
    """
    with log.open("ab") as file:
        status = wait_for_child(start_child(["run", str(config), *overrides], file))
    # 1: it ended, and some of its problems failed; they are left out and counted.
    if status not in (0, 1):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RunFailure(
            f"{what} by `berry run {config}` failed: {lines[-1] if lines else 'no message'} "
            f"(all of it in {log}); {advice}"
        )


def read_measurement(run: Path, step: int, seconds: float) -> Measurement:
    """pass@k of a complete run of whole rollouts. Raises RunFailure if it has no known outcome."""
    folder = RunFolder.read(run)
    design = design_of(folder)
    found, num_left_out = list[Samples](), 0
    for trace in RunReader(folder).traces():
        leaves = design.samples(trace.tree) or ()
        outcomes = [sample_outcome(trace.tree, leaf) for leaf in leaves]
        known = [right for right in outcomes if right is not None]
        if not known:
            num_left_out += 1
            continue
        samples = tuple(Sample(right=right, answer=None) for right in known)
        found.append(
            Samples(
                problem_id=trace.problem.id,
                known=samples,
                num_unknown=len(outcomes) - len(known),
            )
        )
    if not found or not (ns := sizes(found)):
        raise RunFailure(f"{run}: expected problems with a known outcome to measure with, got none")
    return Measurement(
        step=step,
        accuracies=tuple(
            Accuracy(
                k=point.n,
                value=point.accuracy,
                low=None if point.interval is None else point.interval[0],
                high=None if point.interval is None else point.interval[1],
            )
            for point in accuracy_curves(found, ["pass@k"], ns, seed=0)
            if point.accuracy is not None
        ),
        per_problem={
            one.problem_id: sum(sample.right for sample in one.known) / len(one.known) for one in found
        },
        num_left_out=num_left_out,
        seconds=seconds,
    )
