"""Whole runs on rows of the user's own: what of them reaches the prompt, the data and the summary."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry

pytestmark = pytest.mark.ray
SIMULATED = ROOT / "configs" / "simulated.yaml"
VIEWS = "dataset.views=[traces,steps]"
ROWS = [
    {"id": f"set/{n}", "prompt": f"{n} + 1?", "answer": str(n + 1), "subject": "sums", "url": "x"}
    for n in range(6)
]


def write(path: Path, *rows: dict[str, str]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"problems.path={path}"


def test_rows_reach_prompts_views_and_summary(joined: Berry, here: Berry, tmp_path: Path) -> None:
    other_gold = ROWS[2] | {"id": "set/2b", "answer": "17"}
    path = write(tmp_path / "p.jsonl", *ROWS, other_gold)
    template = "prompt.template='On {subject}: {problem} Write \\boxed{answer}.'"
    done = joined(SIMULATED, path, "problems.preset=plain", template, VIEWS, "output=out")
    assert done.returncode == 0, done.stderr
    assert "problems.use=file replaces reasoning_gym" in done.stderr
    assert "not kept: url (problems.meta_fields keeps them)" in done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("conflicts"))
    assert line == (
        "conflicts  1 problem has the same text as an earlier one but another gold answer: "
        f"{tmp_path / 'p.jsonl'}, line 7 (2 + 1?)"
    )
    for view in ("trees", "traces", "steps"):
        found = pq.read_table(tmp_path / "out" / "data" / view).to_pylist()
        assert {row["meta"] for row in found} == {'{"subject": "sums"}'}
        assert {row["source_id"] for row in found} <= {row["id"] for row in (*ROWS, other_gold)}
        prompts = [row["prompt"][0]["content"] for row in found]
        assert prompts
        assert all(text.startswith("On sums: ") and "\\boxed{answer}." in text for text in prompts)
        if view == "trees":
            assert [row["source_id"] for row in found] == [f"set/{n}" for n in (*range(6), "2b")]
            fates = [t for row in found for t in row["trajectories"]]
            assert all((t["decided_by"] is None) == t["kept"] for t in fates)
            some_id = found[4]["problem_id"]
    for wanted in ("set/4", some_id[:6]):
        shown = here("show", "out", wanted)
        assert shown.returncode == 0, shown.stderr
        assert f"id: {some_id}   source_id: set/4" in " ".join(shown.stdout.split("\n"))
    missed = here("show", "out", "set")
    assert missed.returncode == 2
    assert (
        "expected the source_id or the beginning of the id of a committed problem, got set"
        in missed.stderr
    )
    exported = here(
        "export", "out", "--as", "traces", "--output", "few", "prune.max_per_problem=1",
        "prune.max_similarity=0.5",
    )  # fmt: skip
    assert exported.returncode == 0, exported.stderr
    assert {row["meta"] for row in pq.read_table(tmp_path / "few" / "data").to_pylist()} == {
        '{"subject": "sums"}'
    }


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{subjet}: {problem}", "did you mean {subject}? (write {{subjet}} to send {subjet})"),
        ("{answer}: {problem}", "expected other columns than {answer}"),
        ("Solve it.", "prompt.template: expected a template with {problem}"),
    ],
)
def test_a_template_that_cannot_be_meant_ends_the_run_with_a_line(
    here: Berry, tmp_path: Path, template: str, complaint: str
) -> None:
    path = write(tmp_path / "p.jsonl", *ROWS)
    for command in ("run", "check"):
        done = here(command, SIMULATED, path, "problems.preset=plain", f"prompt.template='{template}'")
        if command == "run" or "subjet" not in template:
            assert done.returncode == 2
        assert complaint in done.stdout + done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
