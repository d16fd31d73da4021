"""Charts as geometry: numbers that the page's templates turn into SVG and bars.

No text becomes markup here. Lines are drawn in a fixed box that scales with the page; bars are a width
in percent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 40
_MOST_SERIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value at a place; the interval is optional."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    """Place in the box."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One line of a chart."""

    name: str
    points: str
    """Coordinates, as `points` of a polyline has them."""
    band: str
    """The same of the interval's outline, as of a polygon; empty without intervals."""
    dots: tuple[tuple[float, float], ...]
    """Coordinates of marks; empty if there are too many to tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """A chart of lines."""

    title: str
    x_name: str
    y_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Drawn, ...]
    diagonal: str = ""
    """Coordinates of the line on which x and y are equal; empty if it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The values of an axis: from, to, and those with a mark."""

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]

    @classmethod
    def fractions(cls) -> "Axis":
        """From 0% to 100%."""
        return cls(low=0.0, high=1.0, marks=tuple((n / 4, f"{25 * n}%") for n in range(5)))

    @classmethod
    def from_zero(cls, most: float) -> "Axis":
        """From 0 to a round number."""
        step = _round_step(most / 4) if most > 0 else 1.0
        number = max(1, math.ceil(most / step - 1e-9))
        return cls(
            low=0.0,
            high=number * step,
            marks=tuple((n * step, short(n * step)) for n in range(number + 1)),
        )

    @classmethod
    def named(cls, names: Sequence[str], most: int = 8) -> "Axis":
        """Places 0, 1, ... with names, of which up to `most` or so are shown."""
        every = max(1, math.ceil(len(names) / most))
        marks = tuple((float(n), name) for n, name in enumerate(names) if n % every == 0)
        return cls(low=0.0, high=float(max(1, len(names) - 1)), marks=marks)


def line_chart(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    x: tuple[str, Axis],
    y: tuple[str, Axis],
    diagonal: bool = False,
) -> LineChart | None:
    """The chart of up to four series; None if none has two points."""
    drawn = {name: points for name, points in series.items() if len(points) > 1}
    if not drawn:
        return None
    box = _Box(x[1], y[1])
    return LineChart(
        title=title,
        x_name=x[0],
        y_name=y[0],
        x_ticks=tuple(Tick(at=round(box.x(value), 1), text=text) for value, text in x[1].marks),
        y_ticks=tuple(Tick(at=round(box.y(value), 1), text=text) for value, text in y[1].marks),
        lines=tuple(box.draw(name, drawn[name]) for name in list(drawn)[:_MOST_SERIES]),
        diagonal=box.joined([(0.0, 0.0), (1.0, 1.0)]) if diagonal else "",
    )


class _Box:
    """From values to places in the chart's box."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        share = (value - self._x.low) / (self._x.high - self._x.low)
        return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self._y.low) / (self._y.high - self._y.low)
        return HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - _TOP - _BOTTOM)

    def joined(self, places: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in places)

    def draw(self, name: str, points: Sequence[Point]) -> Drawn:
        high = [(one.x, one.high) for one in points if one.high is not None]
        low = [(one.x, one.low) for one in points if one.low is not None]
        dots = [(round(self.x(one.x), 1), round(self.y(one.y), 1)) for one in points]
        return Drawn(
            name=name,
            points=self.joined([(one.x, one.y) for one in points]),
            band=self.joined([*high, *reversed(low)]) if len(high) == len(low) > 1 else "",
            dots=tuple(dots) if len(dots) <= 30 else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar with its name before it and its value after it."""

    name: str
    percent: float
    """Width, of the widest possible bar."""
    value: str
    note: str = ""


def bars(rows: Sequence[tuple[str, float, str, str]], most: float | None = None) -> list[Bar]:
    """Bars of (name, size, value as text, note); `most` is the size of a full bar, by default the
    largest."""
    widest = most or max((size for _, size, _, _ in rows), default=0.0)
    return [
        Bar(
            name=name,
            percent=round(min(100.0, 100 * size / widest), 2) if widest else 0.0,
            value=value,
            note=note,
        )
        for name, size, value, note in rows
    ]


def short(number: float) -> str:
    """A number with few signs, for an axis."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{sign}"
    return f"{number:.3g}"


def _round_step(least: float) -> float:
    """The next number of the form 1, 2 or 5 times a power of ten."""
    scale = 10 ** math.floor(math.log10(least))
    return next(
        float(step * scale) for step in (1.0, 2.0, 5.0, 10.0) if step * scale >= least * (1 - 1e-9)
    )
