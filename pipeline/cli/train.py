"""`berry train`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import json_option, print_json, run_path
from pipeline.extras import require

if TYPE_CHECKING:
    from reward_models.training.records import Kind


@click.group()
def train() -> None:
    """Train a reward model or the generator on a run's output."""


def _options(views: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of every training."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.argument("rest", nargs=-1, metavar="[OUT]... [KEY=VALUE]..."),
            click.option(
                "--output",
                required=True,
                type=click.Path(path_type=Path),
                help="The folder for the trained model.",
            ),
            click.option(
                "--base",
                required=True,
                metavar="MODEL",
                help="A model folder, a bundled name or a Hub id.",
            ),
            click.option(
                "--data",
                "data",
                multiple=True,
                required=True,
                type=run_path,
                metavar="OUT...",
                help=f"Run folders, or folders written by `berry export --as VIEW`: {views}.",
            ),
        ):
            function = option(function)
        return function

    return add


def _split(data: tuple[Path, ...], rest: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """The folders and the KEY=VALUE among all arguments."""
    folders = [*data, *(run_path(one) for one in rest if "=" not in one)]
    return folders, [one for one in rest if "=" in one]


def _train_command(kind: "Kind", what: str) -> None:
    @train.command(name=kind, help=what)
    @_options("steps")
    def command(data: tuple[Path, ...], base: str, output: Path, rest: tuple[str, ...]) -> None:
        require("torch", "transformers", "accelerate", command="train")
        from pipeline.cli.terminal import Bar
        from pipeline.training.errors import AlreadyTrained
        from pipeline.training.report import describe
        from pipeline.training.train import train_reward_model

        folders, options = _split(data, rest)
        try:
            with Bar("training") as bar:
                result = train_reward_model(kind, folders, base, output, options, bar.advance)
        except AlreadyTrained as e:
            click.echo(e)
            return
        # When several processes train together, only the first reports.
        if result.trained.is_first:
            click.echo(describe(result, bar.seconds))


_train_command(
    "prm",
    "Train a process reward model, which scores the end of each step.\n\nKEY=VALUE sets an option, for "
    "example labels=hard or freeze_layers=20. Repeat the command to resume from the last checkpoint.",
)
_train_command(
    "orm",
    "Train an outcome reward model, which scores complete responses.\n\nKEY=VALUE sets an option, for "
    "example epochs=1 or lora_rank=16. Repeat the command to resume from the last checkpoint.",
)


@train.command()
@_options("traces for sft, preferences for dpo, outcomes for kto, packed for ppo")
@json_option
def policy(
    data: tuple[Path, ...], base: str, output: Path, rest: tuple[str, ...], as_json: bool
) -> None:
    """Train the generator on survivors, pairs or outcomes of runs.

    KEY=VALUE sets an option, for example method=dpo, lora_rank=16 or eval_rollouts=0. Repeat the
    command to resume from the last checkpoint.
    """
    require("torch", "transformers", "accelerate", "trl", command="train")
    from pipeline.cli.terminal import Bar
    from pipeline.training.errors import AlreadyTrained
    from pipeline.training.policy.report import describe, facts
    from pipeline.training.policy.train import train_policy

    folders, options = _split(data, rest)
    try:
        with Bar("training") as bar:
            result = train_policy(folders, base, output, options, bar.advance, tell=bar.message)
    except AlreadyTrained as e:
        click.echo(e, err=as_json)
        return
    # When several processes train together, only the first reports.
    if not result.is_first:
        return
    if as_json:
        print_json(facts(result, bar.seconds))
    else:
        click.echo(describe(result, bar.seconds))
