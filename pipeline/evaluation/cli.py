"""`berry eval`: a run's answers and scores, or scores of responses that people have labelled."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pipeline.cli_options import at_least, share
from pipeline.errors import UserMistake

if TYPE_CHECKING:
    from pipeline.evaluation.samples import Against
    from reward_models.aggregate import Aggregate

_OF_LABELS = {"scores": "--scores", "as_json": "--json"}
_OF_RUNS = {"methods": "--with", "orm": "--orm", "ns": "--n", "against": "--against"}
"""Parameter -> option that only one of the two evaluations reads."""


@click.command(name="eval")
@click.argument("out", required=False)
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--on",
    "labelled",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Responses whose first wrong step people have labelled, in place of a run; several times.",
)
@click.option(
    "--scores", metavar="COLUMN", help="With --on: published scores of steps; `scores` if not given."
)
@click.option("--json", "as_json", is_flag=True, help="With --on: print the figures as JSON lines.")
@click.option(
    "--with",
    "methods",
    default="pass@k,majority,oracle",
    show_default=True,
    metavar="LIST",
    help="Some of pass@k, majority, orm, prm, oracle.",
)
@click.option("--prm", metavar="MODEL", help="A process reward model, in place of the run's scores.")
@click.option("--orm", metavar="MODEL", help="An outcome reward model, in place of the run's scores.")
@click.option("--n", "ns", metavar="LIST", help="Numbers of samples; powers of two if not given.")
@click.option("--seed", default=0, show_default=True, type=at_least(0), help="Of votes' draws.")
@click.option(
    "--aggregate",
    default="min",
    show_default=True,
    type=click.Choice(["last", "min", "product", "mean"]),
    help="How a process reward model's scores of steps become one of the response.",
)
@click.option(
    "--against",
    type=click.Choice(["right", "soft", "hard"]),
    help="The label that scores of steps are compared with; what the model has learnt, if known.",
)
@click.option(
    "--threshold",
    default=0.5,
    show_default=True,
    type=share,
    metavar="NUMBER",
    help="Score under which a step is taken to be wrong.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="A folder for the figures; OUT/eval if not given."
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
    """Evaluate the run in folder OUT: accuracy of answers chosen from N samples.

    MODEL is a folder, a Hub id, a name such as critic, or my_module:MyModel. KEY=VALUE sets an option
    of the models, for example backend=vllm. Problems that a model was trained on are left out.

    With --on, which takes no OUT: how well scores of steps find the first wrong one, as ProcessBench
    counts it, of --prm MODEL or of a column of the file.
    """
    _refuse_options_of_the_other(on_labels=bool(labelled))
    if labelled:
        if out is not None and "=" not in out:
            raise UserMistake(f"OUT: expected none beside --on FILE, got {out}")
        _evaluate_on_labels(
            labelled,
            # Without OUT the first KEY=VALUE stands in its place.
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
        raise UserMistake("OUT: expected a run folder, or labelled responses by --on FILE, got none")
    from pipeline.evaluation.command import describe, read_asked
    from pipeline.evaluation.evaluate import evaluate as evaluate_run
    from pipeline.evaluation.outputs import console, tables
    from pipeline.progress import counter

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
    with counter("problems read") as advance:
        found = evaluate_run(Path(out), output or Path(out) / "eval", asked, advance)
    console().print(tables(found.figures))
    click.echo(describe(found))


def _refuse_options_of_the_other(*, on_labels: bool) -> None:
    """Raises UserMistake for an option that this evaluation would leave unread."""
    context = click.get_current_context()
    for name, option in (_OF_RUNS if on_labels else _OF_LABELS).items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            told = "is of a run, not of --on FILE" if on_labels else "goes with --on FILE alone"
            raise UserMistake(f"{option}: {told}")


def _evaluate_on_labels(
    files: Sequence[Path], *, output: Path | None, as_json: bool, **asked: Any
) -> None:
    from pipeline.datasets.files import explained
    from pipeline.evaluation.command import describe_on_labels, read_asked_on_labels
    from pipeline.evaluation.labels_outputs import label_rows, label_tables, write_label_figures
    from pipeline.evaluation.on_labels import evaluate_on_labels
    from pipeline.evaluation.outputs import console
    from pipeline.progress import counter

    with counter("responses scored") as advance:
        found = evaluate_on_labels(read_asked_on_labels(files, **asked), advance)
    written: Sequence[Path] = ()
    if output is not None:
        with explained(output):
            written = write_label_figures(found.figures, output)
    if as_json:
        click.echo("\n".join(json.dumps(row) for row in label_rows(found.figures)))
    else:
        console().print(label_tables(found.figures))
    if told := describe_on_labels(found, written):
        click.echo(told, err=as_json)
