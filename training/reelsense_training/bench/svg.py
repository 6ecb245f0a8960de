"""Small inline SVG plots. Colours come from the page's CSS variables, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40


@dataclass(frozen=True)
class Axis:
    """Range and ticks of one axis; ``labels`` replace the ticks' numbers."""

    low: float
    high: float
    ticks: tuple[float, ...]
    title: str
    labels: tuple[str, ...] = ()

    def label(self, index: int) -> str:
        return self.labels[index] if self.labels else f"{self.ticks[index]:g}"


@dataclass(frozen=True)
class Line:
    points: tuple[tuple[float, float], ...]
    name: str
    kind: str = "a"  # CSS class of its colour
    dots: bool = False


@dataclass(frozen=True)
class Frame:
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        px = LEFT + (x - self.x.low) / (self.x.high - self.x.low) * (right - LEFT)
        py = bottom - (y - self.y.low) / (self.y.high - self.y.low) * (bottom - TOP)
        return round(px, 1), round(py, 1)

    def grid(self) -> str:
        parts = []
        for i, tick in enumerate(self.y.ticks):
            x, y = self.at(self.x.low, tick)
            parts.append(f'<line class="gridline" x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
            parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{escape(self.y.label(i))}</text>')
        for i, tick in enumerate(self.x.ticks):
            x, y = self.at(tick, self.y.low)
            parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{escape(self.x.label(i))}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text class="axis" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(self.x.title)}</text>'
        )
        return "".join(parts)


def _line(frame: Frame, line: Line) -> str:
    points = [frame.at(x, min(max(y, frame.y.low), frame.y.high)) for x, y in line.points]
    path = " ".join(f"{x},{y}" for x, y in points)
    dots = "".join(f'<circle class="dot {line.kind}" cx="{x}" cy="{y}" r="4"/>' for x, y in points) if line.dots else ""
    return f'<polyline class="line {line.kind}" points="{path}"/>{dots}'


def lines(x: Axis, y: Axis, series: Sequence[Line], marks: Sequence[tuple[float, str]] = (), text: str = "") -> str:
    """Curves with a legend under the title of the page; ``marks`` are vertical lines with a name."""
    frame = Frame(x, y)
    parts = [frame.grid()]
    for value, name in marks:
        px, bottom = frame.at(value, y.low)
        parts.append(f'<line class="mark" x1="{px}" y1="{TOP}" x2="{px}" y2="{bottom}"/>')
        parts.append(f'<text x="{px + 5}" y="{TOP + 10}">{escape(name)}</text>')
    parts += [_line(frame, line) for line in series]
    return _svg("".join(parts), text)


def level(x: Axis, y: float, kind: str, name: str) -> Line:
    return Line(((x.low, y), (x.high, y)), name, kind)


def reliability(bins: Sequence[dict[str, float]], text: str) -> str:
    """Observed against stated share of video; the area of a dot is the bin's weight, the diagonal is perfect."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    x, y = Axis(0, 1, ticks, "probability stated"), Axis(0, 1, ticks, "share of video observed")
    frame = Frame(x, y)
    (x0, y0), (x1, y1) = frame.at(0, 0), frame.at(1, 1)
    parts = [frame.grid(), f'<line class="mark" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/>']
    parts.append(_line(frame, Line(tuple((b["stated"], b["observed"]) for b in bins), "model")))
    for b in bins:
        px, py = frame.at(b["stated"], b["observed"])
        radius = round(3 + 12 * b["weight"] ** 0.5, 1)
        title = f"stated {b['stated']:.2f}, observed {b['observed']:.2f}, {b['windows']} windows"
        parts.append(f'<circle class="dot a soft" cx="{px}" cy="{py}" r="{radius}"><title>{title}</title></circle>')
    return _svg("".join(parts), text)


def bar(value: float | None, kind: str, name: str) -> str:
    """One horizontal bar of a share, for table rows."""
    if value is None:
        return ""
    width = round(160 * max(0.0, min(1.0, value)), 1)
    return (
        f'<svg class="bar" viewBox="0 0 160 10" role="img" aria-label="{escape(name)}">'
        f'<rect class="track" width="160" height="10" rx="2"/>'
        f'<rect class="fill {kind}" width="{width}" height="10" rx="2"/></svg>'
    )


def _svg(body: str, text: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text)}">{body}</svg>'
