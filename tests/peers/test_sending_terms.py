"""What a device's policy says of how it is sent to, and C-MOVE to it, against other people's software."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from bench.servers import free_port
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE
from tests.fixtures.outgoing import Site, open_site
from tests.fixtures.server_tools import run_tool, storescp
from tests.fixtures.storing import silent, storing

from filmroom.archive.sending import Priority
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"
UNKNOWN_DESTINATION = 0xA801
PRIORITY_HIGH = 1


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    short = {"response_timeout_s": 1.0, "connect_timeout_s": 1.0}
    async with open_site(database, tmp_path / "store", **short) as opened:
        yield opened


async def moved(site: Site, study: str, destination: str, priority: int = 0) -> tuple[int, str]:
    """The final status of pynetdicom's C-MOVE of a study, and its comment."""
    entity = AE(ae_title="ASKER")
    entity.add_requested_context(MOVE)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study

    def move() -> tuple[int, str]:
        association = entity.associate("127.0.0.1", site.port, ae_title=site.ae)
        assert association.is_established
        answers = [status for status, _ in association.send_c_move(asked, destination, MOVE, priority=priority)]
        association.release()
        return int(answers[-1].Status), str(answers[-1].get("ErrorComment", ""))

    return await asyncio.to_thread(move)


@pytest.mark.capability("1.3.3")
async def test_another_address_takes_what_the_first_does_not(site: Site, tmp_path: Path) -> None:
    """Nothing listens at its own address; the second says nothing; the third refuses; the fourth takes all."""
    made = await site.file(5)
    with silent() as mute, storing() as good, storescp(tmp_path / "no", "NO", options=["--refuse"]) as refusing:
        others = (f"127.0.0.1:{mute}", f"NO@127.0.0.1:{refusing.port}", f"STORER@127.0.0.1:{good.port}")
        await site.know("TWICE", free_port(), failover=others)
        pk = await site.sending.order(SYSTEM, "TWICE", studies=[made[0].study_uid])
        done = await site.ended(pk)
        assert (done.state, done.sent, done.repeated) == ("done", 5, 0)
        assert {each.comment for each in await site.items(pk)} == {f"sent to {others[2]}"}
        assert await moved(site, made[0].study_uid, "TWICE") == (0, "")
    assert good.taken == [each.sop_uid for each in made] * 2


@pytest.mark.capability("1.3.3")
async def test_when_no_address_answers_it_is_said_of_the_first(site: Site) -> None:
    made = await site.file(2)
    first = free_port()
    await site.know("NOWHERE", first, failover=(f"127.0.0.1:{free_port()}",))
    pk = await site.sending.order(SYSTEM, "NOWHERE", studies=[made[0].study_uid])
    waiting = await site.tried(pk)
    assert (waiting.waiting, waiting.repeated) == (2, 0)
    assert f":{first} cannot be reached" in waiting.trouble


@pytest.mark.capability("1.3.3")
async def test_a_move_to_the_archive_itself_is_refused_with_the_reason(site: Site) -> None:
    made = await site.file(2)
    await site.know(site.ae, site.port)
    status, comment = await moved(site, made[0].study_uid, site.ae)
    assert status == UNKNOWN_DESTINATION
    assert "is this archive itself" in comment


@pytest.mark.capability("1.3.3")
async def test_a_move_to_the_asker_itself_arrives_there(site: Site) -> None:
    made = await site.file(3)
    with storing(ae="ASKER") as asker:
        await site.know("ASKER", asker.port)
        assert await moved(site, made[0].study_uid, "ASKER", PRIORITY_HIGH) == (0, "")
    assert asker.taken == [each.sop_uid for each in made]
    assert asker.priorities == [1, 1, 1]


