"""Cameras at a running studio: frames a second, latency and memory. `python tools/studio_load.py --help`.

Each client sends frames of the example clip at 30 a second, as the page does: at most two on their way. With
`--on-the-way 1`, no frame waits for the one before: the time beside the networks is that of a frame alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from pathlib import Path

from websockets.sync.client import connect

from tddfa.imaging.files import encode_image
from tddfa.video import VideoReader

CLIP = Path(__file__).parents[1] / "examples" / "clip.mp4"
_RATE = 30


def main() -> None:
    """Print a line per client and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="ws://127.0.0.1:8470/api/camera")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--on-the-way", type=int, default=2)
    parser.add_argument("--pid", type=int, help="process of the studio, whose memory is told")
    args = parser.parse_args()
    frames = [encode_image(frame.image, "jpg", quality=80) for frame in VideoReader(CLIP)]
    results: list[list[dict[str, float]]] = [[] for _ in range(args.clients)]
    threads = [
        threading.Thread(target=_client, args=(args.address, frames, args.seconds, args.on_the_way, result))
        for result in results
    ]
    memory = [_memory_mib(args.pid)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        memory.append(_memory_mib(args.pid))
    for k, result in enumerate(results):
        trip, track = (statistics.median(r[name] for r in result) for name in ("round_trip_ms", "track_ms"))
        beside = statistics.median(r["server_ms"] - r["track_ms"] for r in result)
        print(
            f"client {k}: {len(result) / args.seconds:.1f} frames a second, round trip {trip:.1f} ms, "
            f"tracking {track:.1f} ms, the rest in the studio {beside:.1f} ms"
        )
    counts = [len(result) for result in results]
    print(f"fairness: least / most = {min(counts) / max(counts):.2f}")
    if args.pid:
        third = max(len(memory) // 3, 1)
        print(
            f"memory, MiB: {memory[0]:.0f} before, {statistics.median(memory[third : 2 * third]):.0f} in the "
            f"second third, {statistics.median(memory[-third:]):.0f} in the last"
        )


def _client(
    address: str, frames: list[bytes], seconds: float, most: int, result: list[dict[str, float]]
) -> None:
    sent: dict[int, float] = {}
    n = 0
    with connect(address, max_size=None) as socket:
        end = time.perf_counter() + seconds
        due = time.perf_counter()
        while time.perf_counter() < end:
            if len(sent) < most and time.perf_counter() >= due:
                sent[n] = time.perf_counter()
                socket.send(frames[n % len(frames)])
                n += 1
                due = max(due + 1 / _RATE, time.perf_counter() - 1 / _RATE)
            wait = max(due - time.perf_counter(), 0.0) if len(sent) < most else 1.0
            try:
                answer = json.loads(socket.recv(timeout=wait))
            except TimeoutError:
                continue
            if answer["type"] != "frame":
                raise RuntimeError(answer)
            now = time.perf_counter()
            answer["round_trip_ms"] = 1000 * (now - sent[answer["n"]])
            for k in [k for k in sent if k <= answer["n"]]:
                del sent[k]
            result.append({name: answer[name] for name in ("round_trip_ms", "server_ms", "track_ms")})


def _memory_mib(pid: int | None) -> float:
    if pid is None:
        return 0.0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
