"""The loop that every worker runs. It needs nothing but the standard library: other programs' Pythons run it.

One JSON line comes out when the worker is ready: `{"stages": [...], "about": {...}, "ready_s": ...}`. Each
line that comes in, `{"stage": name, "argument": any, "seconds": budget}`, is answered by
`{"ms": [...], "rss_mb": ...}`.
"""

import gc
import json
import os
import resource
import sys
import time

_FEWEST, _MOST = 3, 200

# From here on, what programs print goes to standard error: 3DDFA_V2 prints while it converts its networks.
_OUT = os.dup(1)
os.dup2(2, 1)


def serve(stages, about, started):
    """Answer requests until standard input ends.

    Args:
        stages: name → `prepare(argument)`, which returns what is timed.
        about: versions and settings, for the record.
        started: `time.perf_counter()` at the worker's first line.
    """
    ready = {"stages": sorted(stages), "about": about, "ready_s": time.perf_counter() - started}
    out = os.fdopen(_OUT, "w")
    print(json.dumps(ready), file=out, flush=True)
    prepared = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["stage"], json.dumps(request.get("argument"))
        try:
            if key not in prepared:
                prepared[key] = stages[request["stage"]](request.get("argument"))
                prepared[key]()  # warm-up
            answer = {"ms": _timed(prepared[key], request["seconds"]), "rss_mb": peak_memory_mb()}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)


def peak_memory_mb():
    """The most memory that this process has held, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _timed(run, seconds):
    """Milliseconds of each of several runs within a budget, at least three runs."""
    times = []
    gc.collect()
    end = time.perf_counter() + seconds
    while len(times) < _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times
