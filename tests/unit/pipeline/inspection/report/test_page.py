"""The page: nothing in it runs or loads, it is always small, and any run has one."""

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.journal import sealed
from pipeline.datasets.views.table import VIEWS
from pipeline.inspection.report import page
from pipeline.inspection.report.figures import report_figures
from pipeline.inspection.report.page import MOST_BYTES, render, report_or_warn, write_report
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Failure, Phase, Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import Berry, make_rollout
from tests.runs import RUN_JSON, make_trace, write_run
from tests.stores import running_store
from tests.unit.pipeline.inspection.report.grown_run import grown_trace, write_grown
from verifiers import Outcome, Target, Verdict

HOSTILE = [
    "</style><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "--></details></main></body><iframe src=//evil.example></iframe>",
    "{{ 7 * 7 }}{% raw %}<svg/onload=alert(1)>",
    "}</style> * { display: none } @import url(//evil.example/a.css)",
    "<a href=javascript:alert(1)>click</a><base href=//evil.example>",
    "\u202eright to left \x00\x1b[31m",
]
TAGS = frozenset(
    "html head meta title style body main p span section h1 h2 h3 ul li b small nav a div figure "
    "figcaption svg line text polyline polygon circle table tr th td details summary code pre".split()
)
ATTRIBUTES = frozenset(
    "lang charset http-equiv content name class id href style role aria-label aria-hidden viewbox "
    "points cx cy r x y x1 x2 y1 y2 text-anchor scope colspan open tabindex".split()
)


class Seen(html.parser.HTMLParser):
    """What a browser would see: elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def seen(content: bytes) -> Seen:
    parser = Seen()
    parser.feed(content.decode())
    parser.close()
    return parser


def check_harmless(content: bytes) -> Seen:
    """Only known elements and attributes, no link but to a section, no style but a bar's width."""
    found = seen(content)
    assert set(found.tags) <= TAGS
    assert {name for name, _ in found.attributes} <= ATTRIBUTES
    for name, value in found.attributes:
        if name == "href":
            assert re.fullmatch(r"#[a-z-]+", value)
        if name == "style":
            assert re.fullmatch(r"width: [0-9.]+%", value)
    (style,) = re.findall(r"<style>(.*?)</style>", content.decode(), re.DOTALL)
    assert not re.search(r"url\(|@import|<", style)
    policies = [value for name, value in found.attributes if value.startswith("default-src 'none';")]
    assert len(policies) == 1
    assert "script-src" not in policies[0]
    return found


def text_trace(number: int, text: Callable[[str], str]) -> Trace:
    """A trace whose every text is made by `text`."""
    tree = Tree((1,), "prompt")
    for outcome in Outcome:
        steps = [text("step"), text("end")]
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(*steps, logprob=-0.5))
        tree.judge(
            leaf,
            Verdict(
                outcome=outcome,
                reason=text("reason"),
                extracted=text("answer"),
                verifier=text("verifier"),
                version=text("version"),
            ),
        )
    tree = tree.sorted()
    found = trajectories(tree)
    target = Target(kind="math", value=text("gold"))
    return Trace(
        problem=Problem.create(
            prompt=f"{text('prompt')}{number}",
            target=target,
            source=text("source"),
            domain=f"{text('domain')}{number % 2}",
            source_id=text("id"),
        ),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
        failures=(Failure(phase=Phase.SAMPLE, type=text("type"), message=text("message")),),
        warnings=(text("warning"),),
    )


def write_texts(path: Path, text: Callable[[str], str], number: int = 6) -> RunFolder:
    write_run(path, [text_trace(n, text) for n in range(number)], note={text("key"): text("value")})
    folder = RunFolder.read(path)
    folder.run["created"] = text("created")
    folder.run["versions"] = {text("package"): text("1.0")}
    return folder


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, payload: str) -> None:
    def text(what: str) -> str:
        return f"{what}{payload}"

    def harmless(what: str) -> str:
        return f"{what}{'x' * len(payload)}"

    hostile = check_harmless(render(report_figures(write_texts(tmp_path / "one", text))))
    plain = check_harmless(render(report_figures(write_texts(tmp_path / "two", harmless))))
    assert sorted(hostile.tags) == sorted(plain.tags)
    said = "".join(hostile.text).replace("\r", "\n")
    shown = payload.replace("\x00", "\ufffd")
    for what in ("step", "reason", "answer", "gold", "prompt", "message", "verifier", "created"):
        assert f"{what}{payload}" in said or f"{what}{shown}" in said, what


