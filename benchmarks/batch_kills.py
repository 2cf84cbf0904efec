"""Kill actors, nodes and drivers of a batch on a Ray cluster, and compare its rows with an undisturbed run.

    python -m benchmarks.batch_kills WORK --photos 3000 --clips 20 --kills 10 --source FOLDER

Photos and clips are cut from the images of FOLDER. An undisturbed run does them in one process. Then a
cluster of three nodes on this machine does them, while SIGKILL ends an actor, a node or the driver, in a
random order and at random moments; a killed driver is started again with --resume, a killed node gets a
successor. Only processes of this cluster are killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

N_NODES = 3
_KINDS = ("actor", "node", "driver")
_MEMORY = 80 << 20  # bytes of the object store of a node; chunks travel as numbers
_FRAMES = 25  # of a clip
_POLL_S = 0.1
_STARTS = 5  # of a node
# Ray makes workers nice, and gives up those that take a minute to start: both end a run on a busy machine.
_PATIENT = {
    "RAY_worker_niceness": "0",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def main() -> int:
    """Run the experiment, print its numbers as JSON; 1 when a row differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, help="folder for inputs and outputs; what is there is used again")
    parser.add_argument("--source", type=Path, default=Path("examples/photos"), help="folder of photos")
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--side", type=int, default=220, help="of a photo, px")
    parser.add_argument("--chunk-size", type=int, default=25)
    parser.add_argument("--pack", default="open")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ.update(_PATIENT)
    inputs = args.work / "inputs"
    if not inputs.exists():
        make_inputs(inputs, args.source, args.photos, args.clips, args.side)
    options = ["--pack", args.pack, "--chunk-size", str(args.chunk_size), "--resume"]
    calm, killed = args.work / "calm", args.work / "killed"
    begin = time.monotonic()
    subprocess.run(_command(inputs, calm, options), check=True, stdout=subprocess.DEVNULL)
    middle = time.monotonic()
    kills = disturbed_run(inputs, killed, options, args.kills, random.Random(args.seed))
    numbers = {
        "photos": args.photos,
        "clips": args.clips,
        "kills": dict(kills),
        "calm_s": round(middle - begin),
        "killed_s": round(time.monotonic() - middle),
        **compared(calm, killed),
    }
    print(json.dumps(numbers, indent=1))
    return 0 if numbers["rows_equal"] else 1


def make_inputs(folder: Path, source: Path, n_photos: int, n_clips: int, side: int) -> None:
    """Write square photos and clips: pieces of photos of random place, size and light."""
    from tddfa import read_image
    from tddfa.imaging.files import encode_image
    from tddfa.video import VideoWriter

    rng = np.random.default_rng(0)
    originals = [read_image(path) for path in sorted(source.iterdir()) if path.suffix in (".jpg", ".png")]
    partial = folder.with_name("inputs.part")
    for k in range(n_photos):
        piece = _piece(originals[int(rng.integers(len(originals)))], side, rng)
        place = partial / f"{k // 500:02d}" / f"{k:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encode_image(piece, "jpg"))
    for k in range(n_clips):
        piece = _piece(originals[int(rng.integers(len(originals)))], side + 2 * _FRAMES, rng)
        with VideoWriter(partial / f"clip{k:02d}.mp4", rate=25) as writer:
            for n in range(_FRAMES):
                writer.write(np.ascontiguousarray(piece[n : n + side, n : n + side]), n / 25)
    partial.rename(folder)


