"""Who goes first where not all can, and how much goes."""

import asyncio
from contextlib import suppress

import pytest

from filmroom.archive.devices import Device, DevicePolicy
from filmroom.base.ids import AeTitle
from filmroom.net.dimse.pacing import Traffic, Turnstile


async def _queue(turns: Turnstile, wanted: list[tuple[str, int]]) -> list[str]:
    """Everybody queues while somebody is inside; the order in which they come through."""
    order: list[str] = []

    async def one(name: str, priority: int) -> None:
        async with turns.through(priority):
            order.append(name)

    async with turns.through():
        tasks = [asyncio.create_task(one(name, priority)) for name, priority in wanted]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return order


@pytest.mark.capability("1.3.6")
async def test_the_most_urgent_goes_first_and_equals_in_their_order() -> None:
    wanted = [("low", -1), ("first", 0), ("second", 0), ("high", 1)]
    assert await _queue(Turnstile(), wanted) == ["high", "first", "second", "low"]


async def test_who_gives_up_waiting_takes_no_place() -> None:
    turns = Turnstile()
    async with turns.through():
        gone = asyncio.create_task(_queue(turns, []))
        await asyncio.sleep(0)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
    assert await _queue(turns, [("next", 0)]) == ["next"]


async def test_who_gives_up_at_the_moment_of_its_turn_passes_it_on() -> None:
    turns = Turnstile()
    async with turns.through():
        gone = asyncio.create_task(_queue(turns, []))
        await asyncio.sleep(0)
    gone.cancel()  # it has its turn by now, and does not know yet
    with suppress(asyncio.CancelledError):
        await gone
    async with asyncio.timeout(1), turns.through():
        pass


def _device(title: str, bytes_per_s: int | None = None) -> Device:
    return Device(ae_title=AeTitle(title), host="h", port=1, policy=DevicePolicy(bytes_per_s=bytes_per_s))


def test_nothing_is_measured_where_nothing_is_limited() -> None:
    assert Traffic().pace(_device("ANY")) is None
    assert Traffic(1000).pace(_device("ANY")) is not None
    assert Traffic().pace(_device("SLOW", 1000)) is not None


@pytest.mark.capability("1.3.6")
async def test_destinations_share_the_line_whatever_the_number_of_their_associations() -> None:
    traffic = Traffic(1_000_000)
    moved = {"MANY": 0, "ONE": 0}

    async def association(title: str) -> None:
        pace = traffic.pace(_device(title))
        assert pace is not None
        while True:
            await pace(10_000)
            moved[title] += 1

    tasks = [asyncio.create_task(association(title)) for title in ("MANY",) * 7 + ("ONE",)]
    async with asyncio.timeout(5):
        while sum(moved.values()) < 20:
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert abs(moved["MANY"] - moved["ONE"]) <= 2
