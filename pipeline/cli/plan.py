"""`berry plan`."""

import asyncio
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import json_option, print_json
from pipeline.errors import PartlyDone

_RUN = click.Path(path_type=Path)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--hardware",
    multiple=True,
    default=("h100",),
    show_default=True,
    help="Accelerators for one copy of the model, such as h100x8, or a YAML file; repeatable.",
)
@click.option("--model", help="A public model's name or a folder, instead of engine.model.")
@click.option("--problems", type=int, help="Number of problems.  [default: problems.limit or 1000]")
@click.option("--prompt-tokens", type=int, help="Mean length of a prompt.")
@click.option("--response-tokens", type=int, help="Mean length of a whole response.")
@click.option("--pass-rate", type=float, help="Fraction of whole responses that are right.")
@click.option("--verdict-seconds", type=float, help="Processor time of a verdict.")
@click.option("--tokens-per-second", type=float, default=0.0, help="Wanted for each sequence.")
@click.option("--weights", help="Type of the weights, such as float8.  [default: the model's]")
@click.option("--cache", default="bfloat16", show_default=True, help="Type of the key-value cache.")
@click.option("--like", type=_RUN, help="An earlier run, for lengths, pass rate and verdicts' times.")
@click.option(
    "--calibrate",
    type=_RUN,
    help="An earlier run of the same model on the first hardware, for what engines reach of it.",
)
@json_option
def plan(
    config: Path, overrides: tuple[str, ...], hardware: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Estimate what a run of CONFIG needs and costs, without starting it.

    The search is simulated for the expected lengths and pass rate, and put through a roofline model of
    the hardware. Nothing is loaded.
    """
    from pipeline.config import load_config
    from pipeline.planning.asked import asked
    from pipeline.planning.plan import facts
    from pipeline.planning.plan import plan as make_plan
    from pipeline.planning.report import describe

    loaded = load_config(config, overrides)
    wanted = asked(loaded, hardware, given)
    found = asyncio.run(
        make_plan(
            loaded,
            wanted.model,
            wanted.serving,
            wanted.expected,
            wanted.hardware,
            wanted.reached,
        )
    )
    if as_json:
        print_json(facts(found))
    else:
        click.echo(describe(found))
    if all(one.refused for one in found.places):
        raise PartlyDone("the run fits on none of this hardware")
