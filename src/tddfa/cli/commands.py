"""The commands: where each is, and the line that the help says of it. Imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command.

    Attributes:
        module: its `add_parser(commands)` adds the command.
        help: a line.
    """

    module: str
    help: str


COMMANDS = {
    "image": Command("tddfa.cli.image", "align the faces of images, draw and export them"),
    "video": Command("tddfa.cli.video", "follow the faces of videos, draw and export them"),
    "live": Command("tddfa.cli.live", "send the faces of a camera to other programs, record and show them"),
    "webcam": Command("tddfa.cli.webcam", "show the faces of a camera, live"),
    "studio": Command("tddfa.cli.studio", "open a page for photos, videos and the camera in the browser"),
    "batch": Command("tddfa.cli.batch", "align photos and videos by the million, on one machine or many"),
    "eval": Command("tddfa.cli.evaluate", "measure the accuracy of a pack by a named protocol"),
    "packs": Command("tddfa.cli.packs", "list, install, verify and remove model packs"),
}
"""In the order of the help."""
