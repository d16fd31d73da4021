"""Reads the command line of `berry eval`, and describes its result."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pipeline.config import check_section
from pipeline.dispatch.scoring import REWARD_MODEL, REWARD_MODELS, read_reward_model
from pipeline.evaluation.curves import METHODS
from pipeline.evaluation.errors import EvaluationError
from pipeline.evaluation.evaluate import Asked, Evaluation
from pipeline.evaluation.on_labels import SCORES, AskedOnLabels, OnLabelsEvaluation
from pipeline.evaluation.samples import Against
from reward_models.aggregate import Aggregate
from verifiers.plugins import Part


def read_asked(
    methods: str,
    *,
    prm: str | None,
    orm: str | None,
    ns: str | None,
    seed: int,
    aggregate: Aggregate,
    against: Against | None,
    threshold: float,
    options: Sequence[str],
) -> Asked:
    """Reads the options for a run. Raises EvaluationError, and ConfigError for options of models."""
    named = [name.strip() for name in methods.split(",") if name.strip()]
    for name in named:
        if name not in METHODS:
            near = get_close_matches(name, METHODS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise EvaluationError(f"--with {name}: expected one or more of {', '.join(METHODS)}{hint}")
    if not named:
        raise EvaluationError(f"--with: expected one or more of {', '.join(METHODS)}, got none")
    for name, model in (("prm", prm), ("orm", orm)):
        if model is not None and name not in named:
            raise EvaluationError(f"--{name} {model}: expected {name} in --with, got {methods}")
    if options and prm is None and orm is None:
        raise EvaluationError(
            f"{options[0]}: expected --prm or --orm with it, because it sets a model's option"
        )
    return Asked(
        methods=named,
        prm=read_model("prm", prm, options),
        orm=read_model("orm", orm, options),
        ns=None if ns is None else _read_numbers(ns),
        seed=seed,
        aggregate=aggregate,
        against=against,
        threshold=threshold,
    )


def read_asked_on_labels(
    files: Sequence[Path],
    *,
    prm: str | None,
    scores: str | None,
    seed: int,
    aggregate: Aggregate,
    threshold: float,
    options: Sequence[str],
) -> AskedOnLabels:
    """Reads the options for --on. Raises EvaluationError, and ConfigError for the model's options."""
    if prm is not None and scores is not None:
        raise EvaluationError(f"--scores {scores}: expected either it or --prm {prm}, got both")
    if options and prm is None:
        raise EvaluationError(f"{options[0]}: expected --prm with it, because it sets a model's option")
    return AskedOnLabels(
        files=files,
        prm=read_model("prm", prm, options),
        scores=scores or SCORES,
        threshold=threshold,
        aggregate=aggregate,
        seed=seed,
    )


def describe_on_labels(found: OnLabelsEvaluation, files: Sequence[Path]) -> str:
    """Lines about excluded responses, warnings and the written files."""
    lines = [f"left out   {found.num_unscored} responses without a score"] * bool(found.num_unscored)
    lines += [f"warning    {warning}" for warning in found.warnings]
    lines += [f"written    {', '.join(map(str, files))}"] * bool(files)
    return "\n".join(["", *lines] if lines else [])


def describe(found: Evaluation) -> str:
    """Lines about excluded problems, warnings and the written files."""
    lines = [f"left out   {number} {what}" for what, number in found.left_out.items()]
    lines += [f"warning    {warning}" for warning in found.warnings]
    lines.append(f"written    {', '.join(map(str, found.files))}")
    return "\n".join(["", *lines])


def read_model(kind: str, model: str | None, options: Sequence[str]) -> Part | None:
    """The model of `--prm` or `--orm`: a folder, a Hub id, or the name of a class.

    `prm` and `orm` are read as folders, because these are common folder names. Raises EvaluationError
    and ConfigError.
    """
    if model is None:
        return None
    if ":" in model or model in REWARD_MODELS.keys() - {"prm", "orm"}:
        part = check_section(REWARD_MODEL, model, options)
    else:
        part = check_section(REWARD_MODEL, kind, [f"model={model}", *options])
    traits = read_reward_model(part)
    if traits.reads_engine is not None:
        raise EvaluationError(
            f"--{kind} {model}: expected a model that needs no engine, such as critic with the "
            "address of a server, because an evaluation has none"
        )
    if traits.scores_outcomes is not (kind == "orm"):
        got = "an outcome" if traits.scores_outcomes else "a process"
        raise EvaluationError(f"--{kind} {model}: got {got} reward model; use the other option for it")
    return part


def _read_numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(one) for one in text.split(",")})
    except ValueError as e:
        raise EvaluationError(f"--n {text}: expected whole numbers, such as 1,4,16") from e
    if numbers[0] < 1:
        raise EvaluationError(f"--n {text}: expected numbers of 1 or more, got {numbers[0]}")
    # Everything else is compared with pass@1.
    return sorted({1, *numbers})
