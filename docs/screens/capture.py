#!/usr/bin/env python3
"""Takes the images of the terminal UI in this folder: drives `moa browse` in tmux and writes what it shows as SVG.

    docs/screens/capture.py results/pareto [--moa target/release/moa] [--out docs/screens]

Needs tmux and nothing else. Images of the model come as half-blocks, as in any terminal without pixels.
"""

import argparse
import html
import os
import pathlib
import re
import subprocess
import sys
import time

COLUMNS, ROWS = 120, 38
CELL = (8.4, 18)
BACKGROUND, FOREGROUND = "#14181f", "#d8dce4"

# What is typed before each image, and how long the screen then has to settle, in seconds.
SCREENS = [
    ("experiments", ["1"], 1.5),
    ("sweep", ["2"], 1.5),
    ("curves", ["Home", "Space", "Down", "Space", "Down", "Enter"], 1),
    ("curves-all", ["a", "s"], 1),
    ("front", ["Escape", "M", "3", "r"], 4),
    ("front-levels", ["v"], 1),
    ("front-all", ["v", "a"], 1),
    ("front-judges", ["a", "t"], 1),
    ("pictures", ["t", "t", "M", "4", "Home", "Space", "Down", "Space", "Down"], 2),
    ("pictures-noises", ["n"], 1),
    ("pictures-difference", ["n", "d"], 1),
    ("soup", ["d", "M", "5", "Right", "Right", "Right"], 8),
    ("constraints", ["w"], 1),
    ("actions", ["Escape", ":"], 1),
    ("help", ["Escape", "?"], 1),
]


def tmux(*arguments):
    return subprocess.run(["tmux", "-L", "moa-capture", *arguments], check=True, capture_output=True, text=True).stdout


def colour(parts):
    """Returns the colour that the numbers after 38 or 48 name, and how many numbers it took."""
    if parts[0] == 2:
        return "#%02x%02x%02x" % tuple(parts[1:4]), 4
    index = parts[1]
    if index >= 232:
        return "#%02x%02x%02x" % ((8 + 10 * (index - 232),) * 3), 2
    if index < 16:
        return ANSI[index], 2
    index -= 16
    level = [0, 95, 135, 175, 215, 255]
    return "#%02x%02x%02x" % (level[index // 36], level[index // 6 % 6], level[index % 6]), 2


ANSI = ["#14181f", "#e06c5a", "#3fb68b", "#e0a030", "#5b8bd0", "#b07cc6", "#4fb3c8", "#c8ccd4"] + ["#7e8696"] * 8


def cells(line):
    """Yields (letter, foreground, background, bold) of a line with escape sequences."""
    fore, back, bold, dim, reverse = FOREGROUND, None, False, False, False
    for part in re.split(r"(\x1b\[[0-9;]*m|\x1b[()][0-9A-B]|\x0e|\x0f)", line):
        match = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not match:
            for letter in "" if part.startswith("\x1b") else part:
                a, b = (back or BACKGROUND, fore) if reverse else (fore, back)
                yield letter, "#7e8696" if dim and a == FOREGROUND else a, b, bold
            continue
        numbers = [int(number or 0) for number in match[1].split(";")]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                fore, back, bold, dim, reverse = FOREGROUND, None, False, False, False
            elif number == 1:
                bold = True
            elif number == 2:
                dim = True
            elif number == 7:
                reverse = True
            elif number == 22:
                bold = dim = False
            elif number == 27:
                reverse = False
            elif number in (38, 48):
                value, used = colour(numbers)
                numbers = numbers[used:]
                fore, back = (value, back) if number == 38 else (fore, value)
            elif number == 39:
                fore = FOREGROUND
            elif number == 49:
                back = None
            elif 30 <= number <= 37:
                fore = ANSI[number - 30]
            elif 90 <= number <= 97:
                fore = ANSI[number - 82]
            elif 40 <= number <= 47:
                back = ANSI[number - 40]


def svg(text):
    """Returns a screen as SVG: rectangles for backgrounds and half-blocks, text for the rest."""
    width, height = CELL
    lines = text.split("\n")[:ROWS]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * width + 16:g} {ROWS * height + 16:g}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13.95px">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/><g transform="translate(8 8)">',
    ]

    boxes = {}

    def box(x, y, count, share, fill):
        # In tenths: short numbers. Boxes of one colour are one path.
        left, top, right, bottom = (round(10 * v) for v in (x * width, y, (x + count) * width, y + share * height))
        boxes.setdefault(fill, []).append(f"M{left} {top}H{right}V{bottom}H{left}z")

    texts = []
    for row, line in enumerate(lines):
        run, start, style = "", 0, None

        def flush(row=row):
            nonlocal run
            if run.strip():
                fill, bold = style
                weight = ' font-weight="bold"' if bold else ""
                texts.append(
                    f'<text x="{start * width:.1f}" y="{row * height + 14:.1f}" fill="{fill}"{weight} xml:space="preserve" '
                    f'textLength="{len(run) * width:.1f}">{html.escape(run)}</text>'
                )
            run = ""

        for column, (letter, fore, back, bold) in enumerate(cells(line)):
            if back:
                box(column, row * height, 1, 1, back)
            if letter in "▀▄█":
                flush()
                box(column, row * height + (height / 2 if letter == "▄" else 0), 1, 1 if letter == "█" else 0.5, fore)
                continue
            if (fore, bold) != style or not run:
                flush()
                start, style = column, (fore, bold)
            run += letter
        flush()
    paths = [f'<path fill="{fill}" d="{"".join(parts)}"/>' for fill, parts in boxes.items()]
    out += ['<g shape-rendering="crispEdges" transform="scale(0.1)">', *paths, "</g>", *texts, "</g></svg>\n"]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, help="the results of an experiment that is complete")
    parser.add_argument("--moa", type=pathlib.Path, default=pathlib.Path("target/release/moa"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    if not (arguments.results / "experiment.ron").exists():
        sys.exit(f"{arguments.results} holds no results")
    arguments.out.mkdir(parents=True, exist_ok=True)
    command = f"COLORTERM=truecolor {arguments.moa.resolve()} browse {arguments.results} --theme dark --images blocks"
    tmux("-f", os.devnull, "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command)
    try:
        tmux("set", "-g", "status", "off")
        tmux("resize-window", "-x", str(COLUMNS), "-y", str(ROWS))
        time.sleep(3)
        for name, keys, pause in SCREENS:
            for key in keys:
                tmux("send-keys", key)
                time.sleep(0.15)
            time.sleep(pause)
            text = tmux("capture-pane", "-e", "-p", "-N")
            (arguments.out / f"{name}.svg").write_text(svg(text))
            print(arguments.out / f"{name}.svg")
        tmux("send-keys", "Escape")
        tmux("send-keys", "q")
    finally:
        subprocess.run(["tmux", "-L", "moa-capture", "kill-server"], capture_output=True)


if __name__ == "__main__":
    main()
