"""Answers on their way from many threads to one, and a bell that a signal handler may ring.

`queue.SimpleQueue.get` with a time-out can wait for ever in CPython 3.11: when what is left of the time has
become negative in between, it is taken to be unlimited. Here a pipe tells that there is something, and `poll`
waits for it.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

DRAINED = 4096
"""Bytes that are read at once; what they tell is in the deque."""


class Mailbox(Generic[T]):
    """Any thread, and a signal handler, may `put`; one thread takes."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()  # append and popleft are atomic
        self._reading, self._writing = os.pipe()  # close-on-exec
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        self._poll = select.poll()
        self._poll.register(self._reading, select.POLLIN)

    def put(self, item: T) -> None:
        """Put something in, and ring. Safe in a signal handler: it takes no lock."""
        self._items.append(item)
        with suppress(BlockingIOError):  # full: it rings already
            os.write(self._writing, b"\0")

    def take(self, seconds: float) -> T | None:
        """Take the oldest item; None when there is none after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._items:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if self._poll.poll(left * 1000):
                with suppress(BlockingIOError):
                    os.read(self._reading, DRAINED)  # it may be about an item that was taken already
        return self._items.popleft()

    def __del__(self) -> None:
        # Not before the last thread has let go of this: a descriptor's number is soon given to another file.
        os.close(self._reading)
        os.close(self._writing)
