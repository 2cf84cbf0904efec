"""Workers and whole commands, run and timed from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import REPOSITORY


@dataclass(frozen=True)
class Participant:
    """A program to measure.

    Attributes:
        name: in the results.
        command: starts its worker.
        folder: where it runs.
        threads: it may use; None where it chooses itself.
        paths: to put on its Python's path.
    """

    name: str
    command: Sequence[str]
    folder: Path = REPOSITORY
    threads: int | None = 1
    paths: Sequence[Path] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment that holds it to its threads and keeps other packages out."""
        return environment(self.threads, self.paths)


def environment(threads: int | None, paths: Sequence[Path]) -> dict[str, str]:
    """This process's environment for a program with so many threads and these folders on its path."""
    # Without compiled modules on the disk every start would compile them.
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    env = {key: value for key, value in os.environ.items() if key not in unwanted}
    if paths:
        env["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            env[name] = str(threads)
    return env


OWN_PATHS = (REPOSITORY / "src", REPOSITORY)


@dataclass
class Worker:
    """A running worker.

    Attributes:
        participant: what it is.
        stages: what it can do.
        about: its versions.
        errors: stages that failed, with the reason.
        peak_mb: the most memory it has held.
    """

    participant: Participant
    stages: frozenset[str] = frozenset()
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    errors: dict[str, str] = field(default_factory=dict[str, str])
    peak_mb: float = 0.0

    def __post_init__(self) -> None:
        # A file, as nobody reads along: a full pipe would stop the program.
        self._messages = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115, closed in close()
        # What the program writes while it is timed goes when the program goes.
        self._scratch = tempfile.TemporaryDirectory(prefix="tddfa-bench-")
        self._process = subprocess.Popen(
            list(self.participant.command),
            cwd=self.participant.folder,
            env=self.participant.environment | {"TMPDIR": self._scratch.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )
        ready = self._answer()
        if "error" in ready:
            raise RuntimeError(f"{self.participant.name} does not start: {ready['error']}")
        self.stages, self.about = frozenset(ready["stages"]), ready["about"]

    def time(self, stage: str, argument: Any, seconds: float) -> list[float]:
        """Milliseconds of each run of a stage; [] when it fails."""
        request = {"stage": stage, "argument": argument, "seconds": seconds}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        except BrokenPipeError:
            answer = {"error": "the process has ended"}
        if "error" in answer:
            self.errors[stage] = answer["error"]
            return []
        self.peak_mb = max(self.peak_mb, answer["rss_mb"])
        return answer["ms"]

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                stream.close()
        self._process.terminate()
        self._process.wait()
        self._scratch.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._messages.seek(0)
        messages = self._messages.read().strip().splitlines()
        return {"error": messages[-1] if messages else "the process has ended"}


@dataclass(frozen=True)
class Outcome:
    """How a whole command went.

    Attributes:
        seconds: wall time.
        peak_mb: the most memory it held.
        error: why it failed; None when it did not.
    """

    seconds: float
    peak_mb: float
    error: str | None


_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
run = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
lines = run.stderr.strip().splitlines()
error = None if run.returncode == 0 else (lines or [f"exit code {run.returncode}"])[-1]
print(json.dumps([seconds, peak, error]))
"""


def run_command(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Outcome:
    """Time and memory of a whole command, from its first instruction to its last."""
    # A small process in between: only then is the peak that of this command and not of all before it.
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, *command],
        cwd=folder,
        env=dict(env),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:  # somebody ended it: the other programs are measured all the same
        return Outcome(0.0, 0.0, f"ended with code {done.returncode}")
    seconds, peak, error = json.loads(done.stdout)
    return Outcome(seconds, peak, error)


def wait_for_quiet() -> None:
    """A short rest, so that what the command before has left to the system is over."""
    time.sleep(0.05)
