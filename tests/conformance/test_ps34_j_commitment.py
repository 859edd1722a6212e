"""PS3.4 annex J, sentence by sentence, at the real port over a real archive."""

import dataclasses
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Object, Study, objects
from bench.servers import free_port
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.dsutils import decode as oracle_decode
from pynetdicom.dsutils import encode as oracle_encode
from tests.fixtures.dimse_wire import CT, EXPLICIT, IMPLICIT, WirePeer, associated, request
from tests.fixtures.outgoing import Site, open_site

from filmroom.archive.commitment import CommitmentState
from filmroom.archive.commitment_model import Reference, Result
from filmroom.base.errors import Unavailable
from filmroom.db.pool import Database
from filmroom.net.dimse.models import COMMITMENT, COMMITMENT_INSTANCE
from filmroom.net.dimse.scp.commit import HEARD_STATUS, TAKEN_STATUS, Heard, Taken
from filmroom.security.principals import SYSTEM
from filmroom.settings import DeliverySettings
from filmroom.wire.dimse.messages import NActionRq, NActionRsp, NEventReportRq, NEventReportRsp
from filmroom.wire.ul.items import Role

ASK = NActionRq(message_id=7, sop_class=COMMITMENT, sop_uid=COMMITMENT_INSTANCE, action_type=1, has_data=True)


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(database, tmp_path / "store") as opened:
        yield opened


def encoded(dataset: Dataset, syntax: str = IMPLICIT) -> bytes:
    data = oracle_encode(dataset, syntax == IMPLICIT, True)
    assert data is not None
    return data


def read(data: bytes, syntax: str = IMPLICIT) -> Dataset:
    return oracle_decode(io.BytesIO(data), syntax == IMPLICIT, True)


def reference(sop_class: str, sop_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_uid
    return item


def asking(uid: str, *pairs: tuple[str, str]) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = uid
    dataset.ReferencedSOPSequence = [reference(*pair) for pair in pairs]
    return dataset


def pairs(made: Sequence[Object]) -> list[tuple[str, str]]:
    return [(each.sop_class, each.sop_uid) for each in made]


def committing(site: Site, calling: str = "MODALITY", syntax: str = IMPLICIT, **user: Any) -> Any:
    return associated(site.port, request([(COMMITMENT, (syntax,))], calling=calling, **user))


async def ask(peer: WirePeer, dataset: Dataset, message: NActionRq = ASK) -> NActionRsp:
    response, _ = await peer.ask(COMMITMENT, message, encoded(dataset))
    assert isinstance(response, NActionRsp)
    return response


async def report(peer: WirePeer, status: int = 0) -> tuple[NEventReportRq, Dataset]:
    """The report on this association, answered."""
    event, data = await peer.message()
    assert isinstance(event, NEventReportRq), event
    response = NEventReportRsp(
        responding_to=event.message_id,
        status=status,
        sop_class=event.sop_class,
        sop_uid=event.sop_uid,
        event_type=event.event_type,
    )
    await peer.send(COMMITMENT, response)
    return event, read(data)


async def judged(site: Site, *asked: tuple[str, str]) -> tuple[int, dict[str, int]]:
    """Ask on one association: the event type, and the reason by UID (0: committed)."""
    async with committing(site) as peer:
        uid = generate_uid()
        assert (await ask(peer, asking(uid, *asked))).status == 0
        event, result = await report(peer)
        await peer.release()
    assert result.TransactionUID == uid
    found = {item.ReferencedSOPInstanceUID: 0 for item in result.get("ReferencedSOPSequence", [])}
    found |= {item.ReferencedSOPInstanceUID: item.FailureReason for item in result.get("FailedSOPSequence", [])}
    return event.event_type, found


# J.2.1, J.3.2: the request


@pytest.mark.capability("1.6.1")
async def test_the_request_is_answered_as_received_before_anything_is_checked(site: Site) -> None:  # J.3.2.1.3
    made = await site.file(3)
    async with committing(site) as peer:
        response = await ask(peer, asking("1.2.3", *pairs(made)))
        assert (response.status, response.responding_to, response.action_type) == (0, 7, 1)
        assert (response.sop_class, response.sop_uid) == (COMMITMENT, COMMITMENT_INSTANCE)
        assert (await report(peer))[0].event_type == 1
        await peer.release()
    kept = await site.transaction("reported", "1.2.3")
    assert (kept.peer, kept.total, kept.committed, kept.failed) == ("MODALITY", 3, 3, 0)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"action_type": 2}, 0x0123),  # PS3.7 10.1.4.1.10: no such action
        ({"sop_uid": "1.2.840.10008.1.20.1.2"}, 0x0112),  # J.3.5: the one well-known instance
        ({"sop_uid": "not-a-uid"}, 0x0117),
        ({"sop_class": CT}, 0x0119),
    ],
)
@pytest.mark.capability("1.6.1")
async def test_a_request_for_something_else_is_refused(site: Site, message: dict[str, Any], status: int) -> None:
    async with committing(site) as peer:
        response = await ask(peer, asking("1.2.3", (CT, "1.2.4")), dataclasses.replace(ASK, **message))
        assert response.status == status
        assert (await ask(peer, asking("1.2.3", (CT, "1.2.4")))).status == 0


