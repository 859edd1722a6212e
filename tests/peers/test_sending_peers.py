"""Deliveries to other people's storage providers, good and bad, over the real sender."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pynetdicom import evt
from tests.fixtures.outgoing import LeapClock, Site, open_site
from tests.fixtures.server_tools import storescp
from tests.fixtures.storing import silent, storing

from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

SOON_S = 7.0


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    short = {"response_timeout_s": 1.0, "connect_timeout_s": 1.0}
    async with open_site(database, tmp_path / "store", **short) as opened:
        yield opened


@pytest.mark.capability("1.1.17", "4.2.1")
async def test_a_study_arrives_at_storescp_bit_for_bit(site: Site, tmp_path: Path) -> None:
    made = await site.file(12, kind="ct")
    with storescp(tmp_path / "received") as peer:
        await site.know(peer.ae, peer.port)
        pk = await site.sending.order(SYSTEM, peer.ae, studies=[made[0].study_uid])
        done = await site.ended(pk)
        assert (done.state, done.sent, done.repeated) == ("done", 12, 0)
        received = [path.read_bytes() for path in peer.files()]
    assert sorted(data[-made[0].size_bytes :] for data in received) == sorted(each.dataset for each in made)


@pytest.mark.parametrize("options", [["--refuse"], ["--abort-during"], ["--abort-after"], ["--sleep-during", "30"]])
@pytest.mark.capability("4.2.1")
async def test_storescp_that_refuses_or_aborts_gets_everything_once_it_is_well(
    site: Site, tmp_path: Path, options: list[str]
) -> None:
    """Whatever it does, the delivery waits, others go on, and when it takes objects it gets each of them."""
    made = await site.file(3)
    with storing() as other:
        await site.know("OTHER", other.port)
        with storescp(tmp_path / "bad", options=options) as bad:
            await site.know("STORESCP", bad.port)
            pk = await site.sending.order(SYSTEM, "STORESCP", studies=[made[0].study_uid])
            beside = await site.sending.order(SYSTEM, "OTHER", studies=[made[0].study_uid])
            waiting = await site.tried(pk)
            assert (waiting.state, waiting.sent, waiting.waiting) == ("waiting", 0, 3)
            assert waiting.trouble
            assert (await site.ended(beside)).state == "done"
    with storescp(tmp_path / "good") as good:
        await site.know("STORESCP", good.port)
        site.clock.leap(SOON_S)
        done = await site.ended(pk)
        assert (done.state, done.sent) == ("done", 3)
        assert len(good.files()) == 3
    repeated = {item.n for item in await site.items(pk) if item.unsure}
    assert bool(repeated) == (options != ["--refuse"])


@pytest.mark.capability("4.2.1")
async def test_a_peer_that_says_nothing_holds_up_nobody(site: Site) -> None:
    made = await site.file(3)
    with silent() as port, storing() as good:
        await site.know("SILENT", port)
        await site.know("STORER", good.port)
        stuck = [await site.sending.order(SYSTEM, "SILENT", studies=[made[0].study_uid]) for _ in range(5)]
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        assert (await site.ended(pk)).sent == 3
        waiting = await site.tried(stuck[0])
        assert (waiting.waiting, waiting.repeated) == (3, 0)  # nothing has left: nothing can be there twice
        assert "not answer" in waiting.trouble
    assert good.taken == [each.sop_uid for each in made]


@pytest.mark.capability("4.2.1")
async def test_a_peer_that_is_full_for_a_while_gets_the_rest_later(site: Site) -> None:
    made = await site.file(10)
    with storing(lambda uid, before, event: 0xA700 if before == 4 else 0) as peer:
        await site.know("STORER", peer.port)
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        waiting = await site.tried(pk)
        assert (waiting.sent, waiting.waiting) == (4, 6)
        assert waiting.trouble.startswith("A700H")
        site.clock.leap(SOON_S)
        assert (await site.ended(pk)).sent == 10
    uids = [each.sop_uid for each in made]
    assert peer.taken == uids[:5] + uids[4:]


@pytest.mark.capability("4.2.1")
async def test_a_peer_that_aborts_in_the_middle_of_an_object_gets_it_again(site: Site) -> None:
    made = await site.file(6, kind="ct")

    def abort_once(uid: str, before: int, event: evt.Event) -> int:
        if before == 2:
            event.assoc.abort()
        return 0

    with storing(abort_once) as peer:
        await site.know("STORER", peer.port)
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        waiting = await site.tried(pk)
        assert (waiting.sent, waiting.waiting, waiting.repeated) == (5, 1, 1)
        site.clock.leap(SOON_S)
        done = await site.ended(pk)
        assert (done.sent, done.repeated) == (6, 1)
    uids = [each.sop_uid for each in made]
    assert peer.taken == [*uids, uids[2]]


@pytest.mark.capability("4.2.1")
async def test_a_class_that_the_peer_does_not_take_fails_and_the_rest_arrives(site: Site) -> None:
    made = await site.file(2)
    with storing(lambda uid, before, event: 0x0122 if uid == made[0].sop_uid else 0) as peer:
        await site.know("STORER", peer.port)
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        done = await site.ended(pk)
    assert (done.state, done.sent, done.failed) == ("failed", 1, 1)
    (dead,) = await site.sending.items(SYSTEM, pk, state="failed")
    assert (dead.sop_uid, dead.status) == (made[0].sop_uid, 0x0122)


@pytest.mark.capability("1.3.6")
async def test_the_bandwidth_of_a_destination_is_kept_to(site: Site) -> None:
    made = await site.file(4, kind="ct")
    size = sum(each.size_bytes for each in made)
    with storing() as peer:
        await site.know("STORER", peer.port)
        await site.sending.configure(SYSTEM, "STORER", bytes_per_s=size)
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        done = await site.ended(pk)
    assert done.finished_at is not None
    assert (done.finished_at - done.created_at).total_seconds() >= 0.9


async def test_a_restart_goes_on_where_it_was(database: Database, tmp_path: Path) -> None:
    with storing() as peer:
        async with open_site(database, tmp_path / "store") as site:
            await site.know("STORER", peer.port)
            made = await site.file(40, kind="ct")
            await site.sending.configure(SYSTEM, "STORER", bytes_per_s=made[0].size_bytes * 20)
            pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])

            async def some() -> bool:
                return len(peer.taken) > 3

            await site.until(some)
        clock = LeapClock()
        clock.leap(SOON_S)
        async with open_site(database, tmp_path / "store", clock=clock) as site:
            await site.sending.configure(SYSTEM, "STORER")
            done = await site.ended(pk)
    assert (done.sent, done.repeated) == (40, 0)
    assert peer.taken == [each.sop_uid for each in made]