def test_hostile_measurements_and_paths_stay_text(tmp_path: Path) -> None:
    path = write_grown(tmp_path / "<script>alert(1)<script>", [grown_trace(1)])
    (path / "trust").mkdir()
    rate = {"rate": 0.5, "low": 0.1, "high": 0.9, "judged": 5}
    facts = {
        "audit": {"verifier": HOSTILE[0], "wrong": rate, "right": rate},
        "agreement": {"judged_by": HOSTILE[1], "agreement": None, "decided": 0},
        "hygiene": {"contamination": {"against": HOSTILE, "problems": 3}},
    }
    for name, found in facts.items():
        content = {"facts": found, "state": HOSTILE[2], "berry": "0"}
        (path / "trust" / f"{name}.json").write_text(json.dumps(content))
    found = check_harmless(render(report_figures(RunFolder.read(path))))
    assert HOSTILE[0] in "".join(found.text)


@pytest.mark.parametrize("letter", ["&", "\U0001f4a9"])
def test_the_file_is_small_whatever_the_texts(tmp_path: Path, letter: str) -> None:
    folder = write_texts(tmp_path / "run", lambda what: what + 20_000 * letter, number=25)
    content = render(report_figures(folder))
    assert len(content) <= MOST_BYTES
    assert check_harmless(content).tags.count("details") > 20


def test_the_file_is_small_with_large_trees(tmp_path: Path) -> None:
    tree = Tree((1,), "large")
    for rollout in range(40):
        tree.add(ROOT, rollout, make_rollout(*["<" * 400] * 50))
    found = trajectories(tree)
    decided = Pruner(PruneConfig()).prune(found, tree)
    traces = [
        Trace(
            problem=make_trace(f"{number}" + "<" * 5000, "3", []).problem,
            seed=1,
            tree=tree,
            trajectories=found,
            decisions=decided,
        )
        for number in range(4)
    ]
    figures = report_figures(RunFolder.read(write_run(tmp_path / "run", traces)))
    assert [one.num_nodes for one in figures.samples] == [2000] * 4
    content = render(figures)
    assert content.count(b'class="sample"') == 4
    assert len(content) < MOST_BYTES * 4 / 20


def test_samples_are_left_out_if_nothing_else_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = report_figures(
        RunFolder.read(write_grown(tmp_path / "run", [grown_trace(n) for n in range(20)]))
    )
    whole = render(figures)
    monkeypatch.setattr(page, "MOST_BYTES", len(whole) - 1)
    fewer = render(figures)
    assert len(fewer) < len(whole)
    assert "more are left out" in fewer.decode()


def test_the_page_says_first_what_decides(tmp_path: Path) -> None:
    traces = [grown_trace(number) for number in range(30)]
    folder = RunFolder.read(write_grown(tmp_path / "run", traces))
    found = check_harmless(render(report_figures(folder)))
    text = "".join(found.text)
    kept = sum(len(trace.kept) for trace in traces)
    solved = sum(bool(trace.kept) for trace in traces)
    assert f"{kept} responses to train on, from {solved} of 30 problems" in text
    assert "Not checked: whether questions of test sets are among the problems" in text
    assert [value for name, value in found.attributes if name == "id"] == [
        "findings", "funnel", "difficulty", "trust", "depth", "lengths", "verifiers", "reward-models",
        "speed", "config", "samples",
    ]  # fmt: skip
    assert found.tags.index("h1") < found.tags.index("ul") < found.tags.index("h2")