def without(keyword: str) -> Dataset:
    dataset = asking("1.2.3", (CT, "1.2.4"))
    delattr(dataset, keyword)
    return dataset


def nameless() -> Dataset:
    dataset = asking("1.2.3", (CT, "1.2.4"))
    del dataset.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    return dataset


@pytest.mark.parametrize(
    "dataset",
    [
        without("TransactionUID"),
        without("ReferencedSOPSequence"),
        asking("1.2.3"),
        nameless(),
        asking("1.2.3", (CT, "1.2.4"), ("1.2.840.10008.5.1.4.1.1.4", "1.2.4")),  # J.3.2.1.1.3: referenced once
    ],
)
@pytest.mark.capability("1.6.1")
async def test_what_table_j_3_1_requires_must_be_there(site: Site, dataset: Dataset) -> None:
    async with committing(site) as peer:
        response = await ask(peer, dataset)
        assert response.status == 0x0115
        assert response.comment


async def test_a_request_that_cannot_be_read_fails(site: Site) -> None:
    async with committing(site, syntax=EXPLICIT) as peer:
        response, _ = await peer.ask(COMMITMENT, ASK, b"\x08\x00\x95\x11UI\xff\xff1")
        assert response.status == 0x0115


@pytest.mark.capability("1.6.1")
async def test_an_object_named_twice_in_the_same_words_counts_once(site: Site) -> None:  # J.3.2.1.1.3, tolerantly
    made = await site.file(1)
    assert await judged(site, *pairs(made), *pairs(made)) == (1, {made[0].sop_uid: 0})


@pytest.mark.capability("1.6.1")
async def test_a_transaction_uid_is_not_used_twice(
    site: Site,
) -> None:  # J.3.3.1.2: no longer active, shall not be reused
    made = await site.file(1)
    async with committing(site) as peer:
        assert (await ask(peer, asking("1.2.3", *pairs(made)))).status == 0
        await report(peer)
        assert (await ask(peer, asking("1.2.3", *pairs(made)))).status == 0x0131
        await peer.release()
    async with committing(site, calling="OTHER") as peer:  # another device's numbers are another device's
        assert (await ask(peer, asking("1.2.3", *pairs(made)))).status == 0
        await report(peer)


async def test_a_device_that_may_not_ask_is_refused_the_context(site: Site) -> None:
    await site.know("MODALITY", services=frozenset({"store"}))
    async with committing(site) as peer:
        assert not peer.contexts


