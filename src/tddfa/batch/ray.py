"""Chunks on a Ray cluster; the only user of Ray.

Plain actors, not `ray.data`: a chunk has its number, its part file and its report, and nothing else has to
travel. A dataset would cut and join blocks on the way, need slots of its own beside those of the actors, and
hang without a word when there are none. An actor has one chunk at a time, which is all the backpressure that
is needed; it holds a `GuardedWorker`, so that hanging and crashing inputs are dealt with as on one machine.
For pipelines of your own, `TableAligner` is a callable for `ray.data.Dataset.map_batches`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import field
from typing import Any

from tddfa.batch.chunk import ChunkJob, ChunkReport
from tddfa.batch.supervisor import GuardedWorker, WorkerError
from tddfa.dataclass import dataclass
from tddfa.errors import InputError, TddfaError, require_extra

_POLL_S = 1.0
_SETTLE_S = 15.0  # until the CPUs of actors that died with their driver are counted as free
_PATIENCE_S = 300.0  # without any actor: a cluster that grows by itself takes minutes for a machine
_CONNECT_S = 10.0
_CLOSE_S = 10.0  # for all actors together, to remove the files that they have begun
_MAX_FAILED_STARTS = 3  # actors, for each that is wanted, that die before they are ready

_log = logging.getLogger(__name__)


class ChunkActor:
    """An actor: a guarded worker on some machine of the cluster.

    Args:
        job: does a chunk.
        timeout_s: see `GuardedWorker`.
        resume: whether parts of an earlier run count.
    """

    def __init__(self, job: ChunkJob, timeout_s: float, resume: bool) -> None:
        self._worker = GuardedWorker(job, timeout_s=timeout_s, resume=resume)
        self._counters = _counters()

    def ready(self) -> int:
        """Return the number of the process, when the actor has its slot."""
        return os.getpid()

    def run(self, chunk: int) -> ChunkReport | str:
        """Return the report of a chunk, or why nothing can be done here."""
        try:
            report = self._worker.run(chunk)
        except TddfaError as error:
            return str(error)
        for name, counter in self._counters.items():
            if n := getattr(report, name):
                counter.inc(n)
        return report

    def close(self) -> None:
        """End the worker, beside `run`; only on its machine can the file that it has begun be removed."""
        self._worker.close()


@dataclass(slots=True)
class RayEngine:
    """Actors of a Ray cluster, with one CPU and one thread each.

    Attributes:
        address: of the cluster: "auto", "ray://host:10001"; a cluster on this machine when not given.
        workers: number of actors; one for each CPU that is free when not given.
        actors: those that run, for tests.
    """

    address: str | None = None
    workers: int | None = None
    actors: list[Any] = field(default_factory=list[Any])

    def run(
        self,
        job: ChunkJob,
        chunks: Iterator[int],
        *,
        timeout_s: float,
        resume: bool,
        alive: Callable[[int, int], None],
    ) -> Generator[ChunkReport | None]:
        """Yield a report of each chunk, as they are done, and None while there is none; see `LocalEngine`.

        Raises:
            InputError: the cluster cannot be reached, or has fewer free CPUs than workers.
            WorkerError: chunks cannot be done there.
        """
        ray = load_ray()
        was_there = ray.is_initialized()
        if not was_there:
            self._connect(ray)
        try:
            workers = self._slots(ray)
            yield from _Pool(ray, job, timeout_s, resume, workers, self.actors).run(chunks)
        finally:
            if not was_there:
                ray.shutdown()

    def check(self) -> None:
        """Refuse a cluster that cannot be there, before anything is done.

        Raises:
            InputError: nothing answers at the address, for which Ray itself waits ten minutes and more.
            MissingExtraError: Ray is not installed.
        """
        load_ray()
        host, colon, port = (self.address or "").removeprefix("ray://").rpartition(":")
        if not (colon and host and port.isdigit()):
            return
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
        except (OSError, OverflowError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is no address"
            raise InputError(_no_cluster(f"at {self.address}", why)) from None

    def _connect(self, ray: Any) -> None:
        self.check()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(
                address=self.address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=None if self.address else False,
                **({} if self.address or self.workers is None else {"num_cpus": self.workers}),
            )
        except Exception as error:  # Ray raises classes of its own without a common base
            where = self.address or "on this machine"
            raise InputError(_no_cluster(where, _short(error))) from None
        # Ray's own handler of SIGTERM aborts the process, with a stack trace.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if handler is not None:  # None: not set from Python
                    signal.signal(number, handler)

    def _slots(self, ray: Any) -> int:
        """Return the number of actors; refuse more than there is room for: Ray would wait without a word."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            free, all_of_them = (
                int(found.get("CPU", 0)) for found in (ray.available_resources(), ray.cluster_resources())
            )
            if free >= (self.workers or all_of_them) or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S / 2)
        wanted = free if self.workers is None else self.workers
        if wanted < 1 or wanted > free:
            raise InputError(
                f"{max(wanted, 1)} workers need a CPU each, and {free} of the {all_of_them} CPUs of the Ray "
                "cluster are free; ask for fewer (-j), or wait for other jobs to end"
            )
        return wanted


