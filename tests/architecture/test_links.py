"""Links between pages, to files of the repository and to what the API reference documents are alive.

Pages are read as GitHub reads them; `tests/integration/test_site.py` builds the site from them.
Links to other servers are not followed.
"""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^ *```.*?^ *```\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FOLDERS = ("benchmarks", "configs", "docs", "pipeline", "requirements", "reward_models", "sandbox")
PATH = re.compile(rf"`((?:{'|'.join((*FOLDERS, 'tests', 'verifiers'))})/[\w./-]+)`")
REFERENCE = re.compile(r"^::: (\S+)$", re.MULTILINE)


@cache
def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """What can follow `#` in a link to the page, as GitHub and the site make it of headings."""
    headings = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text) for text in HEADING.findall(prose(page)))
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    )


def dead_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(CODE.sub("", prose(page))):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{target}: there is no file {path}"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{target}: {file.name} has no heading with the anchor {anchor}"


def is_documentable(name: str) -> bool:
    """Whether the API reference can document it: a module, or something in one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(module) and hasattr(importlib.import_module(module), attribute)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_dead_links(page: Path) -> None:
    assert list(dead_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    assert [path for path in PATH.findall(prose(page)) if not (ROOT / path).exists()] == []


def test_what_the_reference_documents_is_there() -> None:
    names = [name for page in PAGES for name in REFERENCE.findall(prose(page))]
    assert "verifiers" in names
    assert [name for name in names if not is_documentable(name)] == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One `name`, and more\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#one-name-and-more) [b](gone.md) [c](there.md#no-heading) [d](#here)\n"
        "`[e](gone.md)` [f](https://example.com/gone)\n```\n[g](gone.md)\n```\n"
    )
    assert list(dead_links(page)) == [
        "gone.md: there is no file gone.md",
        "there.md#no-heading: there.md has no heading with the anchor no-heading",
        "#here: page.md has no heading with the anchor here",
    ]
    assert is_documentable("verifiers.Verdict")
    assert not is_documentable("verifiers.no_such_name")
