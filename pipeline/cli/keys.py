"""`berry keys`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import json_option, print_json

if TYPE_CHECKING:
    from pydantic import BaseModel


def option_models() -> Mapping[str, type["BaseModel"]]:
    """The commands that take KEY=VALUE options of their own, with these options."""
    from pipeline.derive.varying.settings import VarySettings
    from pipeline.loop.config import LoopConfig
    from pipeline.loop.stages.gate import Gate
    from pipeline.loop.stages.kinds import StageSettings
    from pipeline.loop.stages.policy import PolicyStage
    from pipeline.loop.stages.reward_model import RewardModelStage
    from pipeline.training.policy.settings import PolicySettings
    from reward_models.training.settings import TrainSettings

    return {
        "train": TrainSettings,
        "train policy": PolicySettings,
        "vary": VarySettings,
        "loop": LoopConfig,
        "loop, stages": StageSettings,
        "loop, stages prm": RewardModelStage,
        "loop, stages orm": RewardModelStage,
        "loop, stages policy": PolicyStage,
        "loop, stages gate": Gate.Config,
    }


@click.command()
@json_option
def keys(as_json: bool) -> None:
    """Print every key of a config with its values, default and meaning."""
    from pipeline.config.reference import every_key, render_reference

    if as_json:
        print_json({"keys": list(map(asdict, every_key(option_models())))})
        return
    click.echo(render_reference(option_models()), nl=False)
