"""The scenes of the tracking protocol: three without cuts, six that films and video calls are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

from tddfa.evaluation.scenes.heads import Placement
from tddfa.evaluation.scenes.scene import HEIGHT, WIDTH, Scene, Shot
from tddfa.types import HeadPose

_Y = HEIGHT / 2


def continuous_scenes() -> list[Scene]:
    """Return scenes without cuts: a turn to both profiles, two people crossing, one leaving for a time."""

    def turn(t: int) -> Placement:
        pose = HeadPose(80 * math.sin(t / 12), 6 * math.sin(t / 9), 5 * math.sin(t / 20))
        return Placement(320 + 80 * math.sin(t / 25), _Y, 130, pose, float(t % 30 < 4))

    def cross(t: int, sign: int) -> Placement:
        x = 320 + sign * 220 * math.cos(t / 22)
        return Placement(x, _Y - 8 * sign, 115 + 15 * sign, HeadPose(15 * math.sin(t / 15), 0, 3 * sign))

    def leave(t: int) -> Placement:
        away = min(max((t - 15) / 20, 0.0), 1.0) - min(max((t - 70) / 20, 0.0), 1.0)
        return Placement(430 + 330 * away, _Y + 4 * math.sin(t / 8), 115, HeadPose(-20 * away, 0, 0))

    def stay(t: int) -> Placement:
        pose = HeadPose(20 * math.sin(t / 18), 5 * math.sin(t / 11), 0)
        return Placement(180, _Y, 120, pose, float(t % 25 < 3))

    return [
        Scene("turning to ±80°, blinking", [Shot({0: _path(turn, 100)})]),
        Scene(
            "two crossing, twice",
            [Shot({k: _path(lambda t, s=sign: cross(t, s), 140) for k, sign in enumerate((-1, 1))})],
        ),
        Scene("one leaving and returning", [Shot({0: _path(stay, 115), 1: _path(leave, 115)})]),
    ]


def cut_scenes() -> list[Scene]:
    """Return scenes with cuts, zooms and replaced people."""
    return [_close_up(), _reverse_angles(), _replacement(), _two_then_one(), _handover(), _zoom()]


def _close_up() -> Scene:
    medium = _path(_swaying(300, 95), 35)
    close = _path(_swaying(330, 230, phase=9), 35)
    return Scene("cut to a close-up and back", [Shot({0: medium}), Shot({0: close}, 1), Shot({0: medium})])


def _reverse_angles() -> Scene:
    """Two people who talk: each is shown in turn, looking at the other, from the other side of the room."""
    one, other = _swaying(230, 140, yaw=-28), _swaying(410, 140, yaw=28, phase=5)
    shots = [Shot({k % 2: _path((one, other)[k % 2], 24)}, k % 2) for k in range(6)]
    return Scene("reverse angles, six cuts", shots)


def _replacement() -> Scene:
    """Somebody else in the same place before the same wall: the image changes little but the person."""
    place = _swaying(320, 135)
    return Scene("cut to somebody else in the same place", [Shot({k: _path(place, 30)}) for k in (0, 1, 0)])


def _two_then_one() -> Scene:
    left, right = _swaying(190, 110, yaw=-12), _swaying(450, 115, yaw=12, phase=4)
    both = {0: _path(left, 30), 1: _path(right, 30)}
    alone = _swaying(320, 170)
    return Scene(
        "two, each alone, nobody, two",
        [
            Shot(both),
            Shot({0: _path(alone, 25)}, 1),
            Shot({1: _path(alone, 25)}, 1),
            Shot({}, 1, n_frames=20),
            Shot(both),
        ],
    )


def _handover() -> Scene:
    """One person walks out to the left, another walks in to the same place from the right; no cut."""

    def leaves(t: int) -> Placement:
        return Placement(320 - 460 * min(max((t - 20) / 18, 0.0), 1.0), _Y, 125, HeadPose(15, 0, 0))

    def enters(t: int) -> Placement:
        return Placement(WIDTH + 140 - 460 * min(max((t - 44) / 18, 0.0), 1.0), _Y, 125, HeadPose(15, 0, 0))

    return Scene("one out, another in, no cut", [Shot({0: _path(leaves, 90), 1: _path(enters, 90)})])


def _zoom() -> Scene:
    """A lens that zooms by 2.6 within two thirds of a second, and back; no cut."""

    def zoom(t: int) -> Placement:
        part = min(max((t - 15) / 20, 0.0), 1.0) - min(max((t - 55) / 20, 0.0), 1.0)
        size = 80 * 2.6**part
        return Placement(320 + 120 * (1 - part), _Y, size, HeadPose(12 * math.sin(t / 14), 0, 0))

    return Scene("quick zoom in and out, no cut", [Shot({0: _path(zoom, 90)})])


def _swaying(x: float, size: float, *, yaw: float = 0.0, phase: float = 0.0) -> Callable[[int], Placement]:
    """Return the path of somebody who sits and talks."""

    def at(t: int) -> Placement:
        u = t + phase
        pose = HeadPose(yaw + 8 * math.sin(u / 9), 4 * math.sin(u / 7), 3 * math.sin(u / 13))
        return Placement(x + 0.08 * size * math.sin(u / 11), _Y, size, pose, float(t % 28 < 3))

    return at


def _path(at: Callable[[int], Placement], n_frames: int) -> list[Placement]:
    return [at(t) for t in range(n_frames)]
