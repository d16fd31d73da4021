"""`berry verify`: rows in, verdicts out, in the same order, for any content of the rows."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.responses import file as verify_file
from tests.conftest import Berry
from tests.patience import wait_until
from verifiers import Outcome, Target, Verdict

BERRY = str(Path(sys.executable).parent / "berry")
COLUMNS = {"id", "outcome", "reason", "extracted", "verifier"}


def write(path: Path, *rows: object) -> None:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_gets_a_verdict_in_order(here: Berry, tmp_path: Path) -> None:
    write(
        tmp_path / "in.jsonl",
        {"id": "a", "gold": "1/2", "response": r"\boxed{0.5}"},
        {"id": 2, "gold": 11, "response": r"\boxed{1}"},
        {"id": "large", "gold": "7", "response": r"\boxed{\sin(9^{9^{9^9}})}"},
        {"gold": "x+1", "response": r"\boxed{1+x}"},
        {"id": "none", "gold": "3", "response": "no idea"},
        {"id": "odd", "gold": "3", "response": "\ud800 \\boxed{3}"},
        {"id": "share", "gold": "50", "response": r"\boxed{50\%}", "prompt": "What percentage is it?"},
    )
    done = here("verify", "math", "--input", "in.jsonl", "--output", "out.jsonl", "--workers", 2)
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == ["a", 2, "large", 4, "none", "odd", "share"]
    outcomes = ["pass", "fail", "error", "pass", "abstain", "pass", "pass"]
    assert [row["outcome"] for row in rows] == outcomes
    assert all(set(row) == COLUMNS for row in rows)
    assert all(str(row["verifier"]).startswith("math") for row in rows)
    assert [row["extracted"] for row in rows][:2] == ["0.5", "1"]


def test_thousands_of_rows_are_streamed(berry: Berry, tmp_path: Path) -> None:
    rows = [{"id": n, "gold": str(n % 7), "response": f"#### {n % 5}"} for n in range(10_000)]
    write(tmp_path / "in.jsonl", *rows)
    done = berry("verify", "math", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == list(range(10_000))
    assert [row["outcome"] == "pass" for row in found] == [n % 7 == n % 5 for n in range(10_000)]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{", "in.jsonl, line 2: is not JSON"),
        (
            '{"id": NaN, "gold": "1", "response": "1"}',
            "line 2: field 'id': expected a text or a number",
        ),
        ("[]", "line 2: expected an object"),
        ({"gold": "1"}, "line 2: field 'response': expected a text"),
        ({"response": "1"}, "line 2: field 'gold': expected a text or a number"),
    ],
)
def test_a_bad_row_is_named_after_the_verdicts_before_it(
    here: Berry, tmp_path: Path, bad: object, complaint: str
) -> None:
    write(tmp_path / "in.jsonl", {"id": 1, "gold": "1", "response": r"\boxed{1}"}, bad)
    done = here("verify", "math", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == [1]


def test_numbers_that_strict_json_does_not_have_concern_their_row_alone(
    here: Berry, tmp_path: Path
) -> None:
    def row(name: str, expected: str) -> str:
        cases = f'[{{"args": [], "expected": {expected}}}]'
        target = f'{{"kind": "calls", "entry_point": "f", "cases": {cases}}}'
        return f'{{"id": "{name}", "target": {target}, "response": "def f(): return float(\'inf\')"}}'

    write(tmp_path / "in.jsonl", row("inf", "Infinity"), row("minus", "-Infinity"), row("nan", "NaN"))
    done = here("verify", "code", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [row["outcome"] for row in read(tmp_path / "out.jsonl")] == ["pass", "fail", "fail"]

    right = {"gold": "1", "response": r"\boxed{1}"}
    write(tmp_path / "in.jsonl", right, '{"gold": Infinity, "response": "1"}', right)
    done = here("verify", "math", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "out.jsonl")
    assert [row["outcome"] for row in found] == ["pass", "error", "pass"]
    assert "line 2: field 'gold': expected a text or a number" in str(found[1]["reason"])


def test_rows_in_flight_are_bounded_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = waiting = 0

    class Slow:
        name, version, target_kinds = "slow", "1", ("math",)

        async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
            nonlocal most, waiting
            waiting += 1
            most = max(most, waiting)
            await asyncio.sleep(0.01)
            waiting -= 1
            return Verdict(outcome=Outcome.PASS, reason="", verifier="slow", version="1", seconds=0.0)

    monkeypatch.setattr(verify_file, "_BYTES_IN_FLIGHT", 5_000)
    write(tmp_path / "in.jsonl", *({"gold": "1", "response": "x" * 1000} for _ in range(50)))
    counted = asyncio.run(
        verify_file.verify_file(Slow(), tmp_path / "in.jsonl", tmp_path / "out.jsonl", verify_file.MATH)
    )
    assert (counted["pass"], most) == (50, 5)


@pytest.mark.parametrize(
    ("source", "output"), [("nowhere.jsonl", "out.jsonl"), ("in.jsonl", "nowhere/out.jsonl")]
)
def test_a_file_that_cannot_be_opened_is_named(
    here: Berry, tmp_path: Path, source: str, output: str
) -> None:
    write(tmp_path / "in.jsonl", {"gold": "1", "response": "1"})
    done = here("verify", "math", "--input", source, "--output", output)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("No such file or directory")
    assert "nowhere" in done.stderr


INC = {"kind": "calls", "entry_point": "inc", "cases": [{"args": [1], "expected": 2}]}
ECHO = {
    "kind": "stdin_stdout",
    "cases": [{"input": "a\n", "output": "a"}],
    "limits": {"cpu_seconds": 1},
}


def test_code_gets_verdicts_with_evidence_in_order(berry: Berry, tmp_path: Path) -> None:
    tests = "def check(candidate):\n    assert candidate(1) == 2\n"
    asserts = {"kind": "asserts", "prompt": "def inc(x):\n", "tests": tests, "entry_point": "inc"}
    write(
        tmp_path / "in.jsonl",
        {"id": "right", "response": "```python\ndef inc(x): return x + 1\n```", "target": INC},
        {"id": "wrong", "response": "def inc(x): return x", "target": INC},
        {"id": "loop", "response": "while True: pass", "target": ECHO},
        {"id": "echo", "response": "print(input())", "target": ECHO},
        {"id": "prose", "response": "I would rather not.", "target": ECHO},
        {"id": "body", "response": "    return x + 1\n", "target": asserts},
        *({"id": n, "response": "print(input())", "target": ECHO} for n in range(100)),
    )
    done = berry("verify", "code", "--input", "in.jsonl", "--output", "out.jsonl", "--processes", 2)
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "out.jsonl")
    assert all(set(row) == {"id", "outcome", "reason", "evidence"} for row in rows)
    assert [(row["id"], row["outcome"]) for row in rows[:6]] == [
        ("right", "pass"),
        ("wrong", "fail"),
        ("loop", "fail"),
        ("echo", "pass"),
        ("prose", "abstain"),
        ("body", "pass"),
    ]
    assert [row["id"] for row in rows[6:]] == list(range(100))
    assert "level" in str(rows[0]["evidence"])
    assert done.stderr.split(", ")[0] == "103 pass"


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"response": "x = 1"}, "line 2: field 'target': expected an object with a kind"),
        ({"response": "x = 1", "target": {"kind": "magic"}}, "line 2: target: "),
        ({"response": "x = 1", "target": {"kind": "calls", "cases": []}}, "entry_point"),
        ({"response": "x = 1", "target": {**INC, "limits": {"cpu": 1}}}, "limits.cpu"),
    ],
)
def test_a_bad_code_row_is_named(here: Berry, tmp_path: Path, bad: object, complaint: str) -> None:
    write(tmp_path / "in.jsonl", {"id": 1, "response": "def inc(x): return x + 1", "target": INC}, bad)
    done = here("verify", "code", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [row["outcome"] for row in read(tmp_path / "out.jsonl")] == ["pass"]


OWN = """
from pydantic import BaseModel
from verifiers import Outcome, Target, Verdict