class _Pool:
    """Actors, what each of them does, and the chunks of those that died."""

    def __init__(
        self, ray: Any, job: ChunkJob, timeout_s: float, resume: bool, workers: int, actors: list[Any]
    ) -> None:
        self._ray = ray
        # Where an actor dies, a new one takes its place, on any machine with a free CPU.
        # The second thread is for `close`, while `run` is busy.
        options = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 2}
        self._remote = ray.remote(**options)(ChunkActor)
        self._arguments = (ray.put(job), timeout_s, resume)
        self._workers = workers
        self._again: deque[int] = deque()
        self._running: dict[Any, tuple[Any, int | None]] = {}  # what is awaited → actor, chunk
        self._failed_starts = 0
        self._actors = actors

    def run(self, chunks: Iterator[int]) -> Generator[ChunkReport | None]:
        """Yield the reports of chunks."""
        try:
            for _ in range(self._workers):
                self._start()
            seen = time.monotonic()
            while self._running:
                done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_POLL_S)
                if any(chunk is not None for _, chunk in self._running.values()) or done:
                    seen = time.monotonic()
                elif time.monotonic() - seen > _PATIENCE_S:
                    raise WorkerError(
                        f"no machine of the Ray cluster had a free CPU for {_PATIENCE_S:.0f} s; see "
                        "'ray status'"
                    )
                if not done:
                    yield None
                for awaited in done:
                    report = self._take(awaited, chunks)
                    if report is not None:
                        yield report
                if not any(chunk is not None for _, chunk in self._running.values()) and not self._again:
                    # Only actors without a slot are left: is there anything to wait for?
                    chunk = next(chunks, None)
                    if chunk is None:
                        return
                    self._again.append(chunk)
        finally:
            self._close([actor for actor, chunk in self._running.values() if chunk is not None])
            for actor in list(self._actors):
                self._end(actor)

    def _take(self, awaited: Any, chunks: Iterator[int]) -> ChunkReport | None:
        """Return the report that an actor has made, and give it the next chunk."""
        actor, chunk = self._running.pop(awaited)
        try:
            result = self._ray.get(awaited)
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            self._lost(chunk, error)
            return None
        if isinstance(result, str):
            raise WorkerError(result)
        self._failed_starts = 0
        following = self._again.popleft() if self._again else next(chunks, None)
        if following is None:
            self._end(actor)
        else:
            self._running[actor.run.remote(following)] = (actor, following)
        return result if isinstance(result, ChunkReport) else None

    def _lost(self, chunk: int | None, error: BaseException) -> None:
        if chunk is None:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS * self._workers:
                raise WorkerError(f"no worker starts on the Ray cluster: {_short(error)}")
        else:
            _log.info("an actor died; chunk %d is done again", chunk)
            self._again.append(chunk)
        self._start()

    def _start(self) -> None:
        actor = self._remote.remote(*self._arguments)
        self._actors.append(actor)
        self._running[actor.ready.remote()] = (actor, None)

    def _close(self, actors: list[Any]) -> None:
        """Have actors that are busy give up their chunks: a killed one leaves a file half-written."""
        if actors:
            closing = [actor.close.remote() for actor in actors]
            self._ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)

    def _end(self, actor: Any) -> None:
        self._actors.remove(actor)
        self._ray.kill(actor)


def load_ray() -> Any:
    """Return the module `ray`, which then reports no use of itself.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise require_extra("tddfa batch --engine ray", "ray", "ray") from None
    return ray


def _counters() -> dict[str, Any]:
    """Return what Ray's metrics count, by attribute of a report."""
    from ray.util.metrics import Counter

    return {
        name: Counter(f"tddfa_{name[2:]}", description=f"tddfa batch: {text}")
        for name, text in (
            ("n_inputs", "inputs that are done"),
            ("n_faces", "faces that were found"),
            ("n_errors", "inputs that could not be used"),
        )
    }


def _no_cluster(where: str, why: str) -> str:
    return f"no Ray cluster {where}: {why}; start one with 'ray start --head', or leave --address out"


def _short(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
