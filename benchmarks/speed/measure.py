"""All measurements of speed, in rounds in which every program has its turn."""

from __future__ import annotations

import compileall
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from benchmarks.machine import REPOSITORY, commit, load, machine, now
from benchmarks.samples import summary
from benchmarks.speed.clip import write_clip
from benchmarks.speed.processes import (
    OWN_PATHS,
    Participant,
    Worker,
    environment,
    run_command,
    wait_for_quiet,
)
from benchmarks.speed.scenes import crowd, portrait, sized
from tddfa.imaging import write_image

SCHEMA = "tddfa-speed/1"

T = TypeVar("T")

WORKERS = Path(__file__).parent / "workers"

STAGES = (
    "read",
    "detect",
    "regress",
    "reconstruct",
    "photo_landmarks",
    "photo_largest",
    "photo_mesh",
    "track",
    "track_verified",
    *(
        f"draw_{kind}"
        for kind in (
            "2d_sparse",
            "2d_dense",
            "3d",
            "3d_1080",
            "3d_c",
            "depth",
            "pncc",
            "uv_tex",
            "pose",
            "normals",
            "wireframe",
        )
    ),
    *(f"write_{kind}" for kind in ("ply", "obj", "glb", "json", "npz")),
)
"""In the order of the report."""

THREADED = ("detect", "regress", "photo_landmarks", "track")
"""Measured with two threads as well: where networks run."""

GROWTH: Mapping[str, Sequence[int]] = {
    "faces": (1, 2, 4, 8, 16, 32),
    "faces_drawn": (1, 4, 16, 32),
    "detect_sized": (360, 720, 1080, 2160),
    "align_sized": (360, 720, 1080, 2160),
    "draw_sized": (360, 720, 1080, 2160),
    "triangles": (0, 1, 2),
}
"""Stage → its arguments."""

FRAMES = (30, 120, 360)
"""Lengths of the clips that whole commands get."""


class Upstream:
    """A local copy of 3DDFA_V2.

    Attributes:
        folder: of the copy.
        python: with the packages that it needs.
        config: the network that it runs.
    """

    def __init__(self, folder: Path, python: str, config: str) -> None:
        self.folder, self.python, self.config = folder, python, config

    def participant(self, path: str, threads: int, scenes: Path) -> Participant:
        """Its worker; `path` is torch or onnx."""
        worker = str(WORKERS / "upstream.py")
        command = [self.python, worker, "--config", self.config, "--path", path, "--threads", str(threads)]
        return Participant(f"3ddfa_v2 {path}", [*command, "--scenes", str(scenes)], self.folder, threads)

    def photo(self, path: str, photo: Path, kind: str) -> list[str]:
        """Its command for a photo."""
        command = [
            self.python,
            "demo.py",
            "-c",
            self.config,
            "-f",
            str(photo),
            "-o",
            kind,
            "--show_flag",
            "false",
        ]
        return [*command, "--onnx"] if path == "onnx" else command

    def video(self, path: str, clip: Path, kind: str) -> list[str]:
        """Its command for a clip."""
        command = [self.python, "demo_video.py", "-c", self.config, "-f", str(clip), "-o", kind]
        return [*command, "--onnx"] if path == "onnx" else command


@dataclass(frozen=True, slots=True)
class Taken:
    """What workers have measured, as results/schema.json has it.

    Attributes:
        stages: stage, then program.
        growth: stage, then program, then size of the work.
        programs: their versions.
        peak_mb: the most memory of each.
        errors: what could not be measured, and why.
        rounds: turns that every program had.
    """

    stages: dict[str, dict[str, Any]]
    growth: dict[str, dict[str, dict[str, Any]]]
    programs: dict[str, dict[str, Any]]
    peak_mb: dict[str, float]
    errors: dict[str, str]
    rounds: int


