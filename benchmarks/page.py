"""benchmarks/README.md, put together from what each part measured last.

A part is measured alone and kept as `measured/NAME.json` with the machine, the day and the time that it
took, so that the page can be renewed part by part and each figure says where it was taken.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import Measured, table

_HERE = Path(__file__).parent
_MEASURED = _HERE / "measured"
PAGE = _HERE / "README.md"
_TEXT = """# Benchmarks
`make bench` measures all parts in turn and writes this page; `python -m benchmarks NAME ...`
measures and renews some ({names}).
What is compared runs in turn on the same machine in the same hour. Figures are medians with their
range.{total}

{summary}

{sections}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part of the benchmarks measured."""

    name: str
    rows: Sequence[Measured]
    """Lines of the page's first table."""
    section: str
    """The rest of what there is to say, as Markdown with a heading; empty if nothing."""
    machine: str
    date: str
    """ISO 8601."""
    seconds: float | None
    """Time that it took; None where it was not noted."""

    def save(self, folder: Path = _MEASURED) -> None:
        """Keeps it in the place of what the part measured before. Raises OSError."""
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, name: str, folder: Path = _MEASURED) -> "Part | None":
        """What the part measured last; None if it never was."""
        try:
            stored = json.loads((folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        return cls(**{**stored, "rows": [Measured(**row) for row in stored["rows"]]})

    @property
    def taken(self) -> str:
        """Where, when and in which time."""
        time = "" if self.seconds is None else f", in {_told(self.seconds)}"
        return f"{self.machine}, {self.date}{time}: `python -m benchmarks {self.name}`."


def render(parts: Sequence[Part], names: Iterable[str]) -> str:
    """The page; where a part was measured stands at its section, or below the table."""
    times = [part.seconds for part in parts if part.seconds is not None]
    total = f" All parts together take {_told(sum(times))}." if len(times) == len(parts) else ""
    summary = [table(row for part in parts for row in part.rows)]
    return _TEXT.format(
        names=", ".join(names),
        total=total,
        summary="\n\n".join([*summary, *(part.taken for part in parts if not part.section)]),
        sections="\n\n".join(_section(part) for part in parts if part.section),
    )


def page(names: Sequence[str]) -> str:
    """The page of what was measured last, in the order of the names."""
    return render([part for name in names if (part := Part.load(name)) is not None], names)


def write_page(names: Sequence[str]) -> None:
    """Writes benchmarks/README.md. Raises OSError."""
    PAGE.write_text(page(names))


def _section(part: Part) -> str:
    heading, _, rest = part.section.partition("\n")
    return "\n".join([heading, part.taken, "", rest.removeprefix("\n")])


def _told(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"
