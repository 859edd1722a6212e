"""Waiting for a condition, with a deadline: nothing here sleeps for a fixed time and hopes."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_never = threading.Event()


class DeadlinePassed(AssertionError):
    """What was waited for did not come about in time."""


def until(condition: Callable[[], T], *, what: str, timeout_s: float = 30.0, every_s: float = 0.02) -> T:
    """The first true value of ``condition``; raises DeadlinePassed naming ``what`` after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise DeadlinePassed(f"{what}: not within {timeout_s:g} s")
        pause(every_s)
    return value


def pause(seconds: float) -> None:
    """Let time pass where time itself is what is measured."""
    _never.wait(seconds)
