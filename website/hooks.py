"""Adapts the pages in docs/, which are written for GitHub, to the Markdown that the site is built with.

GitHub needs no empty line before a list or a table, indents what belongs to a list item by two spaces
instead of four, and takes a note after a fence's language, such as the name of a file. Nothing else
is changed. Pages from outside docs/ join the site, and links to and from them follow.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ADDED = {"benchmarks.md": "benchmarks/README.md", "changelog.md": "CHANGELOG.md"}
"""Page of the site -> file of the repository."""

_FENCE = re.compile(r"^( *)(```+)(\w*)(?: (\S.*))?$")
_ITEM = re.compile(r"^(?:[-*]|\d+\.) ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from outside docs/; mkdocs calls it once for all files."""
    root = Path(config.config_file_path).parent
    for page, path in ADDED.items():
        # From where these files are, docs/ is reached by one of these names.
        text = re.sub(r"\]\((?:\.\./)?docs/", "](", (root / path).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Adapts a page; mkdocs calls it for each."""
    for page, path in ADDED.items():
        markdown = markdown.replace(f"](../{path}", f"]({page}")
    return "\n".join(_adapt(markdown.splitlines()))


def _adapt(lines: list[str]) -> Iterator[str]:
    fence, before, in_list = "", "", False
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
            yield f"  {line}" if in_list else line
            continue
        if line and not line.startswith(" "):
            in_list = bool(_ITEM.match(line)) or (in_list and bool(before))
        if not found and _begins_block(line, before):
            yield ""
        adapted = line
        if found:
            indent, fence, language, note = found.groups()
            # `exit=2` tells the tests which status a command ends with.
            title = f' title="{note}"' if note and "=" not in note else ""
            adapted = f"{indent}{fence}{language}{title}"
        yield f"  {adapted}" if in_list and line.startswith("  ") else adapted
        before = line


def _begins_block(line: str, before: str) -> bool:
    """Whether a list or a table begins right after a paragraph."""
    if not before.strip() or before.startswith(("#", " ", "|")) or _ITEM.match(before):
        return False
    return line.startswith("|") or bool(_ITEM.match(line))