def test_a_run_without_a_part_has_a_report(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run", RUN_JSON)
    folder.close()
    text = "".join(check_harmless(write_and_read(tmp_path / "run")).text)
    assert "Nothing is committed yet" in text
    assert "Do not train on this yet" in text


def write_and_read(path: Path) -> bytes:
    return write_report(RunFolder.read(path)).path.read_bytes()


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    path = write_grown(tmp_path / "run", [grown_trace(number) for number in range(8)])
    (path / "journal" / "complete.json").unlink()
    text = "".join(check_harmless(write_and_read(path)).text)
    assert "The run is unfinished" in text
    assert "unfinished" in text.split("Look at")[0]


NEWER = {
    "nodes": {"max_surprisal", "logprobs", "score", "cut_score"},
    "trajectories": {"no_answer", "score", "p_correct", "decision_score", "messages_match"},
}


def earlier(table: pa.Table) -> pa.Table:
    """The trees without the columns that earlier versions did not have."""
    table = table.drop_columns(["source_id", "failures", "warnings", "scored_by", "prompt_opening"])
    for name, newer in NEWER.items():
        kept = [field for field in table.schema.field(name).type.value_type if field.name not in newer]
        rows = [
            [{field.name: one[field.name] for field in kept} for one in row]
            for row in table[name].to_pylist()
        ]
        column = pa.array(rows, pa.list_(pa.struct(kept)))
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def test_a_run_of_an_earlier_version_has_a_report(tmp_path: Path) -> None:
    path = write_grown(tmp_path / "run", [grown_trace(number, scored=False) for number in range(8)])
    for file in (path / "data" / "trees").iterdir():
        old = earlier(pq.read_table(file))
        assert old.num_columns < len(VIEWS["trees"].schema)
        pq.write_table(old, file)
    # Sizes in the journal are those of the files.
    for entry in (path / "journal").glob("part-*.json"):
        edit_sizes(path, entry)
    figures = write_report(RunFolder.read(path)).figures
    assert figures.trees.certainty == []
    assert figures.trees.step_scores is None
    assert len(figures.samples) == 8
    check_harmless((path / "report.html").read_bytes())


def edit_sizes(path: Path, entry: Path) -> None:
    """Gives the journal the size of the trees that were written again, without their checksum."""
    read = json.loads(entry.read_text())
    del read["checksum"], read["digests"]
    file = path / "data" / "trees" / f"{entry.stem}.parquet"
    read["sizes"]["trees"] = file.stat().st_size
    entry.write_text(json.dumps(sealed(read)))


def test_a_damaged_part_is_left_out_and_named(tmp_path: Path, here: Berry) -> None:
    path = write_grown(tmp_path / "run", [grown_trace(number) for number in range(8)])
    (path / "data" / "trees" / "part-0000000.parquet").write_bytes(b"PAR1")
    done = here("report", path)
    assert done.returncode == 1
    assert "1 missing or damaged files" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    text = "".join(check_harmless((path / "report.html").read_bytes()).text)
    assert "part-0000000.parquet" in text
    assert len(RunFolder.read(path).parts) == 2


def test_the_command_writes_the_file_and_prints_figures(tmp_path: Path, here: Berry) -> None:
    path = write_grown(tmp_path / "run", [grown_trace(number) for number in range(8)])
    done = here("report", path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path / 'report.html'} (")
    other = tmp_path / "elsewhere.html"
    done = here("report", path, "--output", other, "--json")
    facts: dict[str, Any] = json.loads(done.stdout)
    assert (facts["output"], facts["num_bytes"]) == (str(other), other.stat().st_size)
    assert facts["counts"]["problems"] == 8
    assert facts["trees"]["coverage"][0]["k"] == 1
    assert {one["kind"] for one in facts["samples"]}
    # The report is the same whenever it is written.
    assert other.read_bytes() == (path / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["nowhere"], "expected a run folder"), (["run", "--output", "no/such/folder.html"], "no/such")],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, here: Berry, arguments: list[str], expected: str
) -> None:
    write_grown(tmp_path / "run", [grown_trace(1)])
    done = here("report", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_in_a_store_has_its_report_there(tmp_path: Path, here: Berry) -> None:
    with running_store() as store:
        from s3fs import S3FileSystem

        from pipeline.files.storage import place, read_bytes

        S3FileSystem(endpoint_url=store.url).mkdir("bucket")
        path = place("s3://bucket/out")
        write_grown(path, [grown_trace(number) for number in range(5)])
        done = here("report", "s3://bucket/out")
        assert done.returncode == 0, done.stderr
        check_harmless(read_bytes(path / "report.html"))


def test_a_report_that_fails_is_a_line_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder.read(write_grown(tmp_path / "run", [grown_trace(1)]))
    said: list[str] = []
    report_or_warn(folder, said.append)
    assert not said
    monkeypatch.setattr(page, "render", lambda figures: 1 / 0)
    report_or_warn(folder, said.append)
    assert said == [
        "warning: the report cannot be written (ZeroDivisionError: division by zero); the run is "
        "complete without it"
    ]
    assert "Traceback" in caplog.text


def test_commands_of_the_page_name_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "my run", [make_trace("one", "3", [("3", True), ("4", False)])])
    text = "".join(seen(render(report_figures(RunFolder.read(run)))).text)
    assert f"berry audit-verifier '{run}'" in text
    assert " OUT" not in text


def test_the_page_says_what_the_reasons_mean_and_what_was_left_out(tmp_path: Path) -> None:
    answers = [("3", True), ("3", True), ("4", False)]
    run = write_run(tmp_path / "run", [make_trace("one", "3", answers)])
    folder = RunFolder.read(run)
    before = "".join(seen(render(report_figures(folder))).text)
    assert "Left out of the problem set" not in before
    assert "an earlier response to the problem has the same text" in before
    assert "it reached the token limit" not in before
    folder.complete = {"duplicates": 4, "bad_rows": 1}
    text = "".join(seen(render(report_figures(folder))).text)
    assert "4 problems with the text of an earlier one, 1 row that could not be read" in text
