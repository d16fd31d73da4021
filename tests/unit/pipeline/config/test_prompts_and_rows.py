"""Prompts and columns of a config: the gold answer stays hidden, and rows get a kind of target."""

from pathlib import Path

import pytest
import yaml

from pipeline.config import ConfigError, load_config
from pipeline.records import Problem
from tests.unit.pipeline.config.test_config import MINIMAL

_ROWS = {"use": "file", "path": "p.jsonl"}


@pytest.mark.parametrize(
    ("prompt", "problems", "complaint"),
    [
        ("template=Solve", {}, "prompt.template: expected a template with {problem}, the place of the"),
        ("template='{{problem}}'", {}, "prompt.template: expected a template with {problem}"),
        ("system='{problem}'", {}, "prompt.system: expected a text that is the same for every problem"),
        ("template='{problem} {answer}'", {}, "expected other columns than {answer}, which has the"),
        ("template='{problem} {a}'", {"answer_field": "a"}, "other columns than {a}, which has the"),
        ("template='{problem} {target}'", {"preset": "code"}, "other columns than {target}"),
        ("template='{problem} {test}'", {"preset": "humaneval"}, "other columns than {test}"),
    ],
)
def test_a_prompt_that_cannot_be_meant_is_refused(
    path: Path, prompt: str, problems: dict[str, str], complaint: str
) -> None:
    path.write_text(yaml.safe_dump(MINIMAL | {"problems": _ROWS | problems}))
    with pytest.raises(ConfigError) as caught:
        load_config(path, [f"prompt.{prompt}"])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("template", "problems"),
    [
        ("{problem} \\boxed{answer}", {}),
        ("{problem} {{answer}}", {}),
        ("{problem} {answer}", {"answer_field": "a"}),
        ("{problem} {answer}", {"answers": "none"}),
        ("{problem} {subject} {entry_point}", {"preset": "humaneval"}),
    ],
)
def test_a_prompt_without_the_gold_answer_is_taken(
    path: Path, template: str, problems: dict[str, str]
) -> None:
    path.write_text(
        yaml.safe_dump(MINIMAL | {"problems": _ROWS | problems, "prompt": {"template": template}})
    )
    assert load_config(path).prompt.template == template


def test_all_other_columns_are_asked_for_by_one_word(path: Path) -> None:
    for given, meta_fields in (("all", "all"), ("[level, url]", ["level", "url"])):
        config = load_config(path, ["problems.path=p.jsonl", f"problems.meta_fields={given}"])
        assert config.resolved()["problems"]["meta_fields"] == meta_fields
    with pytest.raises(ConfigError, match=r"problems\.meta_fields: expected .*, got"):
        load_config(path, ["problems.path=p.jsonl", "problems.meta_fields=level"])


@pytest.mark.parametrize(
    ("verifier", "given", "kind"),
    [
        ("math", None, "math"),
        ("exact", None, "math"),
        ("by_kind", None, "math"),
        ("multiple_choice", None, "choice"),
        ("multiple_choice", "multiple_choice", "multiple_choice"),
        ("multiple_choice", "math", "math"),
    ],
)
def test_rows_without_a_kind_get_the_one_that_the_verifier_takes(
    tmp_path: Path, verifier: str, given: str | None, kind: str
) -> None:
    rows = tmp_path / "p.jsonl"
    rows.write_text('{"prompt": "(A) or (B)?", "answer": "B"}\n')
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(MINIMAL))
    overrides = [f"problems.path={rows}", "problems.preset=plain", f"verifier={{use: {verifier}}}"]
    overrides += [] if given is None else [f"problems.target_kind={given}"]
    config = load_config(tmp_path / "c.yaml", overrides)
    (problem,) = config.open_source().rows()
    assert isinstance(problem, Problem)
    assert problem.target.kind == kind
