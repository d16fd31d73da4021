"""What `berry eval` is asked on the command line, and what it tells in the end."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pipeline.config import check_section
from pipeline.evaluation.curves import METHODS
from pipeline.evaluation.errors import EvaluationError
from pipeline.evaluation.evaluate import Asked, Evaluation
from pipeline.evaluation.on_labels import SCORES, AskedOnLabels, OnLabelsEvaluation
from pipeline.evaluation.samples import Against
from pipeline.scoring import REWARD_MODEL, REWARD_MODELS, scores_outcomes
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
    """Raises EvaluationError, and ConfigError for models' options."""
    named = [name.strip() for name in methods.split(",") if name.strip()]
    for name in named:
        if name not in METHODS:
            near = get_close_matches(name, METHODS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise EvaluationError(f"--with {name}: expected some of {', '.join(METHODS)}{hint}")
    if not named:
        raise EvaluationError(f"--with: expected some of {', '.join(METHODS)}, got none")
    for name, model in (("prm", prm), ("orm", orm)):
        if model is not None and name not in named:
            raise EvaluationError(f"--{name} {model}: expected {name} among --with, got {methods}")
    if options and prm is None and orm is None:
        raise EvaluationError(f"{options[0]}: expected --prm or --orm beside it, whose option it sets")
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
    """Raises EvaluationError, and ConfigError for the model's options."""
    if prm is not None and scores is not None:
        raise EvaluationError(f"--scores {scores}: expected it or --prm {prm}, got both")
    if options and prm is None:
        raise EvaluationError(f"{options[0]}: expected --prm beside it, whose option it sets")
    return AskedOnLabels(
        files=files,
        prm=read_model("prm", prm, options),
        scores=scores or SCORES,
        threshold=threshold,
        aggregate=aggregate,
        seed=seed,
    )


def describe_on_labels(found: OnLabelsEvaluation, files: Sequence[Path]) -> str:
    """What was left out, what went wrong, and where the figures are."""
    lines = [f"left out   {found.num_unscored} responses without a score"] * bool(found.num_unscored)
    lines += [f"warning    {warning}" for warning in found.warnings]
    lines += [f"written    {', '.join(map(str, files))}"] * bool(files)
    return "\n".join(["", *lines] if lines else [])


def describe(found: Evaluation) -> str:
    """What was left out, what went wrong, and where the figures are."""
    lines = [f"left out   {number} {what}" for what, number in found.left_out.items()]
    lines += [f"warning    {warning}" for warning in found.warnings]
    lines.append(f"written    {', '.join(map(str, found.files))}")
    return "\n".join(["", *lines])


def read_model(kind: str, model: str | None, options: Sequence[str]) -> Part | None:
    """The model of `--prm` or `--orm`: a folder, a Hub id, or the name of a class.

    `prm` and `orm` are taken for folders, since users like to call theirs so. Raises
    EvaluationError and ConfigError.
    """
    if model is None:
        return None
    if ":" in model or model in REWARD_MODELS.keys() - {"prm", "orm"}:
        part = check_section(REWARD_MODEL, model, options)
    else:
        part = check_section(REWARD_MODEL, kind, [f"model={model}", *options])
    if getattr(part.cls, "reads_engine", None) is not None:
        raise EvaluationError(
            f"--{kind} {model}: it asks a run's own engine, and an evaluation has none; expected "
            "another model, such as critic with the address of a server"
        )
    if scores_outcomes(part) is not (kind == "orm"):
        got = "an outcome" if scores_outcomes(part) else "a process"
        raise EvaluationError(f"--{kind} {model}: got {got} reward model; name it by the other option")
    return part


def _read_numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(one) for one in text.split(",")})
    except ValueError as e:
        raise EvaluationError(f"--n {text}: expected whole numbers, such as 1,4,16") from e
    if numbers[0] < 1:
        raise EvaluationError(f"--n {text}: expected numbers of 1 or more, got {numbers[0]}")
    # pass@1 is what all else is compared with.
    return sorted({1, *numbers})
