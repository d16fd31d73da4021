"""Which file an export writes, by its name."""

from pathlib import Path

import pytest

from pipeline.derive.export_file import file_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("b.jsonl", ".jsonl"), ("b.JSONL", ".jsonl"), ("b.Parquet", ".parquet"), ("folder", None)],
)
def test_the_case_of_a_suffix_does_not_matter(name: str, kind: str | None) -> None:
    assert file_kind(Path(name)) == kind
