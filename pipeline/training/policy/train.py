"""Trains the generator: a base model and a run's data in, a model's folder out.

    1. read the rows as token ids, and split them by problem
    2. check base, rows and the problems of measurements, before any hour is spent
    3. measure the base
    4. train in stretches from one measurement to the next, and to the end
    5. write the model, and measure it

The same command again goes on where the last one ended. What a folder has is in `training.json`; until
it has a result, the model in it is not complete.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import read_settings
from pipeline.datasets.versions import version
from pipeline.engines.models import ModelError, locate
from pipeline.hashing import digest_text
from pipeline.training.errors import AlreadyTrained, TrainError, output_explained
from pipeline.training.policy.checkpoints import log_of
from pipeline.training.policy.checks import check_examples, check_tokenizer
from pipeline.training.policy.evaluate import Measuring, Run, berry_run, prepare
from pipeline.training.policy.examples import Split, read_split
from pipeline.training.policy.fit import Training, num_processes, train_until
from pipeline.training.policy.folder import base_folder, write_model
from pipeline.training.policy.manifest import Manifest, Request, Result, claim
from pipeline.training.policy.sampling import temperature_of
from pipeline.training.policy.settings import PolicySettings
from reward_models.errors import first_line
from reward_models.serving.loading import be_quiet
from reward_models.training import checkpoints
from reward_models.training.records import Advance

_LOGGED = {
    "loss": "loss",
    "eval_loss": "held_out_loss",
    "grad_norm": "gradient_norm",
    "clip_fraction": "clip_fraction",
    "kl": "kl",
}
_PACKAGES = ("berry-pipeline", "torch", "transformers", "trl", "peft", "accelerate")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """A trained policy."""

    output: Path
    manifest: Manifest
    resumed_at: int
    """Optimizer step of the checkpoint that it went on from; 0 without one."""
    is_first: bool
    """Whether this is the first of the processes that trained together, or the only one."""


def train_policy(
    folders: Sequence[Path],
    base: str,
    output: Path,
    options: Sequence[str],
    advance: Callable[[Advance], None],
    run: Run = berry_run,
    tell: Callable[[str], None] = lambda line: None,
) -> PolicyResult:
    """Trains into the folder `output`, and calls `advance` after each step; `run` makes the runs of
    measurements, and `tell` gets a line before each.

    Raises AlreadyTrained, TrainError, RunFailure, FolderError and ConfigError.
    """
    settings = read_settings(PolicySettings, options)
    if settings.method == "ppo" and settings.temperature is None:
        settings = settings.model_copy(update={"temperature": temperature_of(folders)})
    if settings.eval_every and num_processes() > 1:
        raise TrainError("eval_every: expected one process, which frees its GPU for the engine")
    try:
        located = locate(base)
    except ModelError as e:
        raise TrainError(f"--base {base}: {str(e).removeprefix('engine.model: ')}") from e
    be_quiet()
    tokenizer, found = _read(folders, base, located, settings)
    with output_explained(output):
        manifest = claim(output, _request(folders, base, found, settings))
        measuring = prepare(folders, found, output, settings, run)
        training = Training(
            base=located,
            tokenizer=tokenizer,
            found=found,
            settings=settings,
            checkpoints=output / checkpoints.FOLDER,
            advance=advance,
        )
        return _Policy(training, output, manifest, measuring, tell).complete()


def _read(
    folders: Sequence[Path], base: str, located: str, settings: PolicySettings
) -> tuple[Any, Split[Any]]:
    """The base's tokenizer, and the examples, both checked. Raises TrainError and FolderError."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        source = str(base_folder(located))
        config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as e:
        raise TrainError(f"--base {base}: cannot be loaded ({first_line(e)})") from e
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", settings.max_length)
    found = read_split(folders, settings, positions)
    check_examples(found, settings, ", ".join(map(str, folders)))
    check_tokenizer(base, tokenizer, text.vocab_size, found)
    return tokenizer, found


def _request(
    folders: Sequence[Path], base: str, found: Split[Any], settings: PolicySettings
) -> Request:
    return Request(
        base=base,
        data=tuple(map(str, folders)),
        examples=found.digest(),
        settings=settings.model_dump(mode="json"),
        processes=num_processes(),
    )