async def test_when_the_request_cannot_be_kept_it_is_not_answered_with_success(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(site.commitments, "take", away)
    async with committing(site) as peer:
        assert (await ask(peer, asking("1.2.3", (CT, "1.2.4")))).status == 0x0213


def test_every_outcome_has_a_status() -> None:
    assert set(TAKEN_STATUS) == set(Taken)
    assert set(HEARD_STATUS) == set(Heard)


# J.3.3: the result


@pytest.mark.capability("1.6.1")
async def test_success_is_event_type_1_with_references_and_no_failed_sequence(site: Site) -> None:  # J.3.3.1.2
    made = await site.file(3)
    async with committing(site) as peer:
        await ask(peer, asking("1.2.3", *pairs(made)))
        event, result = await report(peer)
    assert (event.event_type, event.sop_class, event.sop_uid) == (1, COMMITMENT, COMMITMENT_INSTANCE)
    assert result.TransactionUID == "1.2.3"
    assert [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in result.ReferencedSOPSequence] == pairs(made)
    assert "FailedSOPSequence" not in result
    assert result.RetrieveAETitle == site.ae  # J.3.3.1.1.1: outside the sequence, then not within
    assert all("RetrieveAETitle" not in item for item in result.ReferencedSOPSequence)


@pytest.mark.capability("1.6.1")
async def test_failures_are_event_type_2_and_every_reference_is_in_one_list(site: Site) -> None:  # J.3.3.1.2
    made = await site.file(3)
    kind, found = await judged(site, *pairs(made), (CT, "1.2.3.4"), (CT, "1.2.3.5"))
    assert kind == 2
    assert found == {each.sop_uid: 0 for each in made} | {"1.2.3.4": 0x0112, "1.2.3.5": 0x0112}


@pytest.mark.capability("1.6.1")
async def test_when_all_fail_there_is_no_referenced_sequence(site: Site) -> None:  # table J.3-2
    async with committing(site) as peer:
        await ask(peer, asking("1.2.3", (CT, "1.2.4")))
        event, result = await report(peer)
    assert event.event_type == 2
    assert "ReferencedSOPSequence" not in result
    assert "RetrieveAETitle" not in result


@pytest.mark.capability("1.6.1")
async def test_the_class_of_an_instance_must_be_the_one_it_has(site: Site) -> None:  # PS3.3 C.14.1.1: 0119
    made = await site.file(1)
    assert await judged(site, ("1.2.840.10008.5.1.4.1.1.4", made[0].sop_uid)) == (2, {made[0].sop_uid: 0x0119})


async def _first_blob(site: Site, uid: str) -> tuple[Path, int, int]:
    sql = (
        "SELECT l.key, l.start, l.size_bytes FROM location l JOIN instance i ON i.pk = l.instance_pk "
        "WHERE i.sop_uid = $1"
    )
    ((key, start, size),) = await site.rig.rows(sql, uid)
    return site.rig.online.root / key, start, size


@pytest.mark.capability("1.6.3")
async def test_bytes_that_are_gone_are_not_committed_to(site: Site) -> None:
    made = await site.file(2)
    (await _first_blob(site, made[0].sop_uid))[0].unlink()
    assert await judged(site, *pairs(made)) == (2, {each.sop_uid: 0x0112 for each in made})


@pytest.mark.parametrize(("check", "reason"), [("digest", 0x0110), ("size", 0), ("exists", 0), ("row", 0)])
@pytest.mark.capability("1.6.3")
async def test_bytes_that_are_not_those_received_are_not_committed_to(site: Site, check: str, reason: int) -> None:
    await site.know("MODALITY", commit_check=check)
    made = await site.file(2)
    path, start, size = await _first_blob(site, made[0].sop_uid)
    with path.open("r+b") as file:
        file.seek(start + size - 1)
        last = file.read(1)
        file.seek(start + size - 1)
        file.write(bytes([last[0] ^ 1]))
    kind, found = await judged(site, *pairs(made))
    assert found == {made[0].sop_uid: reason, made[1].sop_uid: 0}
    assert kind == (2 if reason else 1)


@pytest.mark.parametrize(("check", "reason"), [("digest", 0x0110), ("size", 0x0110), ("exists", 0), ("row", 0)])
@pytest.mark.capability("1.6.3")
async def test_a_blob_that_was_cut_is_not_committed_to(site: Site, check: str, reason: int) -> None:
    await site.know("MODALITY", commit_check=check)
    (made,) = await site.file(1)
    path, start, _ = await _first_blob(site, made.sop_uid)
    with path.open("r+b") as file:
        file.truncate(start + 10)
    assert (await judged(site, (made.sop_class, made.sop_uid)))[1] == {made.sop_uid: reason}


@pytest.mark.capability("1.6.3")
async def test_an_object_that_cannot_be_retrieved_any_more_is_not_committed_to(site: Site) -> None:  # J.1.1
    made = await site.file(2)
    async with site.rig.database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'deleted' WHERE sop_uid = $1", made[0].sop_uid)
    assert (await judged(site, *pairs(made)))[1] == {made[0].sop_uid: 0x0112, made[1].sop_uid: 0}


@pytest.mark.capability("1.6.4")
async def test_objects_that_are_still_arriving_are_waited_for(database: Database, tmp_path: Path) -> None:
    delivery = DeliverySettings(commitment_window_s=10)
    async with open_site(database, tmp_path / "store", delivery=delivery) as site, committing(site) as peer:
        made = await site.file(2)
        run = int(made[0].study_uid[6:18])
        late = list(objects("tiny", Study(run, 1), 1, first=3))
        await ask(peer, asking("1.2.3", *pairs(made), *pairs(late)))
        await site.until(lambda: _decided(site, 2))
        for outcome in await site.rig.store_all(late):
            assert outcome.safe
        event, result = await report(peer)
        assert (event.event_type, len(result.ReferencedSOPSequence)) == (1, 3)


@pytest.mark.capability("1.6.4")
async def test_what_has_not_come_in_the_window_fails(database: Database, tmp_path: Path) -> None:
    delivery = DeliverySettings(commitment_window_s=600)
    async with open_site(database, tmp_path / "store", delivery=delivery) as site, committing(site) as peer:
        made = await site.file(2)
        await ask(peer, asking("1.2.3", *pairs(made), (CT, "1.2.4")))
        await site.until(lambda: _decided(site, 2))
        site.clock.leap(601)
        event, result = await report(peer)
        assert (event.event_type, len(result.FailedSOPSequence)) == (2, 1)


async def _decided(site: Site, count: int) -> bool:
    return bool(await site.rig.value("SELECT count(*) >= $1 FROM commitment_item WHERE reason IS NOT NULL", count))


# J.3.3.1.2: on which association


@contextmanager
def listening(status: int = 0, role: bool = True, syntaxes: Sequence[str] = (IMPLICIT,)) -> Iterator[Any]:
    """pynetdicom as the modality that waits for reports: its port, and what came."""
    heard: list[tuple[int, Dataset, str, list[Any]]] = []

    def on_report(event: evt.Event) -> tuple[int, None]:
        roles = list(event.assoc.requestor.role_selection.values())
        heard.append((event.event_type, event.event_information, event.assoc.requestor.ae_title, roles))
        return status, None

    entity = AE(ae_title="MODALITY")
    if role:
        entity.add_supported_context(COMMITMENT, list(syntaxes), scu_role=True, scp_role=True)
    else:
        entity.add_supported_context(COMMITMENT, list(syntaxes))
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])
    try:
        yield port, heard
    finally:
        server.shutdown()


