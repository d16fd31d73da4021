"""Files of shards that are being explored: `OUT/.staging/part-0000012.TOKEN/`.

The holder of a lease writes there, under the lease's token, the finished files of its shard and, until
then, `*.checkpoint` files with what it has so far. The next holder of a lease of the shard reads them.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.datasets.part import DIGITS, Part, StagedFile
from pipeline.files.publishing import WrittenFile
from pipeline.files.storage import (
    delete,
    delete_folder,
    digest_of,
    exists,
    files_in,
    folders_in,
    move,
)

STAGING = ".staging"
_CHECKPOINT = ".checkpoint"


def staging_folder(run: Path, index: int, token: str) -> Path:
    """Folder of one lease of a shard."""
    return run / STAGING / f"part-{index:0{DIGITS}d}.{token}"


def staged_file(written: WrittenFile) -> StagedFile:
    """The closed file in a staging folder as `RunFolder.commit` takes it."""
    folder = written.path.parent
    return StagedFile(
        path=f"{folder.parent.name}/{folder.name}/{written.path.name}",
        num_rows=written.num_rows,
        num_bytes=written.num_bytes,
        digest=written.digest,
    )


def merged_path(run: Path, view: str, index: int) -> Path:
    """Where the file of a merged part waits to take the place of its first shard's.

    The journal says that the parts are merged before the file moves, so that a crash in between loses
    nothing; `RunFolder.claim` and `reopen` move it then, and readers look here, too.
    """
    return staging_folder(run, index, "merged") / f"{view}.parquet"


def move_merged(run: Path, part: Part, path: Callable[[str, int], Path]) -> None:
    """Moves the files of a merged part from `merged_path` to `path`, unless they are there already.

    Raises OSError.
    """
    for view, digest in part.digests.items() if part.shards > 1 else ():
        staged = merged_path(run, view, part.index)
        if exists(staged) and digest_of(staged) == digest:
            move(staged, path(view, part.index))


def checkpoints(run: Path, index: int) -> list[Path]:
    """Checkpoints of a shard, of all leases, sorted. Raises OSError."""
    return [
        folder / name
        for folder in _folders(run, index)
        for name in sorted(files_in(folder))
        if name.endswith(_CHECKPOINT)
    ]


def delete_staged(run: Path, index: int) -> None:
    """Deletes everything of a shard. Raises OSError."""
    for folder in _folders(run, index):
        delete_folder(folder)


def delete_all_but_checkpoints(run: Path, is_committed: Callable[[int], bool]) -> None:
    """Deletes what is no checkpoint, and everything of committed shards. Raises OSError."""
    for name in folders_in(run / STAGING):
        folder, shard, kept = run / STAGING / name, _shard_of(name), False
        for file in files_in(folder):
            if shard is not None and not is_committed(shard) and file.endswith(_CHECKPOINT):
                kept = True
            else:
                delete(folder / file)
        if not kept:
            delete_folder(folder)


def _folders(run: Path, index: int) -> list[Path]:
    return [run / STAGING / name for name in folders_in(run / STAGING) if _shard_of(name) == index]


def staged_shards(run: Path) -> set[int]:
    """Shards that have a folder in `.staging`. Raises OSError."""
    return {shard for name in folders_in(run / STAGING) if (shard := _shard_of(name)) is not None}


def _shard_of(name: str) -> int | None:
    """The shard of a folder; None for a folder of something else."""
    number = name.removeprefix("part-").partition(".")[0]
    return int(number) if number.isdecimal() else None
