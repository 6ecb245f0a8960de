#!/usr/bin/env python3
"""Draws what a command printed, colours included, as an SVG.

reelsense classify CAPTURE --ribbon --colour always | scripts/terminal_picture.py docs/images/ribbon.svg
"""

import argparse
import re
import sys
from pathlib import Path
from xml.sax.saxutils import escape

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 18, 14
BACKGROUND, FOREGROUND = "#16181d", "#d8dbe2"
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
BASIC = ["#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5"]


def xterm_colour(index: int) -> str:
    """The RGB of an xterm 256-colour index."""
    if index < 16:
        return BASIC[index % 8]
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return f"#{grey:02x}{grey:02x}{grey:02x}"
    levels = [0, 95, 135, 175, 215, 255]
    index -= 16
    return f"#{levels[index // 36]:02x}{levels[index // 6 % 6]:02x}{levels[index % 6]:02x}"


def apply(codes: str, colour: str) -> str:
    numbers = [int(n) for n in codes.split(";") if n] or [0]
    if numbers[:2] == [38, 5]:
        return xterm_colour(numbers[2])
    for number in numbers:
        if number in (0, 39):
            colour = FOREGROUND
        elif 30 <= number <= 37:
            colour = BASIC[number - 30]
    return colour


def runs_of(line: str, colour: str) -> tuple[list[tuple[int, str, str]], str]:
    """(column, colour, text) of each stretch of one colour, and the colour at the end."""
    runs, column, at = [], 0, 0
    for match in [*ESCAPE.finditer(line), None]:
        text = line[at : match.start() if match else len(line)]
        if text:
            runs.append((column, colour, text))
            column += len(text)
        if match:
            colour, at = apply(match.group(1), colour), match.end()
    return runs, colour


def draw(text: str) -> str:
    lines = text.rstrip().split("\n")
    width = max(len(ESCAPE.sub("", line)) for line in lines) * CELL_WIDTH + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
    ]
    colour = FOREGROUND
    for number, line in enumerate(lines):
        runs, colour = runs_of(line, colour)
        y = MARGIN + LINE_HEIGHT * number + 13
        for column, fill, run in runs:
            x = MARGIN + column * CELL_WIDTH
            run = run.rstrip()
            if run and set(run) <= {"█", "▒"}:
                for offset, block in enumerate(run):
                    opacity = "" if block == "█" else ' opacity="0.5"'
                    parts.append(
                        f'<rect x="{x + offset * CELL_WIDTH:.1f}" y="{y - 13}" width="{CELL_WIDTH - 0.8:.1f}" '
                        f'height="{LINE_HEIGHT - 3}" fill="{fill}"{opacity}/>'
                    )
            elif run.strip():
                parts.append(
                    f'<text x="{x:.1f}" y="{y}" fill="{fill}" textLength="{len(run) * CELL_WIDTH:.1f}" '
                    f'xml:space="preserve">{escape(run)}</text>'
                )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="the SVG to write")
    picture = parser.parse_args().picture
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(sys.stdin.read()))


if __name__ == "__main__":
    main()
