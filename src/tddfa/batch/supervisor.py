"""A worker that may hang or crash, and what it takes to get through a chunk all the same."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tddfa.batch.chunk import ChunkJob, ChunkReport
from tddfa.errors import TddfaError

_MAX_STRIKES = 2  # times that an input may end the worker before it is left out
_MAX_STARTS = 3  # workers in a row that end before they begin with an input
_LOOK_S = 1.0
_START_S = 300.0  # time that a worker may take to start; a busy machine needs half a minute


class WorkerError(TddfaError, RuntimeError):
    """Chunks cannot be done here, whatever is in them."""


class GuardedWorker:
    """A process that does chunks; it is replaced when it hangs or dies.

    An input that takes too long, or ends the process twice, is written as an error, and the rest of its chunk
    is done.

    Args:
        job: what the process does.
        timeout_s: longest time for a photo, or between two signs of life of a video.
        resume: whether parts of an earlier run count.
    """

    def __init__(self, job: ChunkJob, *, timeout_s: float, resume: bool = False) -> None:
        self._job, self._timeout_s, self._resume = job, timeout_s, resume
        self._process: _Process | None = None
        self._chunk: int | None = None  # that is being done
        self._is_closed = threading.Event()

    def run(self, chunk: int, alive: Callable[[int], None] = lambda done: None) -> ChunkReport:
        """Do a chunk.

        Args:
            chunk: its number.
            alive: called with the number of inputs of the chunk that are done.

        Raises:
            WorkerError: no worker can do anything here: the disk is full, the pack is broken.
        """
        strikes: Counter[int] = Counter()
        skip: dict[int, str] = {}
        careful, starts = False, 0
        self._chunk = chunk
        while not self._is_closed.is_set():
            if self._process is None:
                self._process = _Process(self._job)
                if self._is_closed.is_set():
                    break
            process, at, n = self._process, -1, 1
            process.send(("chunk", chunk, skip, careful, self._resume))
            reason = ""
            while True:
                limit = _START_S if at < 0 else self._timeout_s * n
                message = process.receive(limit)
                if message is None or message[0] == "late":
                    reason = "late" if message else "dead"
                    break
                if message[0] == "done":
                    self._chunk = None
                    return message[1]
                if message[0] == "failed":
                    raise WorkerError(message[1])
                _, at, n = message
                alive(at)
            code = process.kill()
            self._process = None
            self._job.sweep(chunk)  # only this machine knows that its process is gone
            if at < 0:
                starts += 1
                if starts == _MAX_STARTS:
                    raise WorkerError(
                        f"workers end before they begin ({_exit_text(code)}); see their messages"
                    )
            elif at in skip:
                # An archive or a table that cannot be passed without being read.
                raise WorkerError(f"chunk {chunk} ends every worker, even without input {at}: {skip[at]}")
            elif n > 1:
                careful = True  # one by one, to see which it is
            elif reason == "late":
                skip[at] = f"took longer than {self._timeout_s:g} s (--timeout); left out"
            else:
                strikes[at] += 1
                if strikes[at] == _MAX_STRIKES:
                    skip[at] = f"ended the process that read it twice ({_exit_text(code)}); left out"
        self.close()
        raise WorkerError("the run was stopped")

    def close(self) -> None:
        """End the process; a chunk that it has begun is not done, and leaves nothing half-written."""
        self._is_closed.set()
        process, chunk = self._process, self._chunk
        if process is not None:
            process.kill()
        if chunk is not None:
            self._job.sweep(chunk)

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        return None if self._process is None else self._process.pid


class _Process:
    """A worker process and what it says."""

    def __init__(self, job: ChunkJob) -> None:
        environment = dict(os.environ)
        source = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        # Workers share the machine: each network and each matrix product keeps to one thread.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tddfa.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the one who started us, who decides
        )
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.send(("job", pickle.dumps(job)))

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def send(self, message: tuple[Any, ...]) -> None:
        """Give an order; a process that is dead is noticed when it should answer."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def receive(self, limit_s: float) -> Any:
        """Return the next message; ("late",) when none comes in time, None when the process is dead.

        Time is counted in short waits: a machine that stood still, or a job that was suspended, makes nothing
        late.
        """
        while limit_s > 0:
            with contextlib.suppress(queue.Empty):
                return self._messages.get(timeout=min(limit_s, _LOOK_S))
            limit_s -= _LOOK_S
        return ("late",)

    def kill(self) -> int:
        """End the process and return its exit code."""
        self._process.kill()
        code = self._process.wait()
        for file in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()
        return code

    def _listen(self) -> None:
        out = self._process.stdout
        assert out is not None
        try:
            while True:
                self._messages.put(pickle.load(out))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self._messages.put(None)


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
