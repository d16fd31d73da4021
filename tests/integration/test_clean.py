"""`berry clean`: what the rules drop is gone from every view, and all else stays as it was."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from pipeline import parallel
from pipeline.datasets.reader import ExportedView, RunReader
from pipeline.derive.cleaning import clean as clean_module
from pipeline.records import Trace
from tests.conftest import Berry, Finished
from tests.runs import VIEWS, make_trace, write_run

_PLACES = "harbour orchard museum bakery station library garage theatre stadium factory".split()
_THINGS = "lanterns barrels tickets muffins wagons atlases engines costumes benches crates".split()


def question(number: int) -> str:
    draw = random.Random(number)
    first, second, place, other = (
        *draw.sample(_THINGS, 2),
        *(" ".join(draw.sample(_PLACES, 3)) for _ in range(2)),
    )
    return (
        f"A clerk of the {place} moves {draw.randint(100, 999)} {first} to the {other}. "
        f"Then {draw.randint(10, 99)} {second} arrive. How many {first} are at the {other} now?"
    )


def response(number: int, answer: object) -> str:
    draw = random.Random(number)
    words = " ".join("".join(draw.choices("abcdefgh", k=5)) for _ in range(40))
    return f"{words} so the answer is {answer}"


def plain(number: int) -> Trace:
    """A problem that passes twice and fails twice."""
    return make_trace(
        question(number),
        str(number),
        [(response(10 * number + one, number), one < 2) for one in range(4)],
    )


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    def write(*more: Trace) -> Path:
        return write_run(tmp_path / "run", [*(plain(number) for number in range(10)), *more])

    return write


def rows(path: Path, view: str) -> list[dict[str, Any]]:
    return list(RunReader.open(path).rows(view))


def ids(path: Path, view: str = "trees") -> list[str]:
    return [row["problem_id"] for row in rows(path, view)]


def write_tests(path: Path, texts: Sequence[str], **columns: Sequence[str]) -> Path:
    names = {"question": texts, **columns}
    found = [dict(zip(names, values, strict=True)) for values in zip(*names.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def test_questions_of_a_test_set_are_dropped_from_every_view(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    changed = question(50).replace("1", "2").replace("3", "4").replace("5", "6").replace("7", "8")
    out = run(make_trace(changed, "9", [("a", True)]))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    exam = write_tests(tmp_path / "exam.jsonl", [question(3).upper(), question(50), question(70)])
    done = here("clean", out, "--output", "clean", "--against", exam, "--keep-dropped")
    assert done.returncode == 0, done.stderr
    assert "kept       9 of 11 problems, 18 of 21 survivors, in clean" in done.stdout
    assert "dropped    2 problems: contaminated" in done.stdout
    assert "compared   with 3 questions of exam.jsonl" in done.stdout
    clean = tmp_path / "clean"
    gone = {make_trace(question(3), "3", []).problem.id, ids(out)[-1]}
    for view in VIEWS:
        assert rows(clean, view) == [r for r in rows(out, view) if r["problem_id"] not in gone]
    dropped = pq.read_table(clean / "dropped.parquet").to_pylist()
    assert [row["match_likeness"] for row in dropped] == ["same", "numbers_changed"]
    assert dropped[1]["match_passage"] in dropped[1]["problem"] == changed
    assert len(dropped[1]["match_passage"]) > 0.9 * len(changed)
    assert (dropped[1]["match_source"], dropped[1]["match_id"]) == ("exam.jsonl", "row 2")
    assert {path: path.read_bytes() for path in before} == before

    # The new folder is a run like any other.
    assert here("check", clean).returncode == 0
    shown = here("show", clean).stdout
    assert "cleaned    9 of 11 problems and 18 of 21 survivors stayed" in shown
    assert "2 problems: contaminated" in shown
    card = (clean / "README.md").read_text()
    assert "| 2 | 0 | `contaminated` | a question of a test set |" in card
    assert "2 problems that are questions of `exam.jsonl` were dropped: 1 exactly, 0 in other" in card
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(clean), "traces", split="train", cache_dir=cache)
    assert len(loaded) == 18
    assert here("export", clean, "--as", "preferences").returncode == 0
    recorded = here("clean", out, "--output", "again", "--against", exam, "--record")
    assert recorded.returncode == 0
    found = "2 problems that are questions of `exam.jsonl`: 1 exactly, 0 in other words, 1 with other"
    assert found in (out / "README.md").read_text()


def test_the_same_rules_give_the_same_bytes_also_in_processes(
    here: Berry, run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run(*(make_trace(f"{question(one)}!", str(one), [("x", True)]) for one in (3, 4)))
    for name in ("one", "two"):
        done = here("clean", out, "--output", name, "--json")
        assert done.returncode == 0, done.stderr
        monkeypatch.setattr(parallel, "FEW_BYTES", 0)
    facts = json.loads(done.stdout)
    assert facts["dropped"] == {"duplicate_problem": {"problems": 2, "responses": 0}}
    assert facts["problems"] == {"before": 12, "after": 10}
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name / "data").rglob("*.parquet")
        }
        for name in ("one", "two")
    )
    assert one == two
    assert len(one) == 4 * 3


def test_a_response_that_repeats_one_to_another_problem_does_not_survive(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    again = response(21, 2)
    out = run(make_trace(question(60), "2", [(again, True), (response(999, 2), True)]))
    assert here("clean", out, "--output", "clean", "--keep-dropped").returncode == 0
    clean = tmp_path / "clean"
    assert ids(clean) == ids(out)
    kept = [row["response"] for row in rows(clean, "traces") if row["target_value"] == "2"]
    assert kept == [response(20, 2), again, response(999, 2)]
    outcomes = [row for row in rows(clean, "outcomes") if row["response"] == again]
    assert [row["kept"] for row in outcomes] == [True, False]
    dropped = pq.read_table(clean / "dropped.parquet").to_pylist()
    assert [(row["rule"], row["response"]) for row in dropped] == [("repeated", again)]
    assert RunReader.open(clean).folder.counts.dropped["repeated"] == 1
    kept_all = here("clean", out, "--output", "all", "duplicates.responses=false")
    assert kept_all.returncode == 0
    assert len(rows(tmp_path / "all", "traces")) == len(rows(out, "traces"))


def test_rules_come_from_a_file_and_the_command_line(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    always = make_trace(question(80), "1", [(response(800 + n, 1), True) for n in range(4)])
    never = make_trace(question(81), "1", [(response(810 + n, 1), False) for n in range(4)])
    out = run(always, never)
    (tmp_path / "rules.yaml").write_text(
        "seed: 9\n"
        "prune: {max_per_problem: 1}\n"
        "hygiene:\n"
        "  difficulty: {min_pass_rate: 0.1, max_pass_rate: 0.9}\n"
        f"  keep: [{always.problem.id}]\n"
    )
    done = here("clean", out, "--output", "clean", "--with", "rules.yaml", "--as", "problems")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "clean", "problems")
    assert ids(tmp_path / "clean") == [one for one in ids(out) if one != never.problem.id]
    assert [row["num_kept"] for row in found] == [1] * 11
    assert (found[-1]["num_right"], found[-1]["num_samples"], found[-1]["pass_rate"]) == (4, 4, 1.0)
    assert {path.name for path in (tmp_path / "clean" / "data").iterdir()} == {"trees", "problems"}
    changed = here(
        "clean", out, "--output", "b", "--with", "rules.yaml", "difficulty=null",
        "balance.max_problems=3", "hygiene.balance.by=[difficulty]",
    )  # fmt: skip
    assert changed.returncode == 0, changed.stderr
    # Ten problems pass at one half; the problem that is named stays in any case.
    assert len(ids(tmp_path / "b")) == 3 + 1 + 1


def test_an_unfinished_run_and_a_real_one_can_be_cleaned(
    here: Berry, run: Callable[..., Path], finished: Finished, tmp_path: Path
) -> None:
    out = run()
    (out / "journal" / "complete.json").unlink()
    assert here("clean", out, "--output", "clean").returncode == 0
    done = here(
        "clean", finished.out, "--output", "real", "--as", "traces", "difficulty.min_pass_rate=0.3"
    )
    assert done.returncode == 0, done.stderr
    assert 0 < len(ids(tmp_path / "real")) < len(ids(finished.out))
    assert here("check", "real").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "nothing"], "--as nothing: expected one of traces"),
        (["--against", "missing.jsonl"], "--against missing.jsonl: cannot be read (No such file"),
        (["keep=[nobody]"], "hygiene.keep: expected ids of problems of the run, got nobody"),
        (["--against", "other.jsonl"], "expected a column with the question, a text, named question"),
        (["--against", "empty.jsonl"], "empty.jsonl: expected rows of named columns, found none"),
        (["--against", "exam.txt"], "expected a .jsonl, .csv, .json or .parquet file"),
        (["difficulty.max_pass_rate=2"], "hygiene.difficulty.max_pass_rate: expected a number"),
        (["hygiene.difficult=null"], "difficult"),
        (["seed=3"], "seed: expected a key of hygiene, labels, prune or views"),
        (["--with", "rules.yaml"], "rules.yaml, line 2: hygene: expected a section hygiene, labels"),
        (["balance.max_ratio=0.5"], "hygiene.balance.max_ratio: expected"),
        (["difficulty.min_pass_rate=1"], "every problem is dropped: 10 problems: too hard"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    here: Berry, run: Callable[..., Path], tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = run()
    (tmp_path / "other.jsonl").write_text('{"a": "b", "c": 1}\n')
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "exam.txt").write_text("x\n")
    (tmp_path / "rules.yaml").write_text("seed: 1\nhygene: {}\n")
    done = here("clean", out, "--output", "clean", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize("place", ["run/clean", "full", "run"])
def test_the_output_is_a_new_folder_outside(
    here: Berry, run: Callable[..., Path], tmp_path: Path, place: str
) -> None:
    out = run()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    done = here("clean", out, "--output", place)
    assert done.returncode == 2
    assert "expected a" in done.stderr
    assert (tmp_path / "full" / "notes").read_text() == "mine"


@pytest.mark.parametrize("arguments", [[], ["duplicates=null"]])
def test_a_damaged_part_is_named_and_nothing_stays(
    here: Berry, run: Callable[..., Path], tmp_path: Path, arguments: list[str]
) -> None:
    out = run()
    part = sorted((out / "data" / "trees").iterdir())[1]
    content = bytearray(part.read_bytes())
    for place in range(len(content) // 3, len(content) // 2):
        content[place] ^= 0xFF
    part.write_bytes(content)
    done = here("clean", out, "--output", "clean", *arguments)
    assert done.returncode == 2, done.stdout
    assert part.name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize("how", ["damage", "interrupt"])
def test_a_failure_takes_back_its_own_files_alone(
    here: Berry, run: Callable[..., Path], tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run()
    (tmp_path / "clean" / ".git").mkdir(parents=True)
    (tmp_path / "clean" / ".git" / "HEAD").write_text("mine")
    if how == "damage":
        part = sorted((out / "data" / "trees").iterdir())[1]
        part.write_bytes(part.read_bytes()[:-40])
    else:
        monkeypatch.setattr(clean_module, "update_card", interrupt)
    done = here("clean", out, "--output", "clean")
    assert done.returncode == (2 if how == "damage" else 130)
    assert [path.name for path in (tmp_path / "clean").iterdir()] == [".git"]
    assert (tmp_path / "clean" / ".git" / "HEAD").read_text() == "mine"


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_run_may_not_be_inside_the_output(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "all").mkdir()
    run().rename(tmp_path / "all" / ".run")
    done = here("clean", "all/.run", "--output", "all")
    assert done.returncode == 2
    assert "one that has the run inside" in done.stderr
    assert (tmp_path / "all" / ".run" / "run.json").exists()


def test_what_was_dropped_stays_dropped_under_other_rules(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    again = response(21, 2)
    out = run(make_trace(question(60), "2", [(again, True), (response(999, 2), True)]))
    assert here("clean", out, "--output", "one").returncode == 0
    done = here("export", "one", "--as", "traces", "--output", "traces", "prune.max_per_problem=9")
    assert done.returncode == 0, done.stderr
    found = list(ExportedView(tmp_path / "traces", "traces").rows(["response"]))
    assert [row["response"] for row in found].count(again) == 1
    exam = write_tests(tmp_path / "exam.jsonl", [question(3)])
    done = here("clean", "one", "--output", "two", "--against", exam, "prune.max_per_problem=9")
    assert done.returncode == 0, done.stderr
    assert [row["response"] for row in rows(tmp_path / "two", "traces")].count(again) == 1
    # The card tells of both cleanings.
    card = (tmp_path / "two" / "README.md").read_text()
    assert "from a run with 11 problems and 22 survivors" in card
    assert "| 0 | 1 | `repeated` |" in card
    assert "| 1 | 0 | `contaminated` |" in card
    done = here("clean", "two", "--output", "three", "difficulty.max_pass_rate=0.9")
    assert "questions of `exam.jsonl` were dropped" in (tmp_path / "three" / "README.md").read_text()


def test_short_answers_to_different_problems_stay(here: Berry, tmp_path: Path) -> None:
    traces = [make_trace(question(n), "5", [("The answer is 5.", True)]) for n in range(4)]
    write_run(tmp_path / "run", traces)
    assert here("clean", "run", "--output", "clean").returncode == 0
    assert len(rows(tmp_path / "clean", "traces")) == 4
    assert here("clean", "run", "--output", "few", "duplicates.min_words=1").returncode == 0
    assert len(rows(tmp_path / "few", "traces")) == 1


def test_problems_with_other_answers_are_no_duplicates(here: Berry, tmp_path: Path) -> None:
    text = question(1)
    traces = [
        make_trace(one, gold, [(response(n, n), True)])
        for n, (one, gold) in enumerate([(text, "5"), (f"{text} ", "6"), (text.upper(), "5")])
    ]
    write_run(tmp_path / "run", traces)
    done = here("clean", "run", "--output", "clean", "--json")
    assert json.loads(done.stdout)["dropped"] == {"duplicate_problem": {"problems": 1, "responses": 0}}


def test_a_cleaned_folder_says_how_to_make_it_again(
    here: Berry, run: Callable[..., Path], tmp_path: Path
) -> None:
    assert here("clean", run(), "--output", "clean").returncode == 0
    part = next((tmp_path / "clean" / "data" / "trees").iterdir())
    part.write_bytes(part.read_bytes()[:-40])
    done = here("check", "clean", "--repair")
    assert done.returncode == 2
    assert "repeat `berry clean`" in done.stderr


def test_the_order_of_sets_does_not_matter(run: Callable[..., Path], tmp_path: Path) -> None:
    """Sets of texts have another order in every process, unless PYTHONHASHSEED is set."""
    out = run(*(make_trace(f"Think first. {question(n)}", "9", [("a", True)]) for n in range(20, 40)))
    exam = write_tests(tmp_path / "exam.jsonl", [question(n) for n in range(20, 60)])
    found = []
    for seed in ("1", "2"):
        command = [str(Path(sys.executable).parent / "berry"), "clean", str(out), "--keep-dropped"]
        command += ["--output", f"clean{seed}", "--against", str(exam), "contamination.min_overlap=1"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        found.append((tmp_path / f"clean{seed}" / "dropped.parquet").read_bytes())
    assert found[0] == found[1]
    dropped = pq.read_table(tmp_path / "clean1" / "dropped.parquet").to_pylist()
    assert len(dropped) == 20
    assert all(row["match_overlap"] == 1 for row in dropped)
