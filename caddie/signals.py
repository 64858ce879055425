"""SIGTERM and SIGINT as calls on the event loop, so that a stop is an ordinary event with an order and a deadline."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ECHO_S = 1.0  # a signal to a process group comes again from a parent, such as make, that passes it on


@contextmanager
def on_stop_signals(first: Callable[[], None], again: Callable[[], None] | None = None) -> Iterator[None]:
    """Calls `first` at the first signal and `again`, if given, at one that comes later, inside the running loop."""
    loop = asyncio.get_running_loop()
    seen_at: float | None = None

    def handle() -> None:
        nonlocal seen_at
        if seen_at is None:
            seen_at = loop.time()
            first()
        elif again is not None and loop.time() - seen_at > ECHO_S:
            again()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