async def _ask_and_leave(site: Site, uid: str, *asked: tuple[str, str], called: str = "FILMROOM") -> None:
    async with committing(site, called=called) as peer:
        assert (await ask(peer, asking(uid, *asked))).status == 0
        await peer.release()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
@pytest.mark.capability("1.6.2")
async def test_the_report_comes_on_a_new_association_when_the_scu_has_released(site: Site, syntax: str) -> None:
    """At any time after the N-ACTION response the SCU may release (J.3.2.1.2); we then propose the SCP role."""
    made = await site.file(3)
    with listening(syntaxes=[syntax]) as (port, heard):
        await site.know("MODALITY", port, commit="new")
        await _ask_and_leave(site, "1.2.3", *pairs(made))
        kept: CommitmentState = await site.transaction("reported", "1.2.3")
    ((kind, result, calling, roles),) = heard
    assert (kind, len(result.ReferencedSOPSequence), kept.committed) == (1, 3, 3)
    assert calling == site.ae
    assert [(r.sop_class_uid, r.scu_role, r.scp_role) for r in roles] == [(COMMITMENT, False, True)]


@pytest.mark.capability("1.6.2")
async def test_the_report_comes_from_the_ae_title_that_was_asked(database: Database, tmp_path: Path) -> None:
    """J.3.3.1.2 note 2."""
    async with open_site(database, tmp_path / "store", check_called_ae=False) as site:
        made = await site.file(1)
        with listening() as (port, heard):
            await site.know("MODALITY", port)
            await _ask_and_leave(site, "1.2.3", *pairs(made), called="ARCHIVE2")
            await site.transaction("reported", "1.2.3")
    assert heard[0][2] == "ARCHIVE2"