class Mine:
    class Config(BaseModel, extra="forbid"):
        prefix: str = ""

    name, version = "mine", "2"

    def __init__(self, config):
        self.config = config

    def start(self):
        if self.config.prefix == "broken":
            raise RuntimeError("no model")

    def verify(self, prompt, response, target):
        if response == "raise":
            raise RuntimeError("a bug")
        same = response == self.config.prefix + str(target.tests.get("wanted", target.value))
        return Verdict(
            outcome=Outcome.PASS if same else Outcome.FAIL,
            reason="compared",
            extracted=response,
            evidence={"kind": target.kind},
            verifier=self.name,
            version=self.version,
        )
"""
ANY_ROWS: list[dict[str, object]] = [
    {"id": "value", "target": {"kind": "a", "value": "4"}, "response": "n4"},
    {"id": "tests", "target": {"kind": "b", "wanted": [1]}, "response": "n[1]"},
    {"id": "wrong", "target": {"kind": "a", "value": "4"}, "response": "n5"},
    {"id": "bug", "target": {"kind": "a", "value": "4"}, "response": "raise"},
    {"target": {"kind": "a", "value": "\ud800"}, "response": "n\ud800"},
]


@pytest.mark.parametrize("settings", [[], ["processes=2"]])
def test_any_verifier_judges_rows_with_targets(
    berry: Berry, tmp_path: Path, settings: list[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    write(tmp_path / "in.jsonl", *ANY_ROWS)
    files = ("--input", "in.jsonl", "--output", "out.jsonl")
    done = berry("verify", "use", "mine:Mine", "prefix=n", *settings, *files)
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "out.jsonl")
    assert all(set(row) == COLUMNS | {"evidence"} for row in rows)
    assert [row["id"] for row in rows] == ["value", "tests", "wrong", "bug", 5]
    assert [row["outcome"] for row in rows] == ["pass", "pass", "fail", "error", "pass"]
    assert [row["evidence"] for row in rows[:2]] == [{"kind": "a"}, {"kind": "b"}]
    assert rows[3]["reason"] == "the verifier raised RuntimeError: a bug"
    assert {row["verifier"] for row in rows} == {"mine/2"}


def test_combined_verifiers_judge_rows_with_targets(here: Berry, tmp_path: Path) -> None:
    write(
        tmp_path / "in.jsonl",
        {"id": "sum", "target": {"kind": "math", "value": "1/2"}, "response": r"\boxed{0.5}"},
        {"id": "inc", "target": INC, "response": "def inc(x): return x + 1"},
    )
    verifiers = "verifiers=[{use: code}, {use: math}]"
    files = ("--input", "in.jsonl", "--output", "out.jsonl")
    done = here("verify", "use", "first_decisive", verifiers, *files)
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "out.jsonl")
    assert [row["outcome"] for row in rows] == ["pass", "pass"]
    assert [str(row["reason"]).split(":")[0] for row in rows] == ["math", "code"]


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["mine:Mine", "suffix=n"], 2, "mine:Mine: suffix: unknown key"),
        (["mine:Mine", "prefix"], 2, "prefix: expected key=value"),
        (["mine:Yours"], 2, "'mine:Yours' cannot be imported"),
        (["yours:Mine"], 2, "'yours:Mine' cannot be imported: ModuleNotFoundError"),
        (["maths"], 2, "did you mean math?"),
        (["code", "processes=2"], 2, "'code' has processes of its own"),
        (["mine:Mine", "prefix=broken"], 3, "the verifier cannot start: RuntimeError: no model"),
        (["mine:Mine", "prefix=broken", "processes=1"], 3, "RuntimeError: no model"),
        (["exact"], 2, "line 2: field 'target': expected an object with a `kind`, got 'x'"),
    ],
)
def test_a_mistake_with_any_verifier_is_one_line(
    berry: Berry, tmp_path: Path, arguments: list[str], status: int, complaint: str
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    write(tmp_path / "in.jsonl", ANY_ROWS[0], {"response": "1", "target": "x"})
    done = berry("verify", "use", *arguments, "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == status
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_input_costs_no_output(here: Berry, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("kept\n")
    missing = here("verify", "math", "--input", "typo.jsonl", "--output", "out.jsonl")
    assert missing.returncode == 2
    assert "typo.jsonl" in missing.stderr
    same = here("verify", "math", "--input", "out.jsonl", "--output", "out.jsonl")
    assert same.returncode == 2
    assert "expected an output file other than the input" in same.stderr
    assert (tmp_path / "out.jsonl").read_text() == "kept\n"


def test_an_interruption_leaves_the_verdicts_before_it_in_order(tmp_path: Path) -> None:
    rows = [{"id": n, "gold": "2", "response": rf"\boxed{{\sqrt{{4}}+{n}-{n}}}"} for n in range(60_000)]
    write(tmp_path / "in.jsonl", *rows)
    command = [BERRY, "verify", "math", "--input", "in.jsonl", "--output", "out.jsonl"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: output_begun(tmp_path), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert 0 < len(ids) < len(rows)
    assert ids == list(range(len(ids)))


def output_begun(folder: Path) -> bool:
    output = folder / "out.jsonl"
    return output.exists() and output.stat().st_size > 0


BROKEN = """
import sys
from pydantic import BaseModel, model_validator
from verifiers import Outcome, Target, Verdict

