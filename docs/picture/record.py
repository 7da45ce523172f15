#!/usr/bin/env python3
"""record.py PROGRAM OUT.svg: runs PROGRAM demo in a terminal of its own and draws what was to be seen there as a moving
picture. Wants pyte: python3 -m venv v && v/bin/pip install pyte==0.8.2 && v/bin/python docs/picture/record.py ..
"""

import fcntl
import os
import pty
import struct
import sys
import termios
import time
from html import escape

import pyte

COLUMNS, ROWS = 92, 14
STEP = 0.25  # seconds between two pictures
REST = 12  # pictures for which the last one stands
FONT, WIDE, HIGH, EDGE = 14, 8.43, 20, 16
COLOURS = {"default": "#d8dee9", "green": "#a3be8c", "red": "#e06c75", "cyan": "#88c0d0"}
SHELL = "$ cargo run --release -- demo"


def seen(program):
    """What stood on the terminal, every STEP: rows of characters as pyte has them."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(SHELL.encode() + b"\r\n")
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(program, [program, "demo"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    pictures, began = [], time.monotonic()
    while True:
        try:
            said = os.read(terminal, 65536)
        except OSError:  # how a terminal ends
            said = b""
        while len(pictures) * STEP < time.monotonic() - began:
            pictures.append(rows(screen))
        if not said:
            break
        stream.feed(said)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        sys.exit(f"the demo ended with {status}")
    return pictures + [rows(screen)] * (REST + 1)


def rows(screen):
    return [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]


def line(row, characters):
    """One row as runs of one look."""
    runs, text = [], ""
    for character in characters:
        look = (character.fg, character.bold)
        if not runs or runs[-1][0] != look:
            runs.append((look, ""))
        runs[-1] = (look, runs[-1][1] + character.data)
        text += character.data
    if not text.strip():
        return ""
    spans = ""
    for (colour, is_bold), run in runs:
        style = "" if colour == "default" else f' fill="{COLOURS[colour]}"'
        style += ' font-weight="bold"' if is_bold else ""
        spans += f"<tspan{style}>{escape(run)}</tspan>" if style else escape(run)
    return f'<text x="{EDGE}" y="{EDGE + 44 + row * HIGH}">{spans.rstrip()}</text>'


def drawn(pictures):
    """Equal pictures that follow each other are one."""
    whole = len(pictures) * STEP
    shown, style = "", ""
    began = 0
    while began < len(pictures):
        ended = began
        while ended < len(pictures) and pictures[ended] == pictures[began]:
            ended += 1
        share = 100 * (ended - began) / len(pictures)
        is_last = ended == len(pictures)
        lines = "".join(line(row, characters) for row, characters in enumerate(pictures[began]))
        style += (
            f"#p{began}{{visibility:{'visible' if is_last else 'hidden'};"
            f"animation:p{began} {whole:g}s step-end infinite}}"
            f"@keyframes p{began}{{0%{{visibility:{'hidden' if began else 'visible'}}}"
            f"{100 * began / len(pictures):.3f}%{{visibility:visible}}"
            + ("}" if is_last else f"{100 * began / len(pictures) + share:.3f}%{{visibility:hidden}}}}")
            + "\n"
        )
        shown += f'<g id="p{began}">{lines}</g>\n'
        began = ended
    width, height = round(2 * EDGE + COLUMNS * WIDE), round(2 * EDGE + 36 + ROWS * HIGH)
    lights = "".join(
        f'<circle cx="{EDGE + 6 + 20 * n}" cy="{EDGE + 4}" r="6" fill="{colour}"/>'
        for n, colour in enumerate(["#e06c75", "#ebcb8b", "#a3be8c"])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<title>webstar demo on a terminal</title>\n<style>\n"
        f"text{{font:{FONT}px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;"
        f"fill:{COLOURS['default']};white-space:pre}}\n"
        f"{style}</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#242933"/>{lights}\n{shown}</svg>\n'
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    picture = drawn(seen(os.path.abspath(sys.argv[1])))
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(picture)
