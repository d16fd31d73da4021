"""`berry train`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import run_path
from pipeline.extras import require

if TYPE_CHECKING:
    from reward_models.training.records import Kind


@click.group()
def train() -> None:
    """Train a reward model on step labels."""


def _train_command(kind: "Kind", what: str) -> None:
    @train.command(name=kind, help=what)
    @click.option(
        "--data",
        "data",
        multiple=True,
        required=True,
        type=run_path,
        metavar="OUT...",
        help="Run folders, or folders written by `berry export --as steps`.",
    )
    @click.option(
        "--base", required=True, metavar="MODEL", help="A model folder, a bundled name or a Hub id."
    )
    @click.option(
        "--output",
        required=True,
        type=click.Path(path_type=Path),
        help="The folder for the trained model.",
    )
    @click.argument("rest", nargs=-1, metavar="[OUT]... [KEY=VALUE]...")
    def command(data: tuple[Path, ...], base: str, output: Path, rest: tuple[str, ...]) -> None:
        require("torch", "transformers", "accelerate", command="train")
        from pipeline.cli.terminal import Bar
        from pipeline.training.report import describe
        from pipeline.training.train import AlreadyTrained, train_reward_model

        folders = [*data, *(run_path(one) for one in rest if "=" not in one)]
        options = [one for one in rest if "=" in one]
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
