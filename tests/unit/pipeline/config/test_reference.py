"""The page of all keys is the code's own, and says something about each key."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from pipeline.cli.keys import option_models
from pipeline.config.reference import _table, field_docs, render_reference
from tests.conftest import ROOT


def test_the_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "config-keys.md").read_text()
    assert page == render_reference(option_models()), "run `berry keys > docs/config-keys.md`"


def test_every_key_is_explained() -> None:
    rows = [
        line.split(" | ")
        for line in render_reference(option_models()).splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 200
    missing = [row[0] for row in rows if len(row[-1].rstrip(" |")) < 5]
    assert not missing, f"write a text under these fields: {missing}"


class Inner(BaseModel):
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most of them."""


class Outer(BaseModel):
    mode: Literal["one", "other"] = "one"
    """A | sign."""
    inner: Inner = Inner()
    share: float = Field(default=0.5, gt=0, le=1)
    """In two
    lines."""
    path: str


class Derived(Outer):
    more: bool = False
    """Of its own."""


@pytest.mark.parametrize(
    "row",
    [
        "| `mode` | `one` or `other` | `one` | A \\| sign. |",
        "| `inner.limit` | whole number or null |  | Most of them. |",
        "| `share` | number, > 0, ≤ 1 | `0.5` | In two lines. |",
        "| `path` | text | (required) |  |",
    ],
)
def test_a_row_says_what_may_stand_there_and_what_it_is_else(row: str) -> None:
    assert row in _table(Outer, Outer.model_fields).splitlines()


def test_the_texts_of_what_a_model_extends_are_its_own_too() -> None:
    assert field_docs(Derived)["mode"] == "A | sign."
    assert field_docs(Derived)["more"] == "Of its own."