class _Policy:
    """A training with its folder; each method does what is not done yet."""

    def __init__(
        self,
        training: Training,
        output: Path,
        manifest: Manifest,
        measuring: Measuring | None,
        tell: Callable[[str], None],
    ) -> None:
        self._training, self._output, self._measuring = training, output, measuring
        self._manifest, self._tell = manifest, tell
        self._is_first = True

    def complete(self) -> PolicyResult:
        """Raises AlreadyTrained if nothing is left to do, and as `train_policy`."""
        num_steps = self._training.num_steps
        has_model = self._manifest.result is not None
        if has_model and (self._measuring is None or self._manifest.measured(num_steps)):
            raise AlreadyTrained(f"{self._output} already holds a trained policy; nothing was done")
        if self._measuring is not None:
            self._measuring.check()
        resumed_at = 0
        # With several processes, the others would wait too long for the first to measure.
        if num_processes() == 1:
            self._measure(0, self._training.base)
        if not has_model:
            resumed_at = checkpoints.last_whole(self._training.checkpoints) or 0
            self._train(resumed_at)
        if self._is_first:
            if num_processes() > 1:
                self._measure(0, self._training.base)
            self._measure(num_steps, self._output.absolute())
        return PolicyResult(
            output=self._output,
            manifest=self._manifest,
            resumed_at=resumed_at,
            is_first=self._is_first,
        )

    def _train(self, resumed_at: int) -> None:
        training, every = self._training, self._training.settings.eval_every
        stops = range(every, training.num_steps, every) if every else range(0)
        for step in stops:
            if step >= resumed_at and self._measuring is not None:
                train_until(training, step)
                self._measure_checkpoint(step, self._measuring)
        train_until(training, training.num_steps)
        self._is_first = _is_first()
        if self._is_first:
            self._write()

    def _measure_checkpoint(self, step: int, measuring: Measuring) -> None:
        if self._manifest.measured(step) is not None:
            return
        folder = measuring.model_folder(step)
        self._write_model(step, folder)
        self._measure(step, folder.absolute())
        measuring.forget_model(step)

    def _measure(self, step: int, model: str | Path) -> None:
        if self._measuring is None or self._manifest.measured(step) is not None:
            return
        self._tell(
            f"measuring {f'step {step}' if step else 'the base'}: "
            f"{self._training.settings.eval_rollouts} rollouts for each of "
            f"{len(self._measuring.problem_ids)} problems (log in {self._measuring.log(step)})"
        )
        found = self._measuring.measure(step, model)
        self._change(
            measurements=(*self._manifest.measurements, found),
            evaluated=digest_text("\n".join(self._measuring.problem_ids)),
        )

    def _write(self) -> None:
        """Writes the model, then the result, and deletes the checkpoints."""
        training, found = self._training, self._training.found
        self._write_model(training.num_steps, self._output)
        log = log_of(checkpoints.at(training.checkpoints, training.num_steps))
        self._change(
            result=Result(
                num_examples=len(found.train),
                num_tokens=found.num_tokens,
                num_problems=len(found.train_problems),
                num_held_out_examples=len(found.held_out),
                num_too_long=found.num_too_long,
                num_empty=found.num_empty,
                num_steps=training.num_steps,
                train_problems=tuple(sorted(found.train_problems)),
                log=tuple(filter(None, map(_figures, log))),
                versions={name: version(name) for name in _PACKAGES},
            )
        )
        shutil.rmtree(training.checkpoints, ignore_errors=True)

    def _write_model(self, step: int, folder: Path) -> None:
        training = self._training
        write_model(
            training.base,
            checkpoints.at(training.checkpoints, step),
            folder,
            is_lora=training.settings.lora_rank is not None,
        )

    def _change(self, **values: Any) -> None:
        self._manifest = self._manifest.model_copy(update=values)
        self._manifest.write(self._output)


def _is_first() -> bool:
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def _figures(entry: dict[str, Any]) -> dict[str, float] | None:
    """The figures of an entry of the trainer's log that say how it went; None if there is none."""
    found = {name: float(entry[key]) for key, name in _LOGGED.items() if key in entry}
    return {"step": entry["step"], **found} if found else None
