"""`berry keys`."""

from dataclasses import asdict

import click

from pipeline.cli.options import json_option, print_json


@click.command()
@json_option
def keys(as_json: bool) -> None:
    """Print every key of a config with its values, default and meaning."""
    from pipeline.config.reference import every_key, render_reference

    if as_json:
        print_json({"keys": list(map(asdict, every_key()))})
        return
    click.echo(render_reference(), nl=False)
