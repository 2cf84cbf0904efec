"""Draw what to click in the programs that `tddfa live` sends to: docs/live/*.svg.

The images are drawings of each program's settings, not screenshots: they show names, order and values.

Run: python tools/draw_receivers.py
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "live"
WIDTH, ROW, TITLE = 560, 34, 38
FONT = "font-family='Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Row:
    """A line of a dialog.

    Attributes:
        label: text on the left.
        value: text in the field; "on" and "off" are boxes that are ticked or not, "" is no field.
        step: number of what is to be done here; 0 where nothing is.
    """

    label: str
    value: str = ""
    step: int = 0


PROGRAMS: dict[str, tuple[str, list[Row]]] = {
    "unreal": (
        "Unreal Engine: Window › Virtual Production › Live Link",
        [
            Row("Plugins: Live Link, Apple ARKit, Apple ARKit Face Support", "on", 1),
            Row("Source: ARKit Face Support (listens on UDP 11111)", "", 0),
            Row("Subject", "tddfa", 2),
            Row("MetaHuman blueprint: Use Live Link Face", "on", 3),
            Row("MetaHuman blueprint: Live Link Face Subj", "tddfa", 4),
        ],
    ),
    "vseeface-osf": (
        "VSeeFace: start screen",
        [
            Row("Camera", "[OpenSeeFace tracking]", 1),
            Row("IP", "127.0.0.1", 2),
            Row("Port", "11573", 3),
            Row("Start", "", 4),
        ],
    ),
    "vseeface-vmc": (
        "VSeeFace: Settings › General settings",
        [
            Row("OSC/VMC receiver (disables tracking)", "on", 1),
            Row("Port", "39539", 2),
            Row("Apply VSeeFace tracking", "off", 0),
            Row("Secondary receiver: to keep VSeeFace's own arms", "off", 0),
        ],
    ),
    "vmagicmirror": (
        "VMagicMirror: Setting window › VMCP › Show VMCP Tab on Main Window",
        [
            Row("Control panel › VMCP: Enable VMC Protocol", "on", 1),
            Row("Port number", "39539", 2),
            Row("Data to apply: Head", "on", 3),
            Row("Data to apply: Facial", "on", 3),
            Row("Apply", "", 4),
        ],
    ),
    "vnyan": (
        "VNyan: Menu › Settings › VMC layer 1",
        [
            Row("Enable", "on", 1),
            Row("Port", "39539", 2),
            Row("Apply: head and neck, eyes, blendshapes", "on", 3),
        ],
    ),
    "warudo": (
        "Warudo: Character › Motion Capture › Setup Motion Capture",
        [
            Row("Face tracking", "VMC", 1),
            Row("VMC receiver: Port", "39539", 2),
            Row("Perfect sync (avatars with ARKit shapes)", "on", 3),
        ],
    ),
    "obs": (
        "OBS: Sources › + › Browser",
        [
            Row("Local file", "off", 0),
            Row("URL", "http://127.0.0.1:8765", 1),
            Row("Width × height", "1280 × 720", 0),
        ],
    ),
    "blender": (
        "Blender: Faceit › Mocap › Live Link Face (CSV)",
        [
            Row("Import: file of 'tddfa video clip.mp4 --data livelink'", "clip_livelink.csv", 1),
            Row("Frame rate of the recording", "60", 2),
            Row("Target: mesh with ARKit shape keys", "on", 3),
        ],
    ),
}


def image(title: str, rows: list[Row]) -> str:
    """Return the drawing of a dialog as SVG."""
    height = TITLE + ROW * len(rows) + 14
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}' role='img' aria-label='{escape(title, quote=True)}'>",
        f"<rect x='.5' y='.5' width='{WIDTH - 1}' height='{height - 1}' rx='8' fill='#fafafa' "
        "stroke='#999'/>",
        f"<path d='M.5 {TITLE} V8.5 a8 8 0 0 1 8 -8 H{WIDTH - 8.5} a8 8 0 0 1 8 8 V{TITLE} Z' "
        "fill='#3b4252'/>",
        f"<text x='14' y='24' {FONT} font-size='14' font-weight='bold' fill='#fff'>{escape(title)}</text>",
    ]
    for k, row in enumerate(rows):
        parts += _row(row, TITLE + 8 + ROW * k)
    return "\n".join([*parts, "</svg>", ""])


def _row(row: Row, y: int) -> list[str]:
    middle = y + ROW // 2
    parts: list[str] = []
    if row.step:
        parts += [
            f"<circle cx='22' cy='{middle}' r='10' fill='#d9480f'/>",
            f"<text x='22' y='{middle + 4}' {FONT} font-size='12' font-weight='bold' fill='#fff' "
            f"text-anchor='middle'>{row.step}</text>",
        ]
    parts.append(
        f"<text x='42' y='{middle + 5}' {FONT} font-size='13' fill='#222'>{escape(row.label)}</text>"
    )
    right = WIDTH - 16
    if row.value in ("on", "off"):
        parts.append(
            f"<rect x='{right - 18}' y='{middle - 9}' width='18' height='18' rx='3' fill='#fff' "
            "stroke='#555'/>"
        )
        if row.value == "on":
            parts.append(
                f"<path d='M{right - 14} {middle} l4 5 l7 -10' fill='none' stroke='#2b8a3e' "
                "stroke-width='3'/>"
            )
    elif row.value:
        width = 9 * len(row.value) + 16
        parts += [
            f"<rect x='{right - width}' y='{middle - 12}' width='{width}' height='24' rx='3' fill='#fff' "
            "stroke='#555'/>",
            f"<text x='{right - width / 2}' y='{middle + 5}' {FONT} font-size='13' fill='#1864ab' "
            f"text-anchor='middle'>{escape(row.value)}</text>",
        ]
    return parts


def main() -> None:
    """Write every image."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (title, rows) in PROGRAMS.items():
        (FOLDER / f"{name}.svg").write_text(image(title, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
