"""The report's pictures as SVG, drawn by hand: the same results give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from reelsense_lab.qos.paired import Estimate

FONT = "font-family='system-ui, sans-serif'"
INK, GREY, GRID = "#24292f", "#6e7781", "#d8dee4"
COLOURS = ("#6e7781", "#0969da", "#54aeff", "#bc4c00", "#fb8f44", "#1a7f37", "#4ac26b", "#8250df")
ROW, LEFT, TOP, PANEL, GAP = 24, 240, 46, 170, 24
ACROSS = 4  # panels in a line


@dataclass(slots=True)
class Drawing:
    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = GRID, width: float = 1) -> None:
        ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
        self.parts.append(f"<line {ends} stroke='{colour}' stroke-width='{width:g}'/>")

    def dot(self, x: float, y: float, colour: str, radius: float = 4, opacity: float = 1) -> None:
        place = f"cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}'"
        self.parts.append(f"<circle {place} fill='{colour}' fill-opacity='{opacity:g}'/>")

    def path(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.6) -> None:
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f"<polyline points='{drawn}' fill='none' stroke='{colour}' stroke-width='{width:g}'/>")

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = INK) -> None:
        style = f"{FONT} font-size='{size}' fill='{colour}' text-anchor='{anchor}'"
        self.parts.append(f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>")

    def svg(self, title: str) -> str:
        box = f"viewBox='0 0 {self.width:.0f} {self.height:.0f}' width='{self.width:.0f}' height='{self.height:.0f}'"
        background = f"<rect width='{self.width:.0f}' height='{self.height:.0f}' fill='#ffffff'/>"
        head = f"<svg xmlns='http://www.w3.org/2000/svg' {box} role='img'><title>{escape(title)}</title>"
        return "\n".join([head, background, *self.parts, "</svg>", ""])


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers from `low` to `high`, both inside."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10 ** math.floor(math.log10(span / most))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def scale(low: float, high: float, from_: float, to: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: from_ + (value - low) / span * (to - from_)


def means(title: str, panels: Mapping[str, Sequence[Estimate | None]], rows: Sequence[str]) -> str:
    """A panel a figure, a row an arm: the mean and its interval."""
    height = ROW * len(rows) + 64  # of a line of panels
    lines = -(-len(panels) // ACROSS)
    drawing = Drawing(LEFT + (PANEL + GAP) * min(ACROSS, len(panels)), TOP - 10 + height * lines)
    drawing.text(8, 20, title, size=14)
    for number, (name, estimates) in enumerate(panels.items()):
        left, top = LEFT + (PANEL + GAP) * (number % ACROSS), TOP + 6 + height * (number // ACROSS)
        if left == LEFT:
            for index, row in enumerate(rows):
                drawing.text(LEFT - 14, top + ROW * index + ROW / 2 + 4, row, anchor="end")
        known = [each for each in estimates if each]
        high = max((each.high for each in known), default=1.0) * 1.05 or 1.0
        low = min(0.0, min((each.low for each in known), default=0.0) * 1.05)
        place = scale(low, high, left, left + PANEL)
        bottom = top + ROW * len(rows)
        drawing.text(left, top - 8, name, colour=GREY)
        for tick in ticks(low, high):
            drawing.line(place(tick), top, place(tick), bottom)
            drawing.text(place(tick), bottom + 16, f"{tick:g}", anchor="middle", size=11, colour=GREY)
        for index, each in enumerate(estimates):
            if each is None:
                continue
            y, colour = top + ROW * index + ROW / 2, COLOURS[index % len(COLOURS)]
            drawing.line(place(each.low), y, place(each.high), y, colour, 2)
            drawing.dot(place(each.value), y, colour)
    return drawing.svg(title)


def pairs(title: str, name: str, panels: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A panel an arm: a dot a pair, the baseline to the right, the arm upwards; below the diagonal is better."""
    side = 230
    drawing = Drawing(60 + (side + 50) * len(panels), side + 110)
    drawing.text(8, 20, title, size=14)
    high = max((max(point) for points in panels.values() for point in points), default=1.0) * 1.05 or 1.0
    for number, (arm, points) in enumerate(panels.items()):
        left, top = 60 + (side + 50) * number, 56
        across, up = scale(0, high, left, left + side), scale(0, high, top + side, top)
        drawing.text(left, top - 10, arm, colour=GREY)
        for tick in ticks(0, high):
            drawing.line(across(tick), top, across(tick), top + side)
            drawing.line(left, up(tick), left + side, up(tick))
            drawing.text(across(tick), top + side + 16, f"{tick:g}", anchor="middle", size=11, colour=GREY)
            drawing.text(left - 6, up(tick) + 4, f"{tick:g}", anchor="end", size=11, colour=GREY)
        drawing.line(across(0), up(0), across(high), up(high), GREY)
        for baseline, value in points:
            drawing.dot(across(baseline), up(value), COLOURS[1], 4, 0.7)
        drawing.text(left + side / 2, top + side + 36, f"{name}, no Reelsense", anchor="middle", size=11, colour=GREY)
    return drawing.svg(title)


def waits(title: str, arms: Mapping[str, Sequence[float]], limit_s: float = 10.0) -> str:
    """For each arm the share of clips whose first frame had come after so many seconds."""
    width, height, left, top = 460, 250, 60, 40
    drawing = Drawing(left + width + 290, top + height + 60)
    drawing.text(8, 20, title, size=14)
    across, up = scale(0, limit_s, left, left + width), scale(0, 1, top + height, top)
    for tick in ticks(0, limit_s, 6):
        drawing.line(across(tick), top, across(tick), top + height)
        drawing.text(across(tick), top + height + 16, f"{tick:g}", anchor="middle", size=11, colour=GREY)
    for tick in ticks(0, 1, 5):
        drawing.line(left, up(tick), left + width, up(tick))
        drawing.text(left - 6, up(tick) + 4, f"{tick:g}", anchor="end", size=11, colour=GREY)
    drawing.text(left + width / 2, top + height + 38, "seconds after the swipe", anchor="middle", colour=GREY)
    for number, (arm, values) in enumerate(arms.items()):
        colour = COLOURS[number % len(COLOURS)]
        points, ordered = [(across(0), up(0))], sorted(values)
        for index, value in enumerate(ordered):
            if value > limit_s or math.isinf(value):
                break
            points += [(across(value), up(index / len(ordered))), (across(value), up((index + 1) / len(ordered)))]
        points.append((across(limit_s), points[-1][1]))
        drawing.path(points, colour)
        drawing.line(left + width + 20, top + 12 + 22 * number, left + width + 44, top + 12 + 22 * number, colour, 3)
        drawing.text(left + width + 52, top + 16 + 22 * number, arm)
    return drawing.svg(title)