@pytest.mark.capability("1.6.2")
async def test_a_device_that_does_not_answer_about_roles_gets_its_report(site: Site) -> None:
    with listening(role=False) as (port, heard):
        await site.know("MODALITY", port, commit="new")
        await _ask_and_leave(site, "1.2.3", (CT, "1.2.4"))
        await site.until(lambda: _heard(heard))


async def _heard(heard: list[Any]) -> bool:
    return bool(heard)


@pytest.mark.capability("1.6.2")
async def test_mode_new_leaves_the_association_of_the_request_alone(site: Site) -> None:
    made = await site.file(1)
    with listening() as (port, heard):
        await site.know("MODALITY", port, commit="new")
        async with committing(site) as peer:
            await ask(peer, asking("1.2.3", *pairs(made)))
            await site.transaction("reported", "1.2.3")
            await peer.release()
    assert len(heard) == 1


@pytest.mark.capability("1.6.2")
async def test_mode_same_never_opens_an_association(site: Site) -> None:
    with listening() as (port, heard):
        await site.know("MODALITY", port, commit="same")
        await _ask_and_leave(site, "1.2.3", (CT, "1.2.4"))
        kept = await site.transaction("undelivered", "1.2.3")
    assert not heard
    assert "takes no other" in kept.trouble


@pytest.mark.capability("1.6.2")
async def test_a_report_that_is_refused_on_the_association_of_the_request_comes_on_a_new_one(site: Site) -> None:
    made = await site.file(1)
    with listening() as (port, heard):
        await site.know("MODALITY", port)
        async with committing(site) as peer:
            await ask(peer, asking("1.2.3", *pairs(made)))
            await report(peer, status=0x0211)
            await site.transaction("reported", "1.2.3")
    assert len(heard) == 1


@pytest.mark.capability("1.6.2")
async def test_a_report_is_tried_again_until_the_device_is_there(site: Site) -> None:
    made = await site.file(1)
    port = free_port()
    await site.know("MODALITY", port)
    await _ask_and_leave(site, "1.2.3", *pairs(made))

    async def tried() -> bool:
        return bool(await site.rig.value("SELECT trouble <> '' FROM commitment"))

    await site.until(tried)
    with listening() as (where, heard):
        await site.know("MODALITY", where)
        site.clock.leap(7)
        assert (await site.transaction("reported", "1.2.3")).committed == 1
    assert len(heard) == 1


