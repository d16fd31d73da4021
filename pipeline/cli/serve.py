"""`berry serve` and `berry ui`: parts of berry over HTTP."""

import asyncio
import os
from pathlib import Path

import click

from pipeline.cli.options import at_least, run_path
from pipeline.errors import UserMistake


@click.group()
def serve() -> None:
    """Serve a part of berry over HTTP."""


@serve.command("verify")
@click.option("--use", required=True, help="A verifier: a name or my_module:MyVerifier.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=at_least(0, 65535), help="0 picks a free one."
)
@click.option("--max-rows", default=1024, show_default=True, type=at_least(1), help="Rows per request.")
@click.option(
    "--max-waiting",
    default=8192,
    show_default=True,
    type=at_least(1),
    help="Rows in progress or waiting; further requests get status 503.",
)
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def serve_verify(
    use: str, host: str, port: int, max_rows: int, max_waiting: int, options: tuple[str, ...]
) -> None:
    """Serve verdicts to trainers: POST /verify, GET /health, GET /metrics.

    KEY=VALUE sets an option of the verifier. If the environment has BERRY_TOKEN, requests need the
    header `Authorization: Bearer TOKEN`. docs/serving.md describes the protocol, and the reward
    functions for TRL and verl.
    """
    from pipeline.config import check_section
    from pipeline.responses.server import ServeOptions, serve
    from verifiers.catalog import VERIFIER, CannotBuild, build_verifier

    try:
        verifier = build_verifier(check_section(VERIFIER, use, options))
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    settings = ServeOptions(
        host=host,
        port=port,
        max_rows=max_rows,
        max_waiting=max_waiting,
        token=os.environ.get("BERRY_TOKEN") or None,
    )
    asyncio.run(serve(verifier, settings, lambda where: click.echo(f"serving {use} on {where}")))


@click.command()
@click.argument("out", nargs=-1, required=True, type=run_path, metavar="OUT...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8010, show_default=True, type=at_least(0, 65535), help="0 picks a free one."
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def ui(out: tuple[Path, ...], host: str, port: int, opens: bool) -> None:
    """Show runs in the browser: their problems, trees and responses, also while they run.

    OUT is a run folder, on this machine or in a store, or a loop's, whose rounds are shown. If
    other machines can reach the address, the page needs the token in the address that is printed;
    the environment's BERRY_TOKEN sets it. docs/viewer.md describes the pages.
    """
    from pipeline.inspection.ui.runs import Runs
    from pipeline.inspection.ui.server import serve
    from pipeline.loop.folder import runs_in

    # Before the server takes over signals: a store may take long to answer.
    runs = Runs.open([run for one in out for run in runs_in(one)])

    def on_ready(address: str) -> None:
        click.echo(f"showing {', '.join(map(str, out))} on {address} (Ctrl-C ends it)")
        if opens:
            click.launch(address)

    asyncio.run(serve(runs, host, port, os.environ.get("BERRY_TOKEN") or None, on_ready))