@pytest.mark.capability("1.1.17")
async def test_a_device_is_called_by_the_title_that_it_knows(site: Site) -> None:
    made = await site.file(2)
    with storing() as peer:
        await site.know("STORER", peer.port, calling_ae="OLDPACS")
        await site.ended(await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid]))
        await site.know("STORER", peer.port, calling_as_source=True)
        for each, source in zip(made, ("CT1", "a\\file.dcm"), strict=True):
            await site.rig.rows("UPDATE instance SET source = $2 WHERE sop_uid = $1 RETURNING pk", each.sop_uid, source)
        await site.ended(await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid]))
    assert peer.calling == ["OLDPACS", "OLDPACS", "CT1", "FILMROOM"]


@pytest.mark.capability("1.1.17")
async def test_what_is_preferred_is_compressed_on_the_way_without_loss(site: Site, tmp_path: Path) -> None:
    made = await site.file(2, kind="ct")
    with storescp(tmp_path / "received") as peer:
        await site.know(peer.ae, peer.port, preferred_syntaxes=(JPEG_LS,))
        done = await site.ended(await site.sending.order(SYSTEM, peer.ae, studies=[made[0].study_uid]))
        assert done.sent == 2
        packed = peer.files()
        assert {dcmread(path).file_meta.TransferSyntaxUID for path in packed} == {JPEG_LS}
        for number, path in enumerate(packed):
            run_tool("dcmdjpls", path, tmp_path / f"{number}.dcm")
    received = {(each := dcmread(path)).SOPInstanceUID: each.PixelData for path in tmp_path.glob("*.dcm")}
    assert received.keys() == {each.sop_uid for each in made}
    assert all(each.dataset.endswith(received[each.sop_uid]) for each in made)


@pytest.mark.capability("1.3.6")
async def test_a_delivery_waits_for_the_hours_of_its_destination_unless_it_is_urgent(site: Site) -> None:
    made = await site.file(3)
    soon = (site.clock.now() + timedelta(hours=2)).astimezone()
    hours = f"{soon:%H}:00-{soon + timedelta(hours=2):%H}:00"
    with storing() as peer:
        await site.know("STORER", peer.port, hours=(hours,))
        waits = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        urgent = await site.sending.order(SYSTEM, "STORER", instances=[made[1].sop_uid], priority=Priority.HIGH)
        assert (await site.ended(urgent)).state == "done"
        assert (await site.sending.get(SYSTEM, waits)).waiting == 3
        site.clock.leap(2 * 3600)
        assert (await site.ended(waits)).sent == 3
    assert peer.taken == [made[1].sop_uid, *(each.sop_uid for each in made)]


@pytest.mark.capability("1.3.6")
async def test_a_delivery_stops_when_its_hours_are_over_and_goes_on_when_they_come_again(site: Site) -> None:
    made = await site.file(4)
    now = site.clock.now().astimezone()
    hours = f"{now:%H}:00-{now + timedelta(hours=1):%H}:00"

    def leap(uid: str, before: int, event: object) -> int:
        if before == 1:
            site.clock.leap(3600)
        return 0

    with storing(leap) as peer:
        await site.know("STORER", peer.port, hours=(hours,))
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])

        async def postponed() -> bool:
            site.clock.leap(1)
            return "waits for its hours" in (await site.sending.get(SYSTEM, pk)).trouble

        await site.until(postponed)
        assert len(peer.taken) == 2
        site.clock.leap(23 * 3600)
        done = await site.ended(pk)
    assert (done.sent, done.repeated) == (4, 0)
    assert peer.taken == [each.sop_uid for each in made]


@pytest.mark.capability("1.3.6")
async def test_a_device_has_a_priority_of_its_own(site: Site) -> None:
    made = await site.file(1)
    with storing() as peer:
        await site.know("STORER", peer.port, priority="low")
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid])
        assert (await site.ended(pk)).priority == Priority.LOW
    assert peer.priorities == [2]


@pytest.mark.capability("1.3.6")
async def test_the_limit_of_a_device_holds_for_c_move_too(site: Site) -> None:
    made = await site.file(4, kind="ct")
    with storing() as peer:
        await site.know("STORER", peer.port, bytes_per_s=sum(each.size_bytes for each in made))
        began = site.clock.now()
        assert await moved(site, made[0].study_uid, "STORER") == (0, "")
    assert (site.clock.now() - began).total_seconds() >= 0.9
