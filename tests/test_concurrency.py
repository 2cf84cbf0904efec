import functools
import os
import threading
import time

import pytest

from tddfa.concurrency import WorkerDiedError, in_order, in_processes, one_at_a_time
from waiting import PATIENCE_S


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    def slow_at_first(k):
        time.sleep(0.02 / (k + 1))
        return k * k

    assert list(in_order(slow_at_first, range(20), workers)) == [k * k for k in range(20)]
    assert list(in_order(slow_at_first, [], workers)) == []


def test_several_items_are_worked_on_at_a_time():
    together = threading.Barrier(3, timeout=PATIENCE_S)
    assert list(in_order(lambda k: together.wait() >= 0, range(6), 3)) == [True] * 6


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (3, 5)])
def test_items_are_taken_as_they_are_needed(workers, ahead):
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield len(taken)

    results = in_order(lambda k: k, endless(), workers)
    for k in range(10):
        assert next(results) == k + 1
        assert len(taken) == k + 1 + ahead
    results.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_is_raised_at_its_turn(workers):
    results = in_order(lambda k: 1 / (3 - k), range(100), workers)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_cache_makes_one_value_for_threads_that_ask_at_once():
    made = []

    @one_at_a_time
    @functools.cache
    def value(k):
        made.append(k)
        time.sleep(0.05)
        return object() if k == 0 else value(k - 1)  # may call itself

    start = threading.Barrier(4, timeout=PATIENCE_S)
    values = list(in_order(lambda _: (start.wait(), value(2))[1], range(4), 4))
    assert made == [2, 1, 0]
    assert len(set(map(id, values))) == 1
    assert value.__name__ == "value"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_does_not_have():
    inside, leave = threading.Event(), threading.Event()

    @one_at_a_time
    def value(wait):
        if wait:
            inside.set()
            leave.wait(PATIENCE_S)

    thread = threading.Thread(target=value, args=(True,))
    thread.start()
    inside.wait(PATIENCE_S)
    child = os.fork()
    if child == 0:
        value(False)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    leave.set()
    thread.join()


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_items_is_raised_at_its_turn(workers):
    results = in_order(lambda k: k, (k // (k != 4) for k in range(100)), workers)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


class Process:
    """What a process of these tests was told at its beginning."""

    factor = 0

    @classmethod
    def begin(cls, factor: int) -> None:
        cls.factor = factor

    @classmethod
    def times(cls, k: int) -> tuple[int, int]:
        if k == 13:
            os._exit(1)  # as the system ends a process that takes all memory
        return cls.factor * k, os.getpid()


def test_processes_give_results_in_order_and_one_that_dies_is_a_line():
    results = list(in_processes(Process.times, range(12), 2, Process.begin, 3))
    assert [result for result, _ in results] == [3 * k for k in range(12)]
    assert os.getpid() not in {pid for _, pid in results}
    with pytest.raises(WorkerDiedError, match="a process was ended while it worked"):
        list(in_processes(Process.times, range(20), 2, Process.begin, 3))
