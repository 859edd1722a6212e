"""Deliveries: every object gets its answer, whatever the destination does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixtures.outgoing import LeapClock, ScriptedSender, Site, open_site

from filmroom.archive import sending_work
from filmroom.archive.devices import NoSuchDevice
from filmroom.archive.sending import Priority
from filmroom.base.errors import Forbidden, NotFound, Retry
from filmroom.base.facts import DeliveryEnded
from filmroom.base.ids import AeTitle
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.net.dimse.outgoing import Sent
from filmroom.security.principals import SYSTEM, person

SOON_S = 7.0  # past the first retry and the first time a destination is left alone


@pytest.fixture
def sender() -> ScriptedSender:
    return ScriptedSender()


@pytest.fixture
async def site(database: Database, tmp_path: Path, sender: ScriptedSender) -> AsyncIterator[Site]:
    async with open_site(database, tmp_path / "store", sender=sender) as opened:
        await opened.know("PEER")
        await opened.know("OTHER")
        yield opened


def lost(uid: str) -> Sent:
    return Sent("1.2", uid, None, "the peer aborted", Retry.UNSURE)


@pytest.mark.capability("1.1.17", "4.2.1")
async def test_objects_go_by_series_and_instance_number_and_each_has_its_result(
    site: Site, sender: ScriptedSender
) -> None:
    made = await site.file(20)
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid], reason="a test")
    done = await site.ended(pk)
    assert (done.state, done.sent, done.failed, done.repeated, done.reason) == ("done", 20, 0, 0, "a test")
    assert sender.sent == [("PEER", each.sop_uid) for each in made]
    assert all((item.state, item.attempts, item.status) == ("sent", 1, 0) for item in await site.items(pk))
    facts = [each.fact for each in await feed.read(site.rig.database, 0)]
    assert DeliveryEnded(delivery_id=pk, destination="PEER", state="done") in facts


async def test_what_cannot_be_ordered_is_said_at_once(site: Site) -> None:
    made = await site.file(1)
    with pytest.raises(NoSuchDevice):
        await site.sending.order(SYSTEM, "NOBODY", studies=[made[0].study_uid])
    with pytest.raises(NotFound):
        await site.sending.order(SYSTEM, "PEER", studies=["1.2.3"])
    with pytest.raises(Forbidden):
        await site.sending.order(person(1, "A", frozenset({"viewer"})), "PEER", studies=[made[0].study_uid])


async def test_a_full_destination_is_tried_again_and_nothing_goes_twice(site: Site, sender: ScriptedSender) -> None:
    made = await site.file(6)
    sender.answers[made[2].sop_uid] = [0xA700]
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    waiting = await site.tried(pk)
    assert (waiting.sent, waiting.waiting, waiting.trouble) == (2, 4, "A700H Refused: out of resources")
    (destination,) = await site.sending.destinations(SYSTEM)
    assert (destination.failures, destination.waiting, destination.trouble) == (1, 4, waiting.trouble)
    site.clock.leap(SOON_S)
    assert (await site.ended(pk)).sent == 6
    assert [uid for _, uid in sender.sent] == [each.sop_uid for each in (*made[:3], *made[2:])]
    (destination,) = await site.sending.destinations(SYSTEM)
    assert (destination.failures, destination.away_until, destination.trouble) == (0, None, "")


async def test_an_object_without_an_answer_is_sent_again_and_that_is_said(site: Site, sender: ScriptedSender) -> None:
    made = await site.file(4)
    uid = made[1].sop_uid
    sender.answers[uid] = [lost(uid), 0x0111]  # it had arrived
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    waiting = await site.tried(pk)
    assert (waiting.sent, waiting.waiting, waiting.repeated) == (3, 1, 1)
    site.clock.leap(SOON_S)
    done = await site.ended(pk)
    assert (done.state, done.sent, done.warned, done.repeated) == ("done", 4, 1, 1)
    item = (await site.items(pk))[1]
    assert (item.attempts, item.unsure, item.status, item.state) == (2, True, 0x0111, "warning")
    assert len(sender.sent) == 5


async def test_an_object_that_never_gets_an_answer_fails_in_the_end(site: Site, sender: ScriptedSender) -> None:
    made = await site.file(2)
    uid = made[0].sop_uid
    sender.answers[uid] = [lost(uid)] * 9
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    for times in range(1, sending_work.MAX_ATTEMPTS):
        await site.tried(pk, times)
        site.clock.leap(60)
    done = await site.ended(pk)
    assert (done.state, done.sent, done.failed) == ("failed", 1, 1)
    item = (await site.items(pk))[0]
    assert (item.attempts, item.unsure, item.comment) == (sending_work.MAX_ATTEMPTS, True, "the peer aborted")


async def test_what_the_destination_does_not_want_fails_and_the_rest_goes_on(
    site: Site, sender: ScriptedSender
) -> None:
    made = await site.file(5)
    sender.answers[made[1].sop_uid] = [Sent("1.2", made[1].sop_uid, 0xC123, "bad dose")]
    sender.answers[made[3].sop_uid] = [0xB000]
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    done = await site.ended(pk)
    assert (done.state, done.sent, done.warned, done.failed) == ("failed", 4, 1, 1)
    (dead,) = await site.sending.items(SYSTEM, pk, state="failed")
    assert (dead.sop_uid, dead.status, dead.comment) == (
        made[1].sop_uid,
        0xC123,
        "C123H Error: cannot understand: bad dose",
    )
    assert [each.pk for each in await site.sending.deliveries(SYSTEM, state="failed")] == [pk]
    assert await site.sending.resend(SYSTEM, pk) == 1
    assert (await site.ended(pk)).state == "done"
    assert [uid for _, uid in sender.sent][5:] == [made[1].sop_uid]
    with pytest.raises(NotFound):
        await site.sending.resend(SYSTEM, pk)


@pytest.mark.capability("4.2.1")
async def test_a_destination_that_hangs_or_is_away_keeps_nothing_from_others(
    site: Site, sender: ScriptedSender
) -> None:
    await site.know("AWAY")
    sender.hanging.add("PEER")
    sender.away.add("AWAY")
    made = await site.file(3)
    stuck = [await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid]) for _ in range(10)]
    away = [await site.sending.order(SYSTEM, "AWAY", studies=[made[0].study_uid]) for _ in range(10)]
    pk = await site.sending.order(SYSTEM, "OTHER", studies=[made[0].study_uid])
    assert (await site.ended(pk)).state == "done"
    await site.tried(away[0])
    states = {(await site.sending.get(SYSTEM, each)).state for each in stuck + away}
    assert states == {"waiting"}


async def test_a_destination_that_is_away_is_tried_once_in_a_while_and_not_once_for_each_delivery(
    site: Site, sender: ScriptedSender
) -> None:
    sender.away.add("PEER")
    made = await site.file(2)
    pks = [await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid]) for _ in range(5)]
    await site.tried(pks[0])
    assert [(await site.sending.get(SYSTEM, pk)).trouble for pk in pks[1:]] == [""] * 4
    sender.away.clear()
    site.clock.leap(SOON_S)
    for pk in pks:
        done = await site.ended(pk)
        assert (done.sent, done.repeated) == (2, 0)
    assert len(sender.sent) == 10


async def test_what_could_not_be_sent_in_time_is_a_dead_letter(site: Site, sender: ScriptedSender) -> None:
    sender.away.add("PEER")
    made = await site.file(2)
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    await site.tried(pk)
    site.clock.leap(25 * 3600)
    done = await site.ended(pk)
    assert (done.state, done.failed) == ("failed", 2)
    assert {(item.comment, item.attempts) for item in await site.items(pk)} == {("cannot be reached", 0)}
    sender.away.clear()
    site.clock.leap(3600)
    assert await site.sending.resend(SYSTEM, pk) == 2
    assert (await site.ended(pk)).state == "done"


async def test_calling_off_stops_at_the_next_object(site: Site, sender: ScriptedSender) -> None:
    sender.gate = asyncio.Event()
    made = await site.file(40)
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])

    async def begun() -> bool:
        return bool(sender.at_once)

    await site.until(begun)
    assert await site.sending.cancel(SYSTEM, pk)
    assert not await site.sending.cancel(SYSTEM, pk)
    sender.gate.set()

    async def over() -> bool:
        return not sender.at_once

    await site.until(over)
    assert len(sender.sent) <= sending_work.WINDOW
    found = await site.sending.get(SYSTEM, pk)
    assert (found.state, found.sent) == ("cancelled", len(sender.sent))
    assert await site.sending.resend(SYSTEM, pk) == 40 - len(sender.sent)
    assert (await site.ended(pk)).sent == 40
    assert len(sender.sent) == 40


async def test_a_pause_holds_everything_for_a_destination(site: Site, sender: ScriptedSender) -> None:
    await site.sending.pause(SYSTEM, "PEER")
    made = await site.file(3)
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    other = await site.sending.order(SYSTEM, "OTHER", studies=[made[0].study_uid])
    await site.ended(other)
    assert {to for to, _ in sender.sent} == {"OTHER"}
    await site.sending.go_on(SYSTEM, "PEER")
    assert (await site.ended(pk)).sent == 3


@pytest.mark.capability("1.3.6")
async def test_the_urgent_goes_first(site: Site, sender: ScriptedSender) -> None:
    await site.sending.pause(SYSTEM, "PEER")
    made = [await site.file(1) for _ in range(3)]
    pks = [
        await site.sending.order(SYSTEM, "PEER", studies=[each[0].study_uid], priority=priority)
        for each, priority in zip(made, (Priority.LOW, Priority.MEDIUM, Priority.HIGH), strict=True)
    ]
    await site.sending.go_on(SYSTEM, "PEER")
    for pk in pks:
        await site.ended(pk)
    assert [uid for _, uid in sender.sent] == [each[0].sop_uid for each in reversed(made)]


@pytest.mark.capability("1.1.17", "1.3.6")
async def test_as_many_associations_at_a_time_as_the_destination_may_get(site: Site, sender: ScriptedSender) -> None:
    await site.sending.configure(SYSTEM, "PEER", associations=3)
    made = [await site.file(4) for _ in range(6)]
    sender.gate = asyncio.Event()
    pks = [await site.sending.order(SYSTEM, "PEER", studies=[each[0].study_uid]) for each in made]

    async def three() -> bool:
        return sender.at_once == 3

    await site.until(three)
    sender.gate.set()
    for pk in pks:
        assert (await site.ended(pk)).sent == 4
    assert sender.most_at_once == 3


@pytest.mark.capability("1.3.6")
async def test_a_line_is_not_filled_beyond_its_share(site: Site, sender: ScriptedSender) -> None:
    made = await site.file(3)
    size = made[0].size_bytes
    await site.sending.configure(SYSTEM, "PEER", bytes_per_s=size * 20)
    began = asyncio.get_running_loop().time()
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    await site.ended(pk)
    assert sender.paced == 3
    assert asyncio.get_running_loop().time() - began >= 0.15


async def test_an_object_that_is_gone_meanwhile_is_said_to_be(site: Site) -> None:
    made = await site.file(2)
    await site.sending.pause(SYSTEM, "PEER")
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    async with site.rig.database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'deleted' WHERE sop_uid = $1", made[0].sop_uid)
    await site.sending.go_on(SYSTEM, "PEER")
    done = await site.ended(pk)
    assert (done.state, done.sent, done.failed) == ("failed", 1, 1)
    assert (await site.items(pk))[0].comment == "no longer in the archive"


async def test_a_device_that_is_not_registered_any_more_is_waited_for(site: Site) -> None:
    made = await site.file(1)
    await site.sending.pause(SYSTEM, "PEER")
    pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    await site.devices.remove(AeTitle("PEER"))
    await site.sending.go_on(SYSTEM, "PEER")
    assert (await site.tried(pk)).trouble == "no device is registered as PEER"
    await site.know("PEER")
    site.clock.leap(SOON_S)
    assert (await site.ended(pk)).state == "done"


@asynccontextmanager
async def killed(database: Database, root: Path, made_in: Site, sender: ScriptedSender) -> AsyncIterator[Site]:
    """The archive again, after its process was killed: its leases have run out."""
    clock = LeapClock()
    clock.leap(60)
    async with open_site(database, root, sender=sender, clock=clock) as again:
        yield again


async def test_what_a_kill_interrupts_is_sent_again_and_that_is_said(database: Database, tmp_path: Path) -> None:
    """As the database is left by a kill -9 in the middle: leases held, objects marked as leaving."""
    first, second = ScriptedSender(), ScriptedSender()
    async with open_site(database, tmp_path / "store", sender=first) as site:
        await site.know("PEER")
        await site.sending.pause(SYSTEM, "PEER")
        made = await site.file(5)
        pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE job SET state = 'running', worker = 'killed', attempts = 1, lease_until = $1",
            site.clock.now() + timedelta(seconds=12),
        )
        await connection.execute("UPDATE delivery_item SET state = 'sent', attempts = 1 WHERE n <= 2")
        await connection.execute("UPDATE delivery_item SET state = 'sending' WHERE n = 3")
        await connection.execute(
            "UPDATE destination SET paused = false, owner = 'killed', owner_until = $1",
            site.clock.now() + timedelta(seconds=12),
        )
    async with killed(database, tmp_path / "store", site, second) as site:
        done = await site.ended(pk)
        assert (done.state, done.sent, done.repeated) == ("done", 5, 1)
        items = await site.items(pk)
    assert [uid for _, uid in second.sent] == [each.sop_uid for each in made[2:]]
    assert [(item.attempts, item.unsure) for item in items] == [(1, False)] * 2 + [(2, True)] + [(1, False)] * 2


async def test_stopping_lets_the_object_on_its_way_arrive(database: Database, tmp_path: Path) -> None:
    sender = ScriptedSender(gate=asyncio.Event())
    async with open_site(database, tmp_path / "store", sender=sender) as site:
        await site.know("PEER")
        made = await site.file(30)
        pk = await site.sending.order(SYSTEM, "PEER", studies=[made[0].study_uid])

        async def begun() -> bool:
            return bool(sender.at_once)

        await site.until(begun)
        stopping = asyncio.ensure_future(site.lanes.stop())
        await asyncio.sleep(0)
        assert sender.gate is not None
        sender.gate.set()
        await stopping
        assert len(sender.sent) == 1
        assert [item.state for item in await site.items(pk)] == ["sent"] + ["waiting"] * 29
    again = ScriptedSender()
    clock = LeapClock()
    clock.leap(SOON_S)
    async with open_site(database, tmp_path / "store", sender=again, clock=clock) as site:
        done = await site.ended(pk)
    assert (done.sent, done.repeated, len(again.sent)) == (30, 0, 29)
