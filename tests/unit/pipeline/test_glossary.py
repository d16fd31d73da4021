"""The glossary explains every value that a column of states can have, and no other."""

import re
from enum import StrEnum

import pytest

from pipeline.chat import MessageMatch
from pipeline.datasets.views.columns import LabelSource
from pipeline.records import Phase, Stage, Status
from pipeline.tree import Finish
from tests.conftest import ROOT
from verifiers import Outcome

SECTIONS: dict[str, type[StrEnum]] = {
    "Outcomes": Outcome,
    "Statuses": Status,
    "Finish reasons": Finish,
    "Drop reasons": Stage,
    "Phases": Phase,
    "Label sources": LabelSource,
    "Message matches": MessageMatch,
}
WORDS = ("trial", "visit", "branch", "rollout", "trajectory", "survivor")


def section(name: str) -> str:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_value_is_explained_in_the_order_of_the_code(name: str) -> None:
    explained = re.findall(r"^\| `(\w+)` \| \S", section(name), re.MULTILINE)
    assert explained == [value.value for value in SECTIONS[name]]


def test_every_word_is_explained() -> None:
    explained = re.findall(r"^\| (\w+) \| \S", section("Words"), re.MULTILINE)
    assert set(WORDS) <= set(explained)


@pytest.mark.parametrize("page", ["README.md", "docs/run-folder.md"])
def test_it_can_be_found(page: str) -> None:
    assert "glossary.md" in (ROOT / page).read_text(encoding="utf-8")
