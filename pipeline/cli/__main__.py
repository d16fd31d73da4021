"""Entry point of `python -m pipeline.cli`; `accelerate launch -m pipeline.cli train ...` runs it in
each of its processes."""

from pipeline.cli.app import main

main()
