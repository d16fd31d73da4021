"""`berry eval`: evaluates a run, or step scores against labels written by people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pipeline.cli.options import at_least, fraction, print_json, run_path
from pipeline.errors import UserMistake
from pipeline.extras import require

if TYPE_CHECKING:
    from pipeline.evaluation.evaluate import Asked
    from pipeline.evaluation.samples import Against
    from reward_models.aggregate import Aggregate

_OF_LABELS = {"scores": "--scores"}
_OF_RUNS = {"methods": "--with", "orm": "--orm", "ns": "--n", "against": "--against"}
"""Parameter -> its option, for options that only one of the two evaluations reads."""


class _Label(click.Choice[str]):
    """A label source under its current or its old name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "right":
            from pipeline.config.renamed import warn

            warn("--against right", "--against p_correct")
            value = "p_correct"
        return super().convert(value, param, ctx)


@click.command(name="eval")
@click.argument("out", required=False)
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--on",
    "labelled",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Evaluate step scores on responses with a labelled first error instead of a run; repeatable.",
)
@click.option(
    "--scores", metavar="COLUMN", help="With --on: the column with step scores.  [default: scores]"
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object; with --on, a line of JSON for each set.",
)
@click.option(
    "--with",
    "methods",
    default="pass@k,majority,oracle",
    show_default=True,
    metavar="LIST",
    help="A comma-separated list of pass@k, majority, orm, prm and oracle.",
)
@click.option(
    "--prm", metavar="MODEL", help="A process reward model to use instead of the run's scores."
)
@click.option(
    "--orm", metavar="MODEL", help="An outcome reward model to use instead of the run's scores."
)
@click.option(
    "--n", "ns", metavar="LIST", help="Sample counts, such as 1,8,64.  [default: powers of two]"
)
@click.option(
    "--seed", default=0, show_default=True, type=at_least(0), help="Seed of the samples that vote."
)
@click.option(
    "--aggregate",
    default="min",
    show_default=True,
    type=click.Choice(["last", "min", "product", "mean"]),
    help="How a response's score follows from its step scores.",
)
@click.option(
    "--against",
    type=_Label(["p_correct", "soft", "hard"]),
    help="The label to compare step scores with.  [default: the label the model was trained on]",
)
@click.option(
    "--threshold",
    default=0.5,
    show_default=True,
    type=fraction,
    metavar="NUMBER",
    help="A step with a lower score counts as wrong.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="A folder for the figures.  [default: OUT/eval]"
)
def evaluate(
    out: str | None,
    options: tuple[str, ...],
    labelled: tuple[Path, ...],
    scores: str | None,
    as_json: bool,
    methods: str,
    prm: str | None,
    orm: str | None,
    ns: str | None,
    seed: int,
    aggregate: "Aggregate",
    against: "Against | None",
    threshold: float,
    output: Path | None,
) -> None:
    """Evaluate the run in folder OUT, or step scores with --on.

    Without --on: the accuracy of answers selected from N samples.

    MODEL is a folder, a Hub id, a name such as critic, or my_module:MyModel. KEY=VALUE sets an option
    of the models, for example backend=vllm. Problems that a model was trained on are excluded.

    With --on FILE instead of OUT: evaluate how well step scores find the first wrong step, by the
    rules of ProcessBench. The scores come from --prm MODEL or from a column of the file.
    """
    _refuse_options_of_the_other(on_labels=bool(labelled))
    if labelled:
        if out is not None and "=" not in out:
            raise UserMistake(f"OUT: expected none with --on FILE, got {out}")
        _evaluate_on_labels(
            labelled,
            # Without OUT, click parses the first KEY=VALUE as OUT.
            options=(*([out] if out else []), *options),
            prm=prm,
            scores=scores,
            seed=seed,
            aggregate=aggregate,
            threshold=threshold,
            output=output,
            as_json=as_json,
        )
        return
    if out is None:
        raise UserMistake("OUT: expected a run folder or --on FILE, got neither")
    require("sklearn", "matplotlib", command="eval")
    from pipeline.evaluation.command import read_asked

    asked = read_asked(
        methods,
        prm=prm,
        orm=orm,
        ns=ns,
        seed=seed,
        aggregate=aggregate,
        against=against,
        threshold=threshold,
        options=options,
    )
    _evaluate_run(run_path(out), output, asked, as_json=as_json)


def _evaluate_run(out: Path, output: Path | None, asked: "Asked", *, as_json: bool) -> None:
    from pipeline.cli.terminal import counter
    from pipeline.evaluation.command import describe
    from pipeline.evaluation.evaluate import evaluate as evaluate_run
    from pipeline.evaluation.outputs import console, figure_rows, tables
    from pipeline.files.storage import is_local

    if output is None and not is_local(out):
        raise UserMistake(f"--output: expected a local folder for the figures of {out}, got none")
    with counter("problems read") as advance:
        found = evaluate_run(out, output or out / "eval", asked, advance)
    if as_json:
        print_json(
            {
                "figures": figure_rows(found.figures),
                "left_out": found.left_out,
                "warnings": found.warnings,
                "files": list(map(str, found.files)),
            }
        )
        return
    console().print(tables(found.figures))
    click.echo(describe(found))


def _refuse_options_of_the_other(*, on_labels: bool) -> None:
    """Raises UserMistake for an option that this evaluation would ignore."""
    context = click.get_current_context()
    for name, option in (_OF_RUNS if on_labels else _OF_LABELS).items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            reason = "cannot be used with --on FILE" if on_labels else "needs --on FILE"
            raise UserMistake(f"{option}: {reason}")


def _evaluate_on_labels(
    files: Sequence[Path], *, output: Path | None, as_json: bool, **asked: Any
) -> None:
    from pipeline.cli.terminal import counter
    from pipeline.evaluation.command import describe_on_labels, read_asked_on_labels
    from pipeline.evaluation.labels_outputs import label_rows, label_tables, write_label_figures
    from pipeline.evaluation.on_labels import evaluate_on_labels
    from pipeline.evaluation.outputs import console
    from pipeline.files.publishing import REPEAT, explained

    with counter("responses scored") as advance:
        found = evaluate_on_labels(read_asked_on_labels(files, **asked), advance)
    written: Sequence[Path] = ()
    if output is not None:
        with explained(output, cure=REPEAT):
            written = write_label_figures(found.figures, output)
    if as_json:
        click.echo("\n".join(json.dumps(row) for row in label_rows(found.figures)))
    else:
        console().print(label_tables(found.figures))
    if text := describe_on_labels(found, written):
        click.echo(text, err=as_json)
