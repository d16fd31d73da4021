"""`berry check`: what would spoil a run is found before it."""

import json
from pathlib import Path

import pytest

from pipeline.engines.models import prepare
from tests.conftest import REAL_MODEL, ROOT, Berry
from tests.tiny_models import base_model

SIMULATED = ROOT / "configs" / "simulated.yaml"
GSM8K = ROOT / "configs" / "gsm8k.yaml"


def write_rows(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_sound_problem_set_costs_no_tokens(here: Berry, tmp_path: Path) -> None:
    done = here("check", SIMULATED, "problems.size=20")
    assert done.returncode == 0, done.stderr
    assert "problems   20; 0 duplicates, 0 bad rows" in done.stdout
    assert "golds      20 judged against themselves, 20 pass" in done.stdout
    assert done.stdout.count("as the model reads it") == 3
    assert "tokens     at most " in done.stdout
    assert "nothing that would spoil a run" in done.stdout
    assert list(tmp_path.iterdir()) == [], "a check writes nothing"


def test_problems_without_variants_are_counted_by_reason(here: Berry, tmp_path: Path) -> None:
    worked = "Ada has 4 bags of 6 apples, which is 4 * 6 = <<4*6=24>>24 apples.\n#### 24"
    write_rows(
        tmp_path / "p.jsonl",
        {"question": "Ada has 4 bags of 6 apples. How many apples does she have?", "answer": worked},
        {"question": "Which day follows Monday?", "answer": "#### Tuesday"},
    )
    options = (GSM8K, "problems.path=p.jsonl", "problems.variants.numbers=2", "verifier.use=exact")
    facts = json.loads(here("check", *options, "--json").stdout)
    assert facts["problems"] == 4
    assert facts["variants"] == {
        "num_problems": 2,
        "num_templates": 1,
        "num_variants": 2,
        "refused": {"no_number_answer": 1},
    }
    said = here("check", *options).stdout
    assert "variants   2 of 2 problems; problems without any, by reason: 1 no_number_answer" in said


def test_bad_rows_and_bad_golds_are_named(here: Berry, tmp_path: Path) -> None:
    write_rows(
        tmp_path / "p.jsonl",
        {"prompt": "What is 1 + 1?", "answer": "2"},
        {"prompt": "What is 1 + 1?", "answer": "2"},
        {"prompt": "", "answer": "3"},
        {"prompt": "What is 1/2?", "answer": r"\frac{1}{"},
        {"prompt": "What is 3 + 4?", "answer": "3 + 4 is 7, which we find on our fingers.\n#### 7"},
    )
    found = here(
        "check", SIMULATED, "problems.path=p.jsonl", "problems.preset=plain", "verifier.use=math"
    )
    assert found.returncode == 1
    assert "problems   3; 1 duplicates, 1 bad rows" in found.stdout
    assert "p.jsonl, line 3" in found.stdout
    assert "judged against itself is" in found.stdout
    assert "problems.answer_after='####'" in found.stdout
    assert found.stderr.splitlines()[-1] == "berry: findings that would spoil a run: 3"


def test_a_run_warns_of_gold_answers_that_are_whole_solutions(
    joined: Berry, here: Berry, gsm8k: Path
) -> None:
    wrong = (f"problems.path={gsm8k}", "problems.limit=8", "problems.preset=plain")
    done = joined(SIMULATED, "output=out", *wrong, "problems.prompt_field=question")
    assert done.stderr.count("warning: problem ") == 1
    assert "problems.answer_after='####'" in done.stderr
    assert "8 doubtful gold answers" in done.stdout
    assert "8 doubtful gold answers" in here("show", "out").stdout


def test_real_problems_through_a_real_chat_template(here: Berry, gsm8k: Path) -> None:
    prepare(REAL_MODEL)
    done = here("check", GSM8K, f"problems.path={gsm8k}")
    assert done.returncode == 0, done.stderr
    assert "golds      7473 judged against themselves, 7473 pass" in done.stdout
    assert "<|im_start|>user\nNatalia sold clips" in done.stdout
    assert "tokens; the model takes 2048" in done.stdout
    assert "time       at most " in done.stdout


def test_prompts_longer_than_the_context_are_named(here: Berry, tmp_path: Path) -> None:
    base_model(tmp_path / "model")
    rows = [
        {"prompt": f"What is {n} + 1? {'Think well. ' * 200 * n}", "answer": n + 1} for n in range(3)
    ]
    write_rows(tmp_path / "p.jsonl", *rows)
    plain = ("problems.path=p.jsonl", "problems.preset=plain", "engine.max_model_len=512")
    done = here("check", GSM8K, *plain, "engine.model=./model")
    assert done.returncode == 1
    assert "prompts that leave no room for a response: 2" in done.stdout
    assert "the limit is 512" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("problems.path=none.jsonl",), "none.jsonl does not exist"),
        (("engine.model=./none",), "expected a model folder, but ./none does not exist"),
        (("engine.model=./empty",), "expected a model folder with config.json"),
    ],
)
def test_what_cannot_be_checked_is_one_line(
    here: Berry, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_rows(tmp_path / "p.jsonl", {"question": "1 + 1?", "answer": "#### 2"})
    done = here("check", GSM8K, "problems.path=p.jsonl", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert said in done.stderr.splitlines()[-1]


def test_kinds_of_targets_that_the_verifier_does_not_take_are_named(
    here: Berry, tmp_path: Path
) -> None:
    write_rows(
        tmp_path / "p.jsonl",
        {"prompt": "1 + 1?", "target": {"kind": "math", "value": 2}},
        {"prompt": "(A) or (B)?", "target": {"kind": "choice", "value": "B"}},
        {"prompt": "(A) or (C)?", "target": {"kind": "choice", "value": "C"}},
    )
    mixed = ("check", SIMULATED, "problems.path=p.jsonl", "problems.preset=target")
    found = here(*mixed, "verifier.use=math")
    assert found.returncode == 1
    assert "problems with a kind of target that the verifier does not take: 2" in found.stdout
    assert "takes targets of kind math, not choice" in found.stdout
    assert "golds      1 judged against themselves, 1 pass" in found.stdout
    sound = here(*mixed, "verifier.use=by_kind")
    assert sound.returncode == 0, sound.stdout
    assert "golds      3 judged against themselves, 3 pass" in sound.stdout


def test_a_verifier_that_breaks_on_an_empty_response_judges_the_golds_all_the_same(
    here: Berry, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from pydantic import BaseModel\n\n"
        "from verifiers import Outcome, Verdict\n\n\n"
        "class Last:\n"
        "    name, version = 'last', '1'\n\n"
        "    class Config(BaseModel, extra='forbid'):\n"
        "        pass\n\n"
        "    def __init__(self, config):\n"
        "        pass\n\n"
        "    def verify(self, prompt, response, target):\n"
        "        right = target.value in response.split()[-1]\n"
        "        outcome = Outcome.PASS if right else Outcome.FAIL\n"
        "        return Verdict(outcome=outcome, reason='r', verifier='last', version='1')\n"
    )
    done = here("check", SIMULATED, "problems.size=4", "verifier.use=mine:Last")
    assert done.returncode == 0, done.stdout
    assert "golds      4 judged against themselves, 4 pass" in done.stdout


def test_an_empty_problem_set_is_found(here: Berry, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,answer\n")
    done = here("check", SIMULATED, "problems.path=p.csv", "problems.preset=plain")
    assert done.returncode == 1
    assert "problem set is empty" in done.stdout
