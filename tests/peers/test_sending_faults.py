"""A destination that hangs or is slow keeps nothing from another; a kill -9 loses nothing and hides nothing."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bench import dimse
from bench.corpus import Study, fresh_run, objects
from bench.servers import Filmroom
from bench.waiting import pause, until
from pynetdicom import evt
from tests.fixtures.outgoing import Site, open_site
from tests.fixtures.proxy import Fault, proxy
from tests.fixtures.server import new_archive
from tests.fixtures.storing import storing

from filmroom.archive.sending_work import WINDOW
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

SOON_S = 7.0


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    short = {"response_timeout_s": 1.0, "connect_timeout_s": 1.0, "pdu_timeout_s": 1.0}
    async with open_site(database, tmp_path / "store", **short) as opened:
        yield opened


@pytest.mark.capability("1.1.17", "4.2.1")
async def test_two_hundred_objects_each_to_a_good_and_a_hanging_destination_at_once(site: Site) -> None:
    """The hanging one stops answering at its fifth object, for as long as it likes; the other notices nothing."""
    made = await site.file(200)
    uids = [each.sop_uid for each in made]
    hangs = True

    def hang(uid: str, before: int, event: evt.Event) -> int:
        until(lambda: before < 4 or not hangs, what="the peer well again", timeout_s=60)
        return 0

    with storing() as good, storing(hang, "HANGING") as bad:
        await site.know("STORER", good.port)
        await site.know("HANGING", bad.port)
        stuck = await site.sending.order(SYSTEM, "HANGING", studies=[made[0].study_uid])
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        done = await site.ended(pk)
        assert (done.state, done.sent, done.repeated) == ("done", 200, 0)
        assert good.taken == uids
        waiting = await site.tried(stuck)
        assert (waiting.sent, waiting.waiting) == (4, 196)
        hangs = False
        site.clock.leap(SOON_S)
        late = await site.ended(stuck)
        unsure = {each.sop_uid for each in await site.items(stuck) if each.unsure}
    assert (late.state, late.sent) == ("done", 200)
    assert set(bad.taken) == set(uids)
    assert {uid for uid, times in Counter(bad.taken).items() if times > 1} <= unsure
    assert len(unsure) <= 3  # one for each association that hung


@pytest.mark.capability("1.1.17", "4.2.1")
async def test_a_destination_that_stops_reading_in_the_middle_of_an_object_gets_it_again_later(site: Site) -> None:
    made = await site.file(1, kind="cine-small")
    small = await site.file(3, number=2)
    fault = Fault(hang_after_bytes=made[0].size_bytes // 3)
    with storing() as good, storing(ae="STUCK") as behind, proxy(("127.0.0.1", behind.port), fault) as (_, port):
        await site.know("STORER", good.port)
        await site.know("STUCK", port)
        stuck = await site.sending.order(SYSTEM, "STUCK", studies=[made[0].study_uid])
        assert (await site.ended(await site.sending.order(SYSTEM, "STORER", studies=[small[0].study_uid]))).sent == 3
        waiting = await site.tried(stuck)
        assert (waiting.sent, waiting.waiting) == (0, 1)
        assert behind.taken == []
        fault.hang_after_bytes = None
        site.clock.leap(SOON_S)
        done = await site.ended(stuck)
        assert (done.state, done.sent, done.repeated) == ("done", 1, 1)
        assert behind.taken == [made[0].sop_uid]


@pytest.mark.capability("1.1.17", "4.2.1")
async def test_a_slow_destination_gets_everything_and_holds_up_nobody(site: Site) -> None:
    made = await site.file(20, kind="mr")
    with (
        storing() as good,
        storing(ae="SLOW") as behind,
        proxy(("127.0.0.1", behind.port), Fault(delay_s=0.05, chunk_bytes=16_384)) as (_, port),
    ):
        await site.know("STORER", good.port)
        await site.know("SLOW", port)
        slow = await site.sending.order(SYSTEM, "SLOW", studies=[made[0].study_uid])
        quick = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        assert (await site.ended(quick)).sent == 20
        assert (await site.sending.get(SYSTEM, slow)).waiting > 0
        done = await site.ended(slow)
    assert (done.state, done.sent, done.repeated) == ("done", 20, 0)
    assert behind.taken == good.taken == [each.sop_uid for each in made]


@pytest.mark.timeout(180)
@pytest.mark.capability("1.1.17", "4.2.1")
def test_kill_9_while_sending_loses_nothing_and_what_goes_twice_is_said(tmp_path: Path) -> None:
    """Twice in the middle of a delivery of two hundred objects; everybody who got one again is in the list."""
    server = new_archive(tmp_path)
    assert isinstance(server, Filmroom)
    made = list(objects("tiny", Study(fresh_run(), 1), 200))

    def slowly(uid: str, before: int, event: evt.Event) -> int:
        pause(0.01)
        return 0

    with storing(slowly) as peer:
        server.start()
        try:
            with dimse.Association.open(server.dicom, server.ae, [made[0].sop_class]) as association:
                for each in made:
                    assert association.store(each) == dimse.SUCCESS
            server.add_destination("STORER", peer.port)
            server.cli("push", "STORER", made[0].study_uid)
            for at in (40, 100):
                until(lambda at=at: len(peer.taken) > at, what=f"{at} objects sent")
                server.kill()
                server.start()
            until(lambda: _get(server, "1")["state"] == "done", what="the delivery's end", timeout_s=60)
            items = _get(server, "1/items?limit=1000")["items"]
        finally:
            server.stop()
    again = {uid for uid, times in Counter(peer.taken).items() if times > 1}
    said = {item["sop_uid"] for item in items if item["unsure"]}
    assert set(peer.taken) == {each.sop_uid for each in made}
    assert again <= said
    assert len(said) <= 2 * WINDOW


def _get(server: Filmroom, what: str) -> Any:
    with server.web() as connection:
        found = connection.get(f"/api/v1/deliveries/{what}")
    assert found.status == 200, found.body
    return json.loads(found.body)
