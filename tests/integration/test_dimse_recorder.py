"""The flight recorder over a real listener: what it keeps of each kind of association, and what it never shows."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.fixtures.dimse_archive import MemoryArchive, MemoryDevices, MemoryQuery
from tests.fixtures.dimse_wire import CT, EXPLICIT, FIND, IMPLICIT, USUAL, associated, call, connected, request, until

from filmroom.archive.recordings import Recordings, without_values
from filmroom.archive.recordings_text import JSON_MARK, as_file
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden
from filmroom.db.pool import Database
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.net.dimse.errors import PeerUnreachable
from filmroom.net.dimse.listener import DimseListener, DimseServices
from filmroom.net.dimse.models import VERIFICATION
from filmroom.net.dimse.recorder import FIRST_MESSAGES, LAST_MESSAGES, Recorder, Written
from filmroom.net.dimse.recorder_words import OUTCOMES, masked_text
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.security.principals import SYSTEM, device
from filmroom.settings import DimseSettings, RecordingSettings
from filmroom.wire.dimse.messages import CEchoRq, CFindRq, CStoreRq
from filmroom.wire.ul.pdu import Abort, AssociateRj

pytestmark = pytest.mark.capability("1.0.10")
PATIENT = "ZHANG^SAN"
KEYS = {
    "00080052": {"vr": "CS", "Value": ["STUDY"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "ZHANG*"}]},
    "00100020": {"vr": "LO", "Value": ["P-4711"]},
    "00080020": {"vr": "DA", "Value": ["20260101-20260131"]},
    "0020000D": {"vr": "UI"},
}


class MemoryShelf:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.kept: dict[str, Written] = {}
        self.values: list[str] = []

    async def put(self, written: Sequence[Written]) -> None:
        self.kept.update({each.key: each for each in written})

    async def values_wanted(self) -> Iterable[str]:
        return self.values

    async def sweep(self) -> int:
        return 0


class Served:
    """A listener with a recorder."""

    def __init__(self, listener: DimseListener, recorder: Recorder, shelf: MemoryShelf) -> None:
        self.port = listener.port
        self.recorder = recorder
        self.shelf = shelf

    async def one(self) -> Written:
        """The only recording, once its association is over."""
        await until(lambda: self.recorder._ended)
        await self.recorder.flush()
        (written,) = self.shelf.kept.values()
        assert written.outcome in OUTCOMES
        json.dumps(dict(written.body))
        return written


@asynccontextmanager
async def served(**settings: float) -> AsyncIterator[Served]:
    archive, shelf = MemoryArchive(), MemoryShelf()
    recorder = Recorder(shelf, SystemClock())
    services = DimseServices(
        ingest=archive,
        query=MemoryQuery(archive),
        retrieve=archive,
        devices=MemoryDevices(archive),
        recorder=recorder,
    )
    listener = DimseListener(dataclasses.replace(DimseSettings(), port=0, **settings), services)
    await listener.start()
    try:
        yield Served(listener, recorder, shelf)
    finally:
        await listener.stop(grace_s=2)


async def test_a_store_in_full() -> None:
    async with served() as it:
        async with associated(it.port, request([(CT, (IMPLICIT, EXPLICIT)), ("1.2.3.4", (IMPLICIT,))])) as peer:
            asked = CStoreRq(message_id=7, sop_class=CT, sop_uid="1.2.826.0.1.99", has_data=True)
            await peer.ask(CT, asked, bytes(50_000))
            await peer.release()
        written = await it.one()
    assert (written.outcome, written.calling_ae, written.called_ae) == ("released", "TEST", "FILMROOM")
    assert (written.messages, written.failures, written.outgoing) == (2, 0, False)
    assert written.bytes_in > 50_000
    body = written.body
    first, second = body["messages"]
    assert first["command"] == "C-STORE-RQ"
    assert first["bytes"] == 50_000
    assert second["command"] == "C-STORE-RSP"
    assert second["status"] == "0000"
    assert second["ms"] >= 0
    assert first["sop_uid"] == second["sop_uid"] != "1.2.826.0.1.99"
    contexts = body["negotiation"]["contexts"]
    assert contexts[0]["proposed"] == [IMPLICIT, EXPLICIT]
    assert contexts[0]["accepted"] == EXPLICIT
    assert body["negotiation"]["acceptor"]["implementation_version"].startswith("FILMROOM")
    assert body["traffic"]["pdus_in"] > 3


async def test_a_query_shows_which_keys_and_how_not_for_whom() -> None:
    async with served() as it:
        async with associated(it.port) as peer:
            await peer.answers(FIND, CFindRq(message_id=1, sop_class=FIND, has_data=True), _identifier())
            await peer.release()
        written = await it.one()
    keys = {key["keyword"]: key["matching"] for key in written.body["messages"][0]["keys"]}
    assert keys == {
        "QueryRetrieveLevel": "single value",
        "PatientName": "wildcard",
        "PatientID": "single value",
        "StudyDate": "range",
        "StudyInstanceUID": "universal",
    }
    text = json.dumps(dict(written.body))
    assert not [each for each in ("ZHANG", "4711", "20260101") if each in text]


async def test_values_are_recorded_only_for_a_device_they_were_asked_for() -> None:
    async with served() as it:
        it.shelf.values = ["TEST"]
        async with associated(it.port) as peer:
            await peer.answers(FIND, CFindRq(message_id=1, sop_class=FIND, has_data=True), _identifier())
            await peer.release()
        body = dict((await it.one()).body)
    assert "P-4711" in json.dumps(body)
    without_values(body)
    assert "P-4711" not in json.dumps(body)


async def test_rejected_aborted_lost_and_timed_out() -> None:
    async with served() as it:
        async with connected(it.port) as peer:
            assert isinstance(await call(peer, request(called="NOBODY")), AssociateRj)
        assert (await it.one()).outcome == "rejected"
        assert "called AE" in (await _latest(it)).reason
    async with served() as it:
        async with associated(it.port) as peer:
            await peer.write(Abort(2, 4).encode())
        written = await it.one()
        assert (written.outcome, written.reason) == ("aborted by peer", "source 2, reason 4")
    async with served() as it:
        async with associated(it.port):
            pass
        assert (await it.one()).outcome == "lost"
    async with served(idle_timeout_s=0.1) as it:
        async with associated(it.port) as peer:
            await peer.pdu()
        written = await it.one()
        assert (written.outcome, written.reason) == ("timeout", "the association stood idle")


async def test_many_messages_are_counted_and_the_first_and_last_kept() -> None:
    async with served() as it:
        async with associated(it.port) as peer:
            for number in range(200):
                await peer.ask(VERIFICATION, CEchoRq(message_id=number + 1, sop_class=VERIFICATION))
            await peer.release()
        written = await it.one()
    assert written.messages == 400
    assert len(written.body["messages"]) == FIRST_MESSAGES
    assert len(written.body["last_messages"]) == LAST_MESSAGES
    assert written.body["left_out"] == 400 - FIRST_MESSAGES - LAST_MESSAGES
    assert {count["count"] for count in written.body["counts"]} == {200}


async def test_our_own_calls_are_recorded_and_so_are_those_that_reach_nobody() -> None:
    async with served() as other:
        shelf = MemoryShelf()
        recorder = Recorder(shelf, SystemClock())
        peer = Peer("127.0.0.1", other.port, "FILMROOM")
        async with await Association.open(
            peer, [Proposal(VERIFICATION)], calling_ae="US", recorder=recorder
        ) as association:
            assert await association.echo() == 0
    nobody = Peer("127.0.0.1", 1, "NOBODY")
    with pytest.raises(PeerUnreachable, match="cannot be reached"):
        await Association.open(nobody, [Proposal(VERIFICATION)], calling_ae="US", recorder=recorder)
    await recorder.flush()
    good, bad = shelf.kept.values()
    assert (good.outgoing, good.outcome, good.messages) == (True, "released", 2)
    assert (bad.outcome, bad.called_ae) == ("unreachable", "NOBODY")


def test_free_text_loses_what_tells_of_a_patient() -> None:
    said = masked_text("no study 1.2.840.113619.2.55.3 of ZHANG^SAN, ID 12345678 at 3 of 5")
    assert "113619" not in said
    assert "ZHANG" not in said
    assert "12345678" not in said
    assert said.endswith("at 3 of 5")


async def _kept(database: Database, limits: RecordingSettings | None = None) -> Recordings:
    """A shelf in the database with three recordings."""
    recordings = Recordings(database, SystemClock(), limits or RecordingSettings())
    async with served() as it:
        for _ in range(2):
            async with associated(it.port) as peer:
                await peer.answers(FIND, CFindRq(message_id=1, sop_class=FIND, has_data=True), _identifier())
                await peer.release()
        async with connected(it.port) as peer:
            await call(peer, request(called="NOBODY", calling="OTHER"))
        await until(lambda: len(it.recorder._ended) == 3)
        await it.recorder.flush()
        await recordings.put(list(it.shelf.kept.values()))
    return recordings


async def test_kept_listed_shown_and_written_for_a_vendor(database: Database) -> None:
    recordings = await _kept(database)
    found = await recordings.list(SYSTEM)
    assert [each.calling_ae for each in found] == ["OTHER", "TEST", "TEST"]
    assert [each.pk for each in await recordings.list(SYSTEM, failed=True)] == [found[0].pk]
    assert len(await recordings.list(SYSTEM, ae_title="TEST")) == 2
    assert await recordings.list(SYSTEM, before=found[-1].pk) == []
    head, body = await recordings.show(SYSTEM, found[1].pk)
    file = as_file(head, body)
    text, _, machine = file.partition(JSON_MARK)
    assert "C-FIND-RQ" in text
    assert "PatientName: wildcard" in text
    assert json.loads(machine)["head"]["outcome"] == "released"
    with pytest.raises(Forbidden):
        await recordings.list(device("TEST"))


async def test_swept_by_count_and_by_age(database: Database) -> None:
    recordings = await _kept(database, RecordingSettings(keep_count=2))
    assert await recordings.sweep() == 1
    assert len(await recordings.list(SYSTEM)) == 2
    old = Recordings(database, SystemClock(), RecordingSettings(keep_days=-1))
    assert await old.sweep() == 2


async def test_values_are_wanted_for_a_limited_time(database: Database) -> None:
    recordings = Recordings(database, SystemClock(), RecordingSettings())
    until_then = await recordings.record_values(SYSTEM, "CT1", 1)
    assert until_then - SystemClock().now() > timedelta(minutes=59)
    assert list(await recordings.values_wanted()) == ["CT1"]
    await recordings.record_values(SYSTEM, "CT1", 0)
    assert list(await recordings.values_wanted()) == []
    with pytest.raises(ValueError, match="hours"):
        await recordings.record_values(SYSTEM, "CT1", 100)


async def _latest(it: Served) -> Written:
    await asyncio.sleep(0)
    return next(reversed(it.shelf.kept.values()))


def _identifier() -> bytes:
    assert FIND in USUAL
    return json_to_dataset(KEYS, IMPLICIT, "ISO_IR 192")
