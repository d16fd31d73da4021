"""`berry`: thin commands over the library, one file for each group of commands; `app.py` joins them."""

from pipeline.cli.app import main

__all__ = ["main"]
