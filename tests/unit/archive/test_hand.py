"""A thread for one kind of blocking work."""

import asyncio
import threading

import pytest

from filmroom.archive.hand import Hand


async def test_work_is_done_in_the_order_of_asking_in_one_thread() -> None:
    hand = Hand("test")
    done: list[tuple[int, str]] = []

    def note(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number

    answers = [hand.do(lambda number=number: note(number)) for number in range(5)]
    assert await asyncio.gather(*answers) == list(range(5))
    assert done == [(number, "test") for number in range(5)]
    hand.stop()


async def test_what_the_work_raises_is_the_answer_and_the_next_is_done() -> None:
    hand = Hand("test")

    def fails() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await hand.do(fails)
    assert await hand.do(lambda: "next") == "next"
    hand.stop()


async def test_work_is_done_even_when_nobody_waits_any_more() -> None:
    hand = Hand("test")
    begun, go_on = threading.Event(), threading.Event()
    done: list[bool] = []

    def slow() -> None:
        begun.set()
        assert go_on.wait(10)
        done.append(True)

    answer = hand.do(slow)
    assert await asyncio.to_thread(begun.wait, 10)
    answer.cancel()
    go_on.set()
    assert await hand.do(lambda: "after") == "after"
    assert done == [True]
    hand.stop()


async def test_a_hand_that_was_never_asked_has_no_thread() -> None:
    before = threading.active_count()
    Hand("test").stop()
    assert threading.active_count() == before
