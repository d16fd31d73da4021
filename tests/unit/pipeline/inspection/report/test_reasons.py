"""The report explains every reason for which a rollout can be lost."""

from pathlib import Path

from pipeline.inspection.funnel import FunnelStage
from pipeline.inspection.report.reasons import MEANINGS, explain_reasons
from pipeline.records import Stage

DOCS = Path(__file__).parents[5] / "docs"


def test_every_rule_is_explained_and_every_setting_exists() -> None:
    assert set(MEANINGS) == set(Stage)
    text = "".join((DOCS / name).read_text() for name in ("config-keys.md", "hygiene.md"))
    for _, setting in MEANINGS.values():
        assert setting.removeprefix("hygiene.") in text


def test_only_what_occurs_is_explained_in_the_order_of_the_funnel() -> None:
    stages = [
        FunnelStage(stage="passed", count=5, fraction=0.5, lost={"failed": 5}),
        FunnelStage(stage="kept", count=1, fraction=0.1, lost={"duplicate": 3, "of_an_old_run": 1}),
    ]
    found = [(one.name, one.count, one.setting) for one in explain_reasons(stages)]
    assert found == [("failed", 5, ""), ("duplicate", 3, "prune.drop_duplicates")]
