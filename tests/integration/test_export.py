"""`berry export`: views derived again from a run's trees, in its folder and in new ones."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas
import polars
import pyarrow.parquet as pq
import pytest

from pipeline import parallel
from pipeline.datasets.journal import sealed
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from tests.conftest import ROOT, Berry, run_berry

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def run(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 20 problems with gold answers and 10 without, in parts of 8."""
    folder = tmp_path_factory.mktemp("run")
    rows = [{"prompt": f"{n} + 1?", "answer": n + 1} for n in range(20)]
    rows += [{"prompt": f"Who knows {n}?"} for n in range(10)]
    (folder / "p.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    overrides = ["problems.path=p.jsonl", "problems.preset=plain", "problems.answers=optional"]
    search = ["strategy.use=branching", "engine.error_rate=0.1", "prune.max_per_problem=4"]
    done = run_berry(
        folder, "run", ROOT / "configs" / "simulated.yaml", "output=out", "dataset.part_bytes=1",
        "dataset.views=[traces,steps]", *overrides, *search,
        "--address", cluster,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "by a majority vote" in done.stdout
    return folder / "out"


@pytest.fixture
def out(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, free to be changed."""
    return Path(shutil.copytree(run, tmp_path / "out"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def files(out: Path, above: str = "") -> dict[str, str]:
    return {
        above + str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def parts(out: Path) -> dict[str, str]:
    return {name: digest for name, digest in files(out).items() if name.startswith("data/")}


def read(out: Path, view: str) -> list[dict[str, Any]]:
    return list(pq.read_table(out / "data" / view).to_pylist())


def test_the_steps_of_a_run_are_a_dataset(run: Path) -> None:
    steps = datasets.load_dataset(str(run), "steps")["train"]
    trees = {row["problem_id"]: row for row in read(run, "trees")}
    assert len(steps) == sum(len(row["trajectories"]) for row in trees.values())
    shared: dict[str, set[int]] = {}
    for row in steps:
        nodes = trees[row["problem_id"]]["nodes"]
        path = [nodes[node] for node in row["step_nodes"]]
        assert [node["text"] for node in path] == row["steps"]
        assert [node["token_ids"] for node in path] == row["step_token_ids"]
        assert [node["trials"] for node in path] == row["trials"]
        assert [node["passes"] for node in path] == row["passes"]
        assert nodes[0]["token_ids"] == row["prompt_token_ids"]
        assert path[-1]["id"] == row["leaf"]
        assert len(row["labels"]) == len(row["p_correct"]) == len(row["intervals"]) == len(path)
        seen = shared.setdefault(row["problem_id"], set())
        assert row["num_shared"] == len(seen & set(row["step_nodes"]))
        seen.update(row["step_nodes"])
    assert {row["label_source"] for row in steps} == {"verifier", "majority"}
    assert all((row["target_value"] is None) == (row["label_source"] == "majority") for row in steps)
    assert not any(row["kept"] for row in steps if row["label_source"] == "majority")
    assert sum(row["kept"] for row in steps) == len(read(run, "traces"))


@pytest.mark.parametrize("view", ["steps", "traces"])
def test_nothing_changes_where_nothing_changed(here: Berry, out: Path, view: str) -> None:
    before = files(out)
    done = here("export", out, "--as", view)
    assert done.returncode == 0, done.stderr
    assert files(out) == before
    assert f"{len(read(out, view))} rows in 4 parts" in done.stdout
    assert ", unchanged" in done.stdout
    assert f'load_dataset("{out}", "{view}", split="train")' in done.stdout


def test_a_folder_without_the_view_gets_it(here: Berry, out: Path) -> None:
    """As one that an earlier version left: no files, no rows in the journal, no word in the card."""
    before = files(out)
    shutil.rmtree(out / "data" / "steps")
    for path in (out / "journal").glob("part-*.json"):
        entry = json.loads(path.read_text())
        del entry["rows"]["steps"]
        path.write_text(json.dumps(sealed(entry)))
    (out / "README.md").write_text("of mine")
    run_json = json.loads((out / "run.json").read_text())
    del run_json["config"]["labels"]
    (out / "run.json").write_text(json.dumps(sealed(run_json)))
    done = here("export", out, "--as", "steps")
    assert done.returncode == 0, done.stderr
    after = files(out)
    assert {name: after[name] for name in before if name.startswith("data/")} == {
        name: digest for name, digest in before.items() if name.startswith("data/")
    }
    steps = datasets.load_dataset(str(out), "steps")["train"]
    entries = [json.loads(path.read_text()) for path in (out / "journal").glob("part-*.json")]
    assert sum(entry["rows"]["steps"] for entry in entries) == len(steps)


def test_trees_of_an_earlier_version_are_shown_and_exported(here: Berry, out: Path) -> None:
    """Their `prompt` was the problem's text, and they did not know what was sent."""
    problems = {row["problem_id"]: row["problem"] for row in read(out, "trees")}
    for path in (out / "data" / "trees").glob("part-*.parquet"):
        table = pq.read_table(path)
        old = table.drop_columns(["problem", "prompt", "prompt_opening"])
        pq.write_table(old.append_column("prompt", table["problem"]), path)
    first, text = next(iter(problems.items()))
    assert text in here("show", out, first).stdout
    assert text in here("show", out).stdout
    done = here("export", out, "--as", "traces")
    assert done.returncode == 0, done.stderr
    traces = datasets.load_dataset(str(out), "traces")["train"]
    assert {row["problem_id"]: row["problem"] for row in traces}.items() <= problems.items()
    unknown = ["prompt", "completion", "messages", "messages_exact"]
    assert all(row[column] is None for row in traces for column in unknown)


def test_the_dataset_cache_does_not_serve_what_was_replaced(here: Berry, out: Path) -> None:
    first = out / "data" / "steps" / "part-0000000.parquet"
    whole = len(datasets.load_dataset(str(out), "steps")["train"])
    table = pq.read_table(first)
    pq.write_table(table.slice(1), first)
    assert here("export", out, "--as", "steps").returncode == 0
    assert len(datasets.load_dataset(str(out), "steps")["train"]) == whole
    assert pq.read_table(first).equals(table)


def test_other_rules_go_into_a_folder_of_their_own(here: Berry, run: Path, tmp_path: Path) -> None:
    before = files(run)

    def export(view: str, *rules: str) -> list[dict[str, Any]]:
        output = tmp_path / "-".join([view, *rules])
        done = here("export", run, "--as", view, "--output", output, *rules)
        assert done.returncode == 0, done.stderr
        loaded = datasets.load_dataset(str(output))["train"]
        assert f"{len(loaded)} rows" in done.stdout
        return list(loaded)

    assert export("traces") == read(run, "traces")
    fewer = export("traces", "prune.max_per_problem=1")
    assert 0 < len(fewer) < len(read(run, "traces"))
    assert len({row["problem_id"] for row in fewer}) == len(fewer)
    least = sorted({row["p_correct"] for row in read(run, "traces")})[1]
    sound = export("traces", f"prune.min_p_correct={least}")
    # A response that an unsound one made a duplicate may take its place.
    assert min(row["p_correct"] for row in sound) == least
    assert min(row["p_correct"] for row in read(run, "traces")) < least
    middle = sorted(row["num_tokens"] for row in read(run, "traces"))[40]
    shorter = export("traces", f"prune.max_tokens={middle}")
    assert max(row["num_tokens"] for row in shorter) == middle
    voted = export("traces", "prune.keep_majority=true")
    assert {row["label_source"] for row in voted} == {"verifier", "majority"}

    sure, unsure = export("steps", "labels.confidence=0.99"), export("steps", "labels.confidence=0.3")
    told = [[row["first_error"] is not None for row in rows] for rows in (sure, unsure)]
    assert sum(told[0]) < sum(told[1])
    silent = export("steps", "labels.majority.use=off")
    assert {row["label_source"] for row in silent} == {"verifier"}
    assert {tuple(row["labels"]) for row in silent if row["target_value"] is None} <= {
        (None,) * length for length in range(1, 12)
    }
    assert files(run) == before


OTHER_VIEWS = [view for view in VIEWS if view not in ("trees", "traces", "steps")]


@pytest.mark.parametrize("view", OTHER_VIEWS)
def test_every_view_is_exported_and_loaded(
    here: Berry, out: Path, tmp_path: Path, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = parts(out)
    assert here("export", out, "--as", view).returncode == 0
    loaded = datasets.load_dataset(str(out), view)["train"].to_list()
    assert loaded
    assert loaded == list(RunReader.open(out).rows(view))
    for read_by in (read_by_pandas, read_by_polars, read_by_duckdb):
        assert read_by(out / "data" / view) == (len(loaded), VIEWS[view].schema.names)
    # Several processes write the same bytes, in a folder and in one file.
    monkeypatch.setattr(parallel, "FEW_BYTES", 0)
    for output in (tmp_path / "new", tmp_path / "rows.jsonl", tmp_path / "rows.parquet"):
        done = here("export", out, "--as", view, "--output", output)
        assert done.returncode == 0, done.stderr
        assert f"{len(loaded)} rows" in done.stdout
    assert files(tmp_path / "new" / "data") == files(out / "data" / view, f"{view}/")
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == read(out, view)
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == read(out, view)
    assert before.items() <= parts(out).items()


def read_by_pandas(folder: Path) -> tuple[int, list[str]]:
    frame = pandas.read_parquet(folder)
    return len(frame), list(frame.columns)


def read_by_polars(folder: Path) -> tuple[int, list[str]]:
    frame = polars.read_parquet(folder / "*.parquet")
    return len(frame), frame.columns


def read_by_duckdb(folder: Path) -> tuple[int, list[str]]:
    found = duckdb.sql(f"select * from '{folder}/*.parquet'")
    assert found is not None
    return len(found), found.columns


def test_options_of_a_view(here: Berry, run: Path, tmp_path: Path) -> None:
    def pairs(*options: str) -> list[dict[str, Any]]:
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        done = here("export", run, "--as", "preferences", "--output", output, *options)
        assert done.returncode == 0, done.stderr
        return list(pq.read_table(output).to_pylist())

    assert {row["kind"] for row in pairs()} == {"answer", "step"}
    assert min(row["margin"] for row in pairs()) >= 0.6
    assert min(row["margin"] for row in pairs("min_margin=0.8")) >= 0.8
    assert pairs("min_margin=0.8") == pairs("views.preferences.min_margin=0.8")
    steps = pairs("kinds=[step]", "max_per_problem=1", "min_margin=0.1")
    assert {row["kind"] for row in steps} == {"step"}
    assert len({row["problem_id"] for row in steps}) == len(steps)
    done = here("export", run, "--as", "preferences", "--output", "x.jsonl", "min_margin=2")
    assert done.returncode == 2
    assert "views.preferences.min_margin" in done.stderr.splitlines()[-1]


def test_a_view_that_the_run_cannot_fill_is_refused(here: Berry, out: Path, tmp_path: Path) -> None:
    before = files(out)
    for output in ("new", "new.jsonl"):
        done = here("export", out, "--as", "preferences", "--output", output, "min_margin=1")
        assert done.returncode == 2, done.stdout
        (line,) = done.stderr.splitlines()
        assert "expected a problem with a better and a worse response" in line
        assert not (tmp_path / output).exists()
    assert files(out) == before


@pytest.mark.parametrize("view", ["steps", "traces"])
def test_one_file_has_all_the_rows_of_the_folder(
    here: Berry, run: Path, tmp_path: Path, view: str
) -> None:
    before = files(run)
    for name in ("new/a file.jsonl", "rows.parquet"):
        done = here("export", run, "--as", view, "--output", name)
        assert done.returncode == 0, done.stderr
        assert f"{len(read(run, view))} rows in 4 parts, in {name}" in done.stdout
        kind = "parquet" if name.endswith("parquet") else "json"
        assert f'load_dataset("{kind}", data_files="{name}", split="train")' in done.stdout
    lines = (tmp_path / "new" / "a file.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == read(run, view)
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == read(run, view)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a file.jsonl"]
    assert files(run) == before


def test_one_file_by_other_rules_and_without_rows(here: Berry, run: Path, tmp_path: Path) -> None:
    for number, name in ((1, "none.jsonl"), (1, "none.parquet"), (10_000, "all.jsonl")):
        done = here("export", run, "--as", "traces", "--output", name, f"prune.max_tokens={number}")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert (tmp_path / "all.jsonl").stat().st_size > 0


def test_half_a_file_is_never_left(here: Berry, out: Path, tmp_path: Path) -> None:
    (out / "data" / "trees" / "part-0000002.parquet").unlink()
    done = here("export", out, "--as", "steps", "--output", "rows.jsonl")
    assert done.returncode == 2
    assert "part-0000002.parquet: is missing; " in done.stderr
    assert "--repair` and repeat `berry run`" in done.stderr
    assert not [path for path in tmp_path.iterdir() if "rows" in path.name]


def test_a_deleted_part_is_made_anew(joined: Berry, here: Berry, run: Path, tmp_path: Path) -> None:
    """By the very commands that the messages name, until the run is what it was."""
    shutil.copytree(run, tmp_path / "out")
    shutil.copy(run.parent / "p.jsonl", tmp_path)
    before = parts(tmp_path / "out")
    for view in ("trees", "steps"):
        (tmp_path / "out" / "data" / view / "part-0000001.parquet").unlink()
    again = ["run", tmp_path / "again.yaml"]
    config = json.loads((run / "run.json").read_text())["config"]
    config["dataset"]["part_bytes"] = 1  # it is not in run.json, because it changes no row
    (tmp_path / "again.yaml").write_text(json.dumps({**config, "output": "out"}))
    for command in (again, ["show", "out"], ["eval", "out"], ["export", "out", "--as", "traces"]):
        done = here(*command)
        assert done.returncode == 2, done.stdout
        assert "out/data/trees/part-0000001.parquet: is missing; " in done.stderr
        assert "run `berry check out --repair` and repeat `berry run`" in done.stderr
    assert here("status", "out").returncode == 1
    assert here("check", "out").returncode == 1
    assert here("check", "out", "--repair").returncode == 0
    done = joined(tmp_path / "again.yaml")
    assert done.returncode == 0, done.stderr
    assert parts(tmp_path / "out") == before
    assert here("status", "out").returncode == 0
    (tmp_path / "out" / "data" / "steps" / "part-0000000.parquet").write_bytes(b"PAR1")
    done = here(*again)
    assert done.returncode == 2
    assert "to write it again, run `berry export out --as steps`" in done.stderr
    train = ["train", "prm", "--data", "out", "--base", "nowhere", "--output", "model"]
    assert "to write it again, run `berry export out --as steps`" in here(*train).stderr
    assert here("export", "out", "--as", "steps").returncode == 0
    assert here(*again).returncode == 0
    assert parts(tmp_path / "out") == before


def test_a_view_without_rows_is_said_to_be_one(here: Berry, run: Path) -> None:
    done = here("export", run, "--as", "traces", "--output", "none", "prune.max_tokens=1")
    assert done.returncode == 0, done.stderr
    assert "0 rows" in done.stdout
    assert "load_dataset cannot load an empty view" in done.stdout


def test_committed_parts_of_an_unfinished_run(here: Berry, out: Path) -> None:
    (out / "journal" / "complete.json").unlink()
    (out / "journal" / "part-0000002.json").unlink()
    done = here("export", out, "--as", "steps", "--output", "some")
    assert done.returncode == 0, done.stderr
    assert "in 3 parts" in done.stdout
    assert "is unfinished" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--as", "steps"], "nowhere: expected a run folder with run.json"),
        (["out", "--as", "trees"], "--as trees: expected one of traces, steps"),
        (["out"], "Missing option '--as'"),
        (["out", "--as", "steps", "labels.sure=1"], "labels.sure: unknown key"),
        (["out", "--as", "steps", "seed=1", "--output", "new"], "seed: expected a key of labels,"),
        (["out", "--as", "steps", "labels.confidence=0.9"], "expected --output FOLDER or FILE"),
        (["out", "--as", "steps", "--output", "full"], "full: expected an empty or new folder"),
        (["out", "--as", "steps", "--output", "out/new"], "expected a folder outside the run's"),
        (["damaged", "--as", "steps"], "part-0000000.parquet: is damaged: it has 4 bytes"),
        (["out", "--as", "steps", "--output", "full/thesis.tex"], "ends in .jsonl or .parquet, or a"),
        (["out", "--as", "steps", "--output", "full/old.jsonl"], "full/old.jsonl: already exists"),
        (["out", "--as", "steps", "--output", "out/new.jsonl"], "expected a file outside the run's"),
        (["out", "--as", "steps", "--output", "full/old.jsonl/x.jsonl"], "cannot be used (File exists"),
        (["begun", "--as", "steps"], "begun: expected a run with a committed part"),
        (["busy", "--as", "steps"], "busy: another run is writing to this folder"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    here: Berry, out: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    (tmp_path / "full" / "old.jsonl").write_text("")
    for name in ("damaged", "begun", "busy"):
        shutil.copytree(out, tmp_path / name)
    (tmp_path / "damaged" / "data" / "trees" / "part-0000000.parquet").write_bytes(b"PAR1")
    shutil.rmtree(tmp_path / "begun" / "journal")
    with (tmp_path / "busy" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = here("export", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("berry: ")
    assert complaint in line
    assert "Traceback" not in done.stderr
