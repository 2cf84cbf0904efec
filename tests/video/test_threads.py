"""Reading ahead and writing behind: the same items, the same errors, no thread left."""

from __future__ import annotations

import threading
import time

import pytest

from tddfa.video import Behind, ahead


def test_ahead_gives_the_same_items_in_order():
    assert list(ahead(range(1000), 4)) == list(range(1000))


def test_ahead_raises_the_error_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    got = ahead(items(), 4)
    assert next(got) == 1
    with pytest.raises(ValueError, match="broken"):
        next(got)


def test_ahead_fetches_no_more_than_it_may():
    fetched = []

    def items():
        for i in range(100):
            fetched.append(i)
            yield i

    got = ahead(items(), 3)
    next(got)
    time.sleep(0.05)
    got.close()
    assert len(fetched) <= 1 + 3 + 1


def test_closing_ends_the_thread():
    before = threading.active_count()
    got = ahead(iter(int, 1), 2)
    next(got)
    got.close()
    assert threading.active_count() == before


def test_behind_calls_in_order_and_waits_on_leaving():
    out = []
    with Behind(out.append, 2) as behind:
        for i in range(100):
            behind.put(i)
    assert out == list(range(100))


def test_an_error_behind_reaches_the_caller_and_does_not_block_him():
    def fail(_):
        raise ValueError("full")

    def write():
        with Behind(fail, 1) as behind:
            for _ in range(50):
                behind.put(0)

    with pytest.raises(ValueError, match="full"):
        write()


def test_what_was_put_in_is_done_although_the_caller_fails():
    out = []

    def write():
        with Behind(out.append, 8) as behind:
            behind.put(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert out == [1]
