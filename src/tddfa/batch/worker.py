"""The process that does chunks: `python -m tddfa.batch.worker`, started by `supervisor`.

Messages are pickles on standard input and output. A process of its own may hang, run out of memory or crash
in a decoder; whoever started it lives on. When that one dies, standard input ends, and so does the worker.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import Any, BinaryIO, NoReturn

from tddfa.errors import TddfaError
from tddfa.files import remove_unfinished


def main() -> None:
    """Do the chunks that are asked for on standard input."""
    # What libraries print must not get between the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), daemon=True).start()
    job: Any = None

    sending = threading.Lock()  # a thread that reads a video says so, too

    def notify(at: int, n: int) -> None:
        with sending:
            _send(out, ("at", at, n))

    while True:
        order: tuple[Any, ...] = orders.get()
        try:
            if order[0] == "job":
                job = pickle.loads(order[1])
            else:
                _, chunk, skip, careful, resume = order
                report = job.done(chunk) if resume else None
                if report is None:
                    report = job.run(chunk, skip, notify, careful=careful)
                _send(out, ("done", report))
        except TddfaError as error:
            _send(out, ("failed", f"{error}"))
        except BaseException as error:
            text = " ".join(str(error).split())[:300]
            _send(out, ("failed", f"unexpected {type(error).__name__} in a worker: {text}"))
            raise


def _listen(file: BinaryIO, orders: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            orders.put(pickle.load(file))
        except (EOFError, OSError, pickle.UnpicklingError):
            _end()  # whoever started us is gone; the part that was begun is none


def _send(out: BinaryIO, message: tuple[Any, ...]) -> None:
    try:
        pickle.dump(message, out)
        out.flush()
    except OSError:
        _end()


def _end() -> NoReturn:
    """End now, and remove unfinished files: on another machine, nothing else removes them."""
    remove_unfinished()
    os._exit(0)


if __name__ == "__main__":
    main()