@pytest.mark.capability("1.6.2")
async def test_a_report_survives_a_restart_and_ends_after_a_day(database: Database, tmp_path: Path) -> None:
    async with open_site(database, tmp_path / "store") as site:
        await site.know("MODALITY", free_port())
        await _ask_and_leave(site, "1.2.3", (CT, "1.2.4"))
        await site.transaction("delivering", "1.2.3")
    async with open_site(database, tmp_path / "store") as site:
        with listening() as (port, heard):
            await site.know("MODALITY", port)
            site.clock.leap(7)
            await site.transaction("reported", "1.2.3")
        assert len(heard) == 1
        await site.know("MODALITY", free_port())
        await _ask_and_leave(site, "1.2.5", (CT, "1.2.4"))
        await site.transaction("delivering", "1.2.5")
        site.clock.leap(25 * 3600)
        assert "cannot be reached" in (await site.transaction("undelivered", "1.2.5")).trouble


async def test_a_device_without_an_address_is_said_to_have_none(site: Site) -> None:
    await _ask_and_leave(site, "1.2.3", (CT, "1.2.4"))

    async def told() -> bool:
        return bool(await site.rig.value("SELECT trouble = 'no device is registered as MODALITY' FROM commitment"))

    await site.until(told)


# J.3.3.1.3: as SCU


async def _asked(site: Site, peer: str, *references: tuple[str, str]) -> str:
    """A request of ours that is on its way to ``peer``; its transaction UID."""
    async with site.rig.database.transaction() as tx:
        (pk,) = await site.asked.ask(tx, peer, [Reference(*each) for each in references], site.clock.now())
    uid: str = await site.rig.value("SELECT transaction_uid FROM commitment WHERE pk = $1", pk)
    return uid


def result(uid: str, good: Sequence[tuple[str, str]], bad: Sequence[tuple[str, str]] = ()) -> Dataset:
    dataset = asking(uid, *good)
    if bad:
        dataset.FailedSOPSequence = [reference(*pair) for pair in bad]
        for item in dataset.FailedSOPSequence:
            item.FailureReason = 0x0112
    return dataset


EVENT = NEventReportRq(message_id=3, sop_class=COMMITMENT, sop_uid=COMMITMENT_INSTANCE, event_type=2, has_data=True)


@pytest.mark.parametrize("roles", [(Role(COMMITMENT, scu=False, scp=True),), ()])
@pytest.mark.capability("1.6.5")
async def test_the_scu_takes_the_report_on_another_association(site: Site, roles: tuple[Role, ...]) -> None:
    await site.sending.pause(SYSTEM, "ARCHIVE")
    uid = await _asked(site, "ARCHIVE", (CT, "1.2.4"), (CT, "1.2.5"))
    data = encoded(result(uid, [(CT, "1.2.4")], [(CT, "1.2.5")]))
    async with committing(site, calling="ARCHIVE", roles=roles) as peer:
        response, _ = await peer.ask(COMMITMENT, EVENT, data)
        assert (response.status, response.event_type, response.responding_to) == (0, 2, 3)
        assert (await peer.ask(COMMITMENT, EVENT, data))[0].status == 0  # told twice
    kept = await site.transaction("answered", uid, side="scu")
    assert (kept.committed, kept.failed) == (1, 1)
    assert (await site.asked.result(kept.pk)).failed[0].reason == 0x0112


@pytest.mark.parametrize(
    ("message", "calling", "status"),
    [
        ({"event_type": 3}, "ARCHIVE", 0x0113),
        ({"sop_uid": "1.2.3"}, "ARCHIVE", 0x0112),
        ({"sop_class": CT}, "ARCHIVE", 0x0119),
        ({}, "STRANGER", 0x0115),
    ],
)
@pytest.mark.capability("1.6.5")
async def test_a_report_of_something_else_is_refused(
    site: Site, message: dict[str, Any], calling: str, status: int
) -> None:
    await site.sending.pause(SYSTEM, "ARCHIVE")
    uid = await _asked(site, "ARCHIVE", (CT, "1.2.4"))
    async with committing(site, calling=calling) as peer:
        event = dataclasses.replace(EVENT, **message)
        response, _ = await peer.ask(COMMITMENT, event, encoded(result(uid, [(CT, "1.2.4")])))
        assert response.status == status
    assert (await site.asked.heard("ARCHIVE", Result("1.2.99", ()))) is Heard.UNKNOWN