def _piece(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    size = float(rng.uniform(0.6, 1.0)) * min(height, width)
    x, y = (float(rng.uniform(0, length - size)) for length in (width, height))
    scale = side / size
    move = np.array([[scale, 0, -scale * x], [0, scale, -scale * y]])
    piece = cv2.warpAffine(image, move, (side, side), flags=cv2.INTER_AREA)
    return (piece * float(rng.uniform(0.7, 1.1))).clip(0, 255).astype(np.uint8)


def disturbed_run(
    inputs: Path, out: Path, options: Sequence[str], n_kills: int, rng: random.Random
) -> Counter[str]:
    """Do a batch on a cluster whose parts are killed; return how often each kind was."""
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingTypeStubs]

    kinds = [_KINDS[k % len(_KINDS)] for k in range(n_kills)]
    rng.shuffle(kinds)
    head = {"num_cpus": 0, "object_store_memory": _MEMORY}
    cluster: Any = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    nodes = [_added_node(cluster) for _ in range(N_NODES)]
    command = _command(inputs, out, [*options, "--engine", "ray", "--address", cluster.address])
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    killed: Counter[str] = Counter()
    try:
        while not (out / "plan" / "plan.json").exists():
            time.sleep(_POLL_S)
        n_chunks = json.loads((out / "plan" / "plan.json").read_text())["n_chunks"]
        moments = sorted(rng.uniform(0.02, 0.95) * n_chunks for _ in kinds)
        for kind, moment in zip(kinds, moments, strict=True):
            while _n_parts(out) < moment:
                driver = _alive(driver, command)
                time.sleep(_POLL_S)
            time.sleep(rng.uniform(0, 2))
            if kind == "driver":
                driver.kill()
                driver.wait()
                driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            elif kind == "node":
                node = nodes.pop(rng.randrange(len(nodes)))
                cluster.remove_node(node, allow_graceful=False)
                nodes.append(_added_node(cluster))
            else:
                while not (pids := list(_actors(nodes))):
                    driver = _alive(driver, command)
                    time.sleep(_POLL_S)
                os.kill(rng.choice(pids), signal.SIGKILL)
            killed[kind] += 1
            print(f"{_n_parts(out)} of {n_chunks} parts: killed a {kind}", file=sys.stderr, flush=True)
        while driver.wait() != 0:
            driver = _alive(driver, command)
    finally:
        driver.kill()
        cluster.shutdown()
    return killed


def _added_node(cluster: Any) -> Any:
    return _patiently(lambda: cluster.add_node(num_cpus=1, object_store_memory=_MEMORY))


def _patiently(start: Callable[[], Any]) -> Any:
    """Start a node; on a busy machine, those 30 s may not be enough that Ray gives it."""
    for _ in range(_STARTS - 1):
        with contextlib.suppress(Exception):  # Ray raises no class of its own here
            return start()
    return start()


def compared(one: Path, other: Path) -> dict[str, Any]:
    """Return how the rows of two batches compare."""
    import pyarrow.parquet as pq

    def rows(place: Path) -> list[str]:
        table = pq.read_table(place / "faces")
        order = [("path", "ascending"), ("frame", "ascending"), ("face", "ascending")]
        return [repr(row) for row in table.sort_by(order).to_pylist()]

    first, second = rows(one), rows(other)
    lost, added = Counter(first) - Counter(second), Counter(second) - Counter(first)
    return {
        "rows": len(first),
        "rows_lost": lost.total(),
        "rows_added": added.total(),
        "rows_equal": first == second,
        "parts": [_n_parts(one), _n_parts(other)],
    }


def _command(inputs: Path, out: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "tddfa", "batch", str(inputs), "--out", str(out), *options]


def _alive(driver: subprocess.Popen[bytes], command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Return the driver, or a new one where it has ended: all actors may have been busy when it began."""
    if driver.poll() is None:
        return driver
    time.sleep(1)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _n_parts(out: Path) -> int:
    return len(list(out.glob("faces/*/part-*.parquet")))


def _actors(nodes: Sequence[Any]) -> Iterator[int]:
    """Yield the actors of our nodes: the processes of that name that a raylet of theirs has started."""
    raylets = {info.process.pid for node in nodes for info in node.all_processes.get("raylet", [])}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in raylets and (entry / "cmdline").read_bytes().startswith(b"ray::ChunkActor"):
                yield int(entry.name)


if __name__ == "__main__":
    sys.exit(main())