class Good:
    class Config(BaseModel):
        pass
    name, version = "good", "1"
    def __init__(self, config):
        pass
    def verify(self, prompt, response, target):
        return Verdict(outcome=Outcome.PASS, reason="yes", verifier=self.name, version=self.version)

class NoClass(Good):
    Config = 5

class BadCheck(Good):
    class Config(BaseModel):
        @model_validator(mode="after")
        def check(self):
            raise TypeError("no luck")

class ExitsBuilt(Good):
    def __init__(self, config):
        sys.exit(5)

class ExitsAtStart(Good):
    def start(self):
        sys.exit(7)

class BreaksAtTheEnd(Good):
    def close(self):
        raise RuntimeError("no luck")
"""


@pytest.mark.parametrize(
    ("use", "status", "complaint"),
    [
        ("broken:NoClass", 2, "expected 'broken:NoClass' to be a class with a pydantic model"),
        ("broken:BadCheck", 2, "the options of 'broken:BadCheck' cannot be checked"),
        ("broken:ExitsBuilt", 2, "'broken:ExitsBuilt' cannot be built: SystemExit: 5"),
        ("broken:ExitsAtStart", 3, "the verifier cannot start: SystemExit: 7"),
        ("broken:BreaksAtTheEnd", 3, "the verifier cannot close: RuntimeError: no luck"),
        ("exits:Verifier", 2, "'exits:Verifier' cannot be imported: SystemExit: 3"),
    ],
)
def test_a_verifier_that_breaks_around_its_work_is_one_line(
    here: Berry, tmp_path: Path, use: str, status: int, complaint: str
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "exits.py").write_text("raise SystemExit(3)")
    write(tmp_path / "in.jsonl", {"target": {"kind": "any"}, "response": "x"})
    done = here("verify", "use", use, "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == status, done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
