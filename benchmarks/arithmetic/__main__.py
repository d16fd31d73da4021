"""`python -m benchmarks.arithmetic FOLDER [SEED]` trains a model, if none is there, and checks it."""

import asyncio
import sys
from pathlib import Path

from benchmarks.arithmetic.check import check_model
from benchmarks.arithmetic.model import train_model


def main(path: Path, seed: int) -> None:
    """Prints what training came to, and what the engine made of it."""
    if not (path / "config.json").is_file():
        print(train_model(path, seed))
    print(asyncio.run(check_model(path, seed=seed)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("expected a folder and perhaps a seed: python -m benchmarks.arithmetic FOLDER [SEED]")
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 0)