def measure_speed(
    packs: Sequence[str],
    *,
    upstream: Upstream | None = None,
    mediapipe: str | None = None,
    rounds: int = 5,
    seconds: float = 0.1,
    commands: bool = True,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Every measurement of speed.

    Args:
        packs: names of packs.
        upstream: measured beside them when given.
        mediapipe: a Python that has MediaPipe; measured beside them when given.
        rounds: how often every program has its turn at the most; whole commands half as often, but twice.
        seconds: for each stage in each turn.
        commands: also whole commands, each a new process.
        minutes: no new round begins that would not end within them; every program has at least one turn.

    Returns:
        The results, see results/schema.json.
    """
    scenes = Path(tempfile.mkdtemp(prefix="tddfa-scenes-"))
    begin = time.monotonic()

    def until(part: float) -> float | None:
        return None if minutes is None else begin + 60 * minutes * part

    try:
        _write_scenes(scenes)
        before = load()
        one = _participants(packs, upstream, mediapipe, 1, scenes)
        two = [p for p in _participants(packs, upstream, None, 2, scenes) if p.threads is not None]
        plain = _stages(one, STAGES, GROWTH, rounds, seconds, until(0.5 if commands else 0.85))
        threaded = _stages(two, THREADED, {}, rounds, seconds, until(0.6 if commands else 1))
        return {
            "schema": SCHEMA,
            "measured": now(),
            "commit": commit(),
            "machine": machine(),
            "load": {"before": before, "after": load()},
            "rounds": plain.rounds,
            "unit": "ms",
            "programs": plain.programs,
            "stages": {"1": plain.stages, "2": threaded.stages},
            "growth": plain.growth,
            "peak_mb": plain.peak_mb,
            "commands": _commands(packs, upstream, mediapipe, scenes, rounds, until(1)) if commands else {},
            "errors": {
                **plain.errors,
                **{f"{key} (2 threads)": text for key, text in threaded.errors.items()},
            },
        }
    finally:
        shutil.rmtree(scenes, ignore_errors=True)


def _participants(
    packs: Sequence[str], upstream: Upstream | None, mediapipe: str | None, threads: int, scenes: Path
) -> list[Participant]:
    own = [sys.executable, "-m", "benchmarks.speed.workers.ours", "--threads", str(threads), "--pack"]
    found = [Participant(pack, [*own, pack], REPOSITORY, threads, OWN_PATHS) for pack in packs]
    if upstream is not None:
        found += [upstream.participant(path, threads, scenes) for path in ("torch", "onnx")]
    if mediapipe is not None:
        worker = [mediapipe, str(WORKERS / "mediapipe_mesh.py"), "--scenes", str(scenes)]
        found.append(Participant("mediapipe", worker, REPOSITORY, None))
    return found


def _write_scenes(folder: Path) -> None:
    write_image(folder / "portrait.png", portrait())
    write_image(folder / "portrait.jpg", portrait())
    for n in {n for stage in ("faces", "faces_drawn") for n in GROWTH.get(stage, ())}:
        image, boxes = crowd(n)
        write_image(folder / f"crowd-{n}.png", image)
        np.save(folder / f"crowd-{n}.npy", np.array([(*box, 1.0) for box in boxes]))
    heights = {h for stage, heights in GROWTH.items() if stage.endswith("_sized") for h in heights}
    for height in heights | {1080}:
        write_image(folder / f"sized-{height}.png", sized(height))


def _stages(
    participants: Sequence[Participant],
    stages: Sequence[str],
    growth: Mapping[str, Sequence[int]],
    rounds: int,
    seconds: float,
    until: float | None,
) -> Taken:
    """Stages and growing work of workers that wait while another one runs."""
    times: dict[tuple[str, str, Any], list[list[float]]] = defaultdict(list)
    errors: dict[str, str] = {}
    with ExitStack() as stack:
        workers: list[Worker] = []
        for participant in participants:
            try:
                worker = Worker(participant)
            except RuntimeError as error:
                errors[participant.name] = str(error)
                continue
            stack.callback(worker.close)
            workers.append(worker)
        jobs: list[tuple[str, Any]] = [(stage, None) for stage in stages]
        jobs += [(stage, argument) for stage, arguments in growth.items() for argument in arguments]
        for work in _rounds(jobs, rounds, "stages", until):
            for stage, argument in work:
                for worker in workers:
                    if stage in worker.stages and stage not in worker.errors:
                        # Growing work is a curve of many points: fewer runs of each.
                        budget = seconds if argument is None else 0.0
                        key = worker.participant.name, stage, argument
                        times[key].append(worker.time(stage, argument, budget))
        about = {w.participant.name: dict(w.about) for w in workers}
        peaks = {w.participant.name: round(w.peak_mb) for w in workers}
        for worker in workers:
            errors |= {f"{worker.participant.name} {stage}": text for stage, text in worker.errors.items()}
    plain: dict[str, dict[str, Any]] = defaultdict(dict)
    curves: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for (name, stage, argument), taken in times.items():
        if not any(taken):
            continue
        if argument is None:
            plain[stage][name] = summary(taken)
        else:
            curves[stage][name][str(argument)] = summary(taken)
    done = max((len(taken) for taken in times.values()), default=0)
    return Taken(dict(plain), {k: dict(v) for k, v in curves.items()}, about, peaks, errors, done)


def _rounds(jobs: Sequence[T], most: int, title: str, until: float | None) -> Iterator[Iterator[T]]:
    """The jobs once in each round, with a progress bar; no round that would end after `until`, but one."""
    with tqdm(total=most * len(jobs), desc=title, disable=None) as bar:
        for k in range(most):
            begin = time.monotonic()

            def work() -> Iterator[T]:
                for job in jobs:
                    yield job
                    bar.update()

            yield work()
            end = time.monotonic()
            if until is not None and end + (end - begin) > until:
                bar.total = (k + 1) * len(jobs)
                return


def _commands(
    packs: Sequence[str],
    upstream: Upstream | None,
    mediapipe: str | None,
    scenes: Path,
    rounds: int,
    until: float | None,
) -> dict[str, dict[str, Any]]:
    """Whole processes from a cold start: photos, and clips of two lengths."""
    for folder in (REPOSITORY / "src", *([] if upstream is None else [upstream.folder])):
        # As an installation leaves them: a cold start reads compiled modules.
        compileall.compile_dir(folder, quiet=2)
    photo, out = scenes / "portrait.jpg", scenes / "out"
    out.mkdir()
    clips = {n: scenes / f"clip-{n}.mp4" for n in FRAMES}
    for n, clip in clips.items():
        write_clip(clip, n)
    own = [sys.executable, "-m", "tddfa"]
    jobs: list[tuple[str, str, list[str], Path, dict[str, str]]] = []
    for pack in packs:
        env = environment(1, OWN_PATHS)
        image = [*own, "image", str(photo), "-d", str(out), "--pack", pack, "-o"]
        jobs += [
            (f"image {kind}", pack, [*image, kind], REPOSITORY, env) for kind in ("2d_sparse", "3d", "obj")
        ]
        for n, clip in clips.items():
            video = [*own, "video", str(clip), "-o", "3d", "-d", str(out), "--pack", pack]
            jobs.append((f"video 3d, {n} frames", pack, video, REPOSITORY, env))
        for n in FRAMES[:-1]:
            video = [*own, "video", str(clips[n]), "-o", "2d_sparse", "-d", str(out), "--pack", pack]
            jobs.append((f"video 2d_sparse, {n} frames", pack, video, REPOSITORY, env))
    if mediapipe is not None:
        script, env = str(WORKERS / "mediapipe_command.py"), environment(None, ())
        command = [mediapipe, script, "photo", str(photo), str(out / "mediapipe.jpg")]
        jobs.append(("image 2d_sparse", "mediapipe", command, REPOSITORY, env))
        for n in FRAMES[:-1]:
            command = [mediapipe, script, "video", str(clips[n]), str(out / "mediapipe.mp4")]
            jobs.append((f"video 2d_sparse, {n} frames", "mediapipe", command, REPOSITORY, env))
    if upstream is not None:
        (upstream.folder / "examples" / "results" / "videos").mkdir(parents=True, exist_ok=True)
        env = environment(1, ())
        for path in ("torch", "onnx"):
            name = f"3ddfa_v2 {path}"
            for kind in ("2d_sparse", "3d", "obj"):
                jobs.append((f"image {kind}", name, upstream.photo(path, photo, kind), upstream.folder, env))
            for n in FRAMES[:-1]:  # the longest would take a minute a round
                command = upstream.video(path, clips[n], "3d")
                jobs.append((f"video 3d, {n} frames", name, command, upstream.folder, env))
    seconds: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    peaks: dict[tuple[str, str], float] = defaultdict(float)
    failed: dict[tuple[str, str], str] = {}
    for work in _rounds(jobs, max(min(rounds, 2), rounds // 2), "commands", until):
        for task, name, command, folder, env in work:
            if (task, name) in failed:
                continue
            wait_for_quiet()
            outcome = run_command(command, folder, env)
            if outcome.error is not None:
                failed[task, name] = outcome.error
                continue
            seconds[task, name].append([outcome.seconds])
            peaks[task, name] = max(peaks[task, name], outcome.peak_mb)
    results: dict[str, dict[str, Any]] = defaultdict(dict)
    for task, name, *_ in jobs:
        if (task, name) in failed:
            results[task][name] = {"error": failed[task, name]}
        else:
            results[task][name] = {"s": summary(seconds[task, name]), "peak_mb": round(peaks[task, name])}
    return dict(results)
