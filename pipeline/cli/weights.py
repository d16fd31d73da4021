"""`berry weights`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import json_option, print_json
from pipeline.errors import PartlyDone, UserMistake

if TYPE_CHECKING:
    from pipeline.cluster.weights import Answer


@click.command()
@click.argument("out")
@click.option("--engine", metavar="MODEL", help="The generator's new weights: a folder or a Hub name.")
@click.option(
    "--reward-model",
    "reward_models",
    multiple=True,
    metavar="INDEX=FOLDER",
    help="New weights of one of the config's reward_models; 0 is the first.",
)
@json_option
def weights(out: str, engine: str | None, reward_models: tuple[str, ...], as_json: bool) -> None:
    """Change the weights of the run that is writing to folder OUT, while it runs.

    The workers take over the new weights one after the other. Every node in `trees` says which ones
    sampled it. Exit status 1 means that a worker could not and keeps its old weights, 2 that the
    weights do not fit and nothing was changed.
    """
    from pipeline.cluster.weights import request_weights
    from pipeline.files.storage import place

    answer = request_weights(
        place(out), engine=engine, reward_models=dict(map(_index_and_folder, reward_models))
    )
    if as_json:
        print_json(asdict(answer))
    if answer.is_mistake:
        raise UserMistake(answer.refused[0])
    for line in _lines(answer) if not as_json else ():
        click.echo(line)
    if answer.refused:
        raise PartlyDone(f"{len(answer.refused)} actors keep their old weights")
    if not answer.changed:
        raise PartlyDone("no worker is ready; nothing was changed")


def _lines(answer: "Answer") -> Iterator[str]:
    for name in answer.changed:
        yield f"{name}: has the new weights"
    for line in answer.refused:
        yield f"{line}; it keeps its old weights"


def _index_and_folder(text: str) -> tuple[int, str]:
    index, found, folder = text.partition("=")
    if not index.isdecimal() or not found or not folder:
        raise UserMistake(f"--reward-model: expected INDEX=FOLDER, such as 0=models/prm, got {text}")
    return int(index), folder
