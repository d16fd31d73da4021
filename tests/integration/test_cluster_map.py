"""Exports and cleanings on a Ray cluster write the same bytes as on this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Berry, Finished, run_berry

pytestmark = pytest.mark.ray


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "data").rglob("*.parquet"))
    }


def on(cluster: str, folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return run_berry(folder, *arguments, "--address", cluster)


def test_a_cluster_writes_the_same_bytes(
    here: Berry, finished: Finished, cluster: str, tmp_path: Path
) -> None:
    export = ("export", finished.out, "--as", "outcomes", "--output")
    clean = ("clean", finished.out, "difficulty.min_pass_rate=0.3", "--output")
    for command in (export, clean):
        alone = here(*command, f"{command[0]}-here")
        there = on(cluster, tmp_path, *command, f"{command[0]}-there")
        assert (alone.returncode, there.returncode) == (0, 0), alone.stderr + there.stderr
        expected = files(tmp_path / f"{command[0]}-here")
        assert expected
        assert files(tmp_path / f"{command[0]}-there") == expected


def test_faults_of_the_data_and_the_user_are_one_line(
    finished: Finished, cluster: str, tmp_path: Path
) -> None:
    file = on(cluster, tmp_path, "export", finished.out, "--as", "outcomes", "--output", "a.jsonl")
    assert file.returncode == 2
    assert "expected a folder with --address, got a file" in file.stderr
    command = ("export", finished.out, "--as", "outcomes", "--output", "out")
    nowhere = on("127.0.0.1:9", tmp_path, *command)
    assert nowhere.returncode == 2
    assert "Ray at 127.0.0.1:9: cannot connect" in nowhere.stderr
    assert len(nowhere.stderr.strip().splitlines()) == 1
    damaged = Path(shutil.copytree(finished.out, tmp_path / "damaged"))
    part = sorted((damaged / "data" / "trees").iterdir())[-1]
    part.write_bytes(part.read_bytes()[:-40])
    done = on(cluster, tmp_path, "export", damaged, "--as", "outcomes", "--output", "out")
    assert done.returncode == 2
    assert part.name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
