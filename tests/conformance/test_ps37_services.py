"""PS3.7 and PS3.4 annexes A, B and C at the real port, over an archive in memory."""

import asyncio
import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as oracle_decode
from pynetdicom.dsutils import encode as oracle_encode
from tests.fixtures.dimse_archive import MemoryArchive, MemoryObject, device, dimse_server
from tests.fixtures.dimse_wire import (
    BIG,
    CT,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    JPEG,
    MOVE,
    MR,
    WirePeer,
    associated,
    request,
    until,
)

from filmroom.archive.devices import DevicePolicy
from filmroom.archive.model import Outcome, Stored
from filmroom.base.errors import Forbidden, NoSpace, Unavailable
from filmroom.dicom.question import Level, Single, Wildcard
from filmroom.net.dimse.models import PATIENT_ROOT, VERIFICATION
from filmroom.net.dimse.scp.store import C_STORE_STATUS
from filmroom.settings import DimseSettings
from filmroom.wire.dimse.fragments import command_parts, data_parts
from filmroom.wire.dimse.messages import (
    CCancelRq,
    CEchoRq,
    CFindRq,
    CGetRq,
    CMoveRq,
    CStoreRq,
    CStoreRsp,
    NCreateRq,
)
from filmroom.wire.ul.items import AsyncWindow, Extended, Role

STORE = CStoreRq(message_id=2, sop_class=CT, sop_uid="1.2.3", has_data=True)
DO_FIND = CFindRq(message_id=5, sop_class=FIND, has_data=True)
DO_MOVE = CMoveRq(message_id=6, sop_class=MOVE, destination="SINK", has_data=True)
DO_GET = CGetRq(message_id=7, sop_class=GET, has_data=True)


def identifier(syntax: str = IMPLICIT, **values: Any) -> bytes:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    encoded = oracle_encode(dataset, syntax == IMPLICIT, syntax != BIG)
    assert encoded is not None
    return encoded


def read(data: bytes, syntax: str = IMPLICIT) -> Dataset:
    return oracle_decode(io.BytesIO(data), syntax == IMPLICIT, syntax != BIG)


STUDY = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2.3")


# C-ECHO


@pytest.mark.capability("1.5.1")
async def test_echo_is_answered_with_the_id_of_its_request() -> None:  # PS3.7 9.1.5
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        for id in (1, 65535):
            response, data = await peer.ask(VERIFICATION, CEchoRq(message_id=id, sop_class=VERIFICATION))
            assert (response.responding_to, response.status, response.sop_class, data) == (id, 0, VERIFICATION, b"")


async def test_what_a_context_is_not_for_is_not_recognised() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        assert (await peer.ask(VERIFICATION, STORE, b"data"))[0].status == 0x0211
        assert (await peer.ask(CT, dataclasses.replace(DO_FIND, sop_class=CT), STUDY))[0].status == 0x0211
        assert (await peer.ask(CT, NCreateRq(message_id=3, sop_class=CT)))[0].status == 0x0211


async def test_a_message_id_in_use_is_refused() -> None:  # PS3.7 annex C.5.5
    archive = MemoryArchive(gate=asyncio.Event())
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        await peer.send(CT, STORE, b"data")
        await peer.send(CT, STORE, b"data")
        assert (await peer.message())[0].status == 0x0210
        assert archive.gate is not None
        archive.gate.set()
        assert (await peer.message())[0].status == 0


# C-STORE


@pytest.mark.capability("1.1.3", "1.1.4", "1.1.5")
async def test_an_object_is_kept_as_it_came() -> None:
    data = bytes(range(256)) * 300
    async with dimse_server() as (listener, archive), associated(listener.port) as peer:
        response, _ = await peer.ask(CT, STORE, data)
        assert response == CStoreRsp(responding_to=2, status=0, sop_class=CT, sop_uid="1.2.3")
        stored = archive.objects["1.2.3"]
        assert (stored.data, stored.sop_class, stored.transfer_syntax, stored.source) == (data, CT, IMPLICIT, "TEST")
        assert (await peer.ask(CT, STORE, data))[0].status == 0
        assert (await peer.ask(CT, STORE, data + b"xx"))[0].status == 0x0111


def test_every_outcome_has_a_status() -> None:
    assert set(C_STORE_STATUS) == set(Stored)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(Stored.CONFLICT, CT, "1.2.3"), 0x0111),
        (Outcome(Stored.REFUSED, CT, "1.2.3"), 0x0124),
        (Outcome(Stored.NO_SPACE), 0xA700),
        (Outcome(Stored.UNAVAILABLE), 0xA700),
        (Outcome(Stored.QUARANTINED), 0xC000),
        (Outcome(Stored.QUARANTINED, CT, "1.2.3"), 0xC000),
        (Outcome(Stored.QUARANTINED, MR, "1.2.3"), 0xA900),
        (Outcome(Stored.QUARANTINED, CT, "1.2.4"), 0xA900),
    ],
)
@pytest.mark.capability("1.1.12")
async def test_what_became_of_an_object_is_its_status(outcome: Outcome, status: int) -> None:  # PS3.4 table B.2-1
    outcome = dataclasses.replace(outcome, comment="die Platte ist voll: " + "ü" * 60)
    async with dimse_server(MemoryArchive(outcome=outcome)) as (listener, _), associated(listener.port) as peer:
        response, _ = await peer.ask(CT, STORE, b"data")
        assert (response.status, response.sop_class, response.sop_uid) == (status, CT, "1.2.3")
        assert response.comment.startswith("die Platte ist voll: ?")
        assert len(response.comment) <= 64


@pytest.mark.parametrize(
    ("fault", "status"),
    [(NoSpace("no space"), 0xA700), (Unavailable("no database"), 0xA700), (Forbidden("no"), 0x0124)],
)
@pytest.mark.capability("1.1.3")
async def test_a_refusal_at_the_start_comes_after_the_data(fault: Exception, status: int) -> None:
    archive = MemoryArchive(refuse=fault)
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        response, _ = await peer.ask(CT, STORE, bytes(100_000))
        assert (response.status, response.sop_uid) == (status, "1.2.3")
        archive.refuse = None
        assert (await peer.ask(CT, STORE, b"data"))[0].status == 0


async def test_a_store_without_a_data_set_is_not_understood() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        assert (await peer.ask(CT, dataclasses.replace(STORE, has_data=False)))[0].status == 0xC000


@pytest.mark.capability("1.1.3")
async def test_a_sender_is_held_while_the_archive_is_full() -> None:
    archive = MemoryArchive(full_at=2**20)
    data = bytes(8 * 2**20)
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        await peer.send(CT, STORE, data)
        assert (await peer.message())[0].status == 0
        assert archive.drained >= 7
        assert archive.objects["1.2.3"].data == data


@pytest.mark.capability("1.0.5")
async def test_several_stores_at_once_within_the_window() -> None:
    archive = MemoryArchive(gate=asyncio.Event())
    asked = request(async_window=AsyncWindow(4, 1))
    async with dimse_server(archive) as (listener, _), associated(listener.port, asked) as peer:
        for id in range(1, 5):
            await peer.send(CT, dataclasses.replace(STORE, message_id=id, sop_uid=f"1.2.{id}"), b"data")
        await until(lambda: archive.chunks == 4)
        assert archive.gate is not None
        archive.gate.set()
        answers = [(await peer.message())[0] for _ in range(4)]
        assert {(a.responding_to, a.status) for a in answers} == {(1, 0), (2, 0), (3, 0), (4, 0)}


@pytest.mark.capability("1.0.5")
async def test_a_flood_beyond_the_window_is_held_and_not_lost() -> None:
    archive = MemoryArchive(gate=asyncio.Event())
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        for id in range(1, 101):
            await peer.send(CT, dataclasses.replace(STORE, message_id=id, sop_uid=f"1.2.{id}"), b"data")
        await until(lambda: archive.chunks >= 1)
        assert archive.chunks <= 2
        assert archive.gate is not None
        archive.gate.set()
        assert sorted([(await peer.message())[0].responding_to for _ in range(100)]) == list(range(1, 101))
        assert len(archive.objects) == 100


# C-FIND


def study(number: int, **more: Any) -> dict[str, Any]:
    return {
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE^JO"}]},
        **more,
    }


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.capability("1.2.1")
async def test_each_match_is_a_pending_response_and_success_ends_them(syntax: str) -> None:
    archive = MemoryArchive(matches=[study(n) for n in range(200)])
    asked = request([(FIND, (syntax,))])
    query = identifier(syntax, QueryRetrieveLevel="STUDY", PatientName="DOE*", StudyInstanceUID="")
    async with dimse_server(archive) as (listener, _), associated(listener.port, asked) as peer:
        answers = await peer.answers(FIND, DO_FIND, query)
        assert [a.status for a, _ in answers] == [0xFF00] * 200 + [0]
        assert {a.responding_to for a, _ in answers} == {5}
        first = read(answers[0][1], syntax)
        assert (first.QueryRetrieveLevel, first.RetrieveAETitle) == ("STUDY", "FILMROOM")
        assert (str(first.PatientName), first.StudyInstanceUID) == ("DOE^JO", "1.2.0")
        (question,) = archive.questions
        assert question.level is Level.STUDY
        asked_name = question.key(0x00100010)
        assert asked_name is not None
        assert asked_name.match == Wildcard("DOE*")


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (FIND, identifier(PatientName="X")),
        (FIND, identifier(QueryRetrieveLevel="NONSENSE")),
        (FIND, identifier(QueryRetrieveLevel="PATIENT", PatientID="1")),
        (FIND, identifier(QueryRetrieveLevel="SERIES", SeriesInstanceUID="1.2")),
        (FIND, identifier(QueryRetrieveLevel="SERIES", StudyInstanceUID=["1.2", "1.3"])),
        (FIND, identifier(QueryRetrieveLevel="IMAGE", StudyInstanceUID="1.2")),
        (PATIENT_ROOT.find, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2")),
        (PATIENT_ROOT.find, identifier(QueryRetrieveLevel="STUDY", PatientID="A*")),
        (FIND, identifier(QueryRetrieveLevel="STUDY", StudyDate="yesterday")),
        (FIND, b"\x08\x00\x52\x00\xff\xff\xff\x7fxx"),
    ],
)
@pytest.mark.capability("1.2.1")
async def test_an_identifier_that_does_not_fit_is_a900(model: str, query: bytes) -> None:  # PS3.4 table C.4-1
    async with dimse_server() as (listener, archive), associated(listener.port) as peer:
        response, data = await peer.ask(model, dataclasses.replace(DO_FIND, sop_class=model), query)
        assert response.status == 0xA900
        assert response.comment
        assert not data
        assert not archive.questions


@pytest.mark.capability("1.2.1", "1.0.5")
async def test_relational_queries_when_negotiated() -> None:  # PS3.4 C.4.1.2.2, C.5.1.1
    query = identifier(QueryRetrieveLevel="SERIES", Modality="CT")
    asked = request([(FIND, (IMPLICIT,))], extended=(Extended(FIND, b"\x01\x00\x01\x01"),))
    async with dimse_server() as (listener, archive), associated(listener.port, asked) as peer:
        assert (await peer.ask(FIND, DO_FIND, query))[0].status == 0
        (question,) = archive.questions
        assert (question.relational, question.combined_datetime, question.fuzzy) == (True, False, True)


@pytest.mark.capability("1.2.1")
async def test_a_device_may_be_let_off_the_hierarchy() -> None:
    archive = MemoryArchive()
    archive.devices["TEST"] = dataclasses.replace(device("TEST", 1), policy=DevicePolicy(lenient_relational=True))
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        query = identifier(QueryRetrieveLevel="IMAGE", SOPInstanceUID="1.2.3")
        assert (await peer.ask(FIND, DO_FIND, query))[0].status == 0
        key = archive.questions[0].key(0x00080018)
        assert key is not None
        assert key.match == Single("1.2.3")


@pytest.mark.capability("1.2.10")
async def test_a_query_can_be_cancelled() -> None:
    archive = MemoryArchive(matches=[study(n) for n in range(100_000)])
    query = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        await peer.send(FIND, DO_FIND, query)
        assert (await peer.message())[0].status == 0xFF00
        await peer.send(FIND, CCancelRq(responding_to=5))
        seen = 1
        while (last := (await peer.message())[0]).status == 0xFF00:
            seen += 1
        assert last.status == 0xFE00
        assert seen < 50_000
        assert (await peer.ask(VERIFICATION, CEchoRq(message_id=1, sop_class=VERIFICATION)))[0].status == 0


@pytest.mark.capability("1.2.10")
async def test_a_cancel_of_nothing_is_no_fault() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        await peer.send(FIND, CCancelRq(responding_to=77))
        assert (await peer.ask(VERIFICATION, CEchoRq(message_id=1, sop_class=VERIFICATION)))[0].status == 0


@pytest.mark.capability("1.2.10")
async def test_more_matches_than_allowed_is_a700() -> None:
    settings = dataclasses.replace(DimseSettings(), max_find_results=3)
    archive = MemoryArchive(matches=[study(n) for n in range(5)])
    query = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
    async with dimse_server(archive, settings) as (listener, _), associated(listener.port) as peer:
        answers = await peer.answers(FIND, DO_FIND, query)
        assert [a.status for a, _ in answers] == [0xFF00] * 3 + [0xA700]
        assert answers[-1][0].comment == "more than 3 matches"


@pytest.mark.parametrize(("fault", "status"), [(Unavailable("gone"), 0xA700), (Forbidden("no"), 0x0124)])
async def test_a_query_that_cannot_be_done_says_so(fault: Exception, status: int) -> None:
    query = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
    async with dimse_server(MemoryArchive(refuse=fault)) as (listener, _), associated(listener.port) as peer:
        assert (await peer.ask(FIND, DO_FIND, query))[0].status == status


async def test_a_fault_of_ours_fails_the_request_and_not_the_association() -> None:
    query = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
    async with (
        dimse_server(MemoryArchive(refuse=RuntimeError("bug"))) as (listener, _),
        associated(listener.port) as peer,
    ):
        response, _ = await peer.ask(FIND, DO_FIND, query)
        assert (response.status, response.comment) == (0x0110, "internal fault")
        assert (await peer.ask(VERIFICATION, CEchoRq(message_id=1, sop_class=VERIFICATION)))[0].status == 0


@pytest.mark.parametrize(
    ("asked", "name", "answered"),
    [
        ("", "DOE^JO", None),
        ("ISO_IR 100", "DOE^JO", None),
        ("ISO_IR 100", "MÜLLER^ÄNNE", "ISO_IR 100"),
        ("", "MÜLLER", "ISO_IR 192"),
        ("ISO_IR 100", "张伟", "ISO_IR 192"),
        ("GB18030", "张伟", "GB18030"),
        ("ISO_IR 192", "张伟", "ISO_IR 192"),
    ],
)
@pytest.mark.capability("1.2.9")
async def test_answers_are_in_the_asker_s_character_set_where_it_can_write_them(
    asked: str, name: str, answered: str | None
) -> None:  # PS3.4 C.4.1.1.3.2
    archive = MemoryArchive(matches=[study(1, **{"00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]}})])
    keys: dict[str, Any] = {"QueryRetrieveLevel": "STUDY", "PatientName": ""}
    if asked:
        keys["SpecificCharacterSet"] = asked
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        found = read((await peer.answers(FIND, DO_FIND, identifier(**keys)))[0][1])
        assert found.get("SpecificCharacterSet") == answered
        found.decode()
        assert str(found.PatientName).rstrip("=") == name


# C-MOVE and C-GET


def stored(*uids: str, sop_class: str = CT, syntax: str = IMPLICIT) -> dict[str, MemoryObject]:
    return {uid: MemoryObject(sop_class, uid, syntax, b"data of " + uid.encode()) for uid in uids}


def counts(response: Any) -> tuple[int | None, ...]:
    return (response.remaining, response.completed, response.failed, response.warning)


async def take(peer: WirePeer, statuses: Sequence[int] = ()) -> tuple[list[tuple[Any, bytes]], list[Any]]:
    """Answer the C-STOREs of a C-GET until it ends: the objects, and the C-GET responses."""
    objects: list[tuple[Any, bytes]] = []
    responses: list[Any] = []
    while not responses or responses[-1][0].status == 0xFF00:
        message, data = await peer.message()
        if not isinstance(message, CStoreRq):
            responses.append((message, data))
            continue
        status = statuses[len(objects)] if len(objects) < len(statuses) else 0
        objects.append((message, data))
        await peer.send(message.sop_class, CStoreRsp(responding_to=message.message_id, status=status, sop_class=CT))
    return objects, responses


GETTER = request(roles=(Role(CT, True, True), Role(MR, False, True)))


@pytest.mark.capability("1.4.1", "1.3.1")
async def test_get_sends_the_objects_back() -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1", "1.2.3.2", "1.2.3.3"))
    async with dimse_server(archive) as (listener, _), associated(listener.port, GETTER) as peer:
        await peer.send(GET, DO_GET, STUDY)
        objects, responses = await take(peer)
        assert [(m.sop_uid, m.move_originator_ae, data) for m, data in objects] == [
            (uid, "", b"data of " + uid.encode()) for uid in archive.objects
        ]
        final, data = responses[-1]
        assert (final.status, counts(final), data) == (0, (None, 3, 0, 0), b"")
        assert all(m.status == 0xFF00 and sum(c or 0 for c in counts(m)) == 3 for m, _ in responses[:-1])
        assert len(responses) >= 2


@pytest.mark.parametrize(
    ("statuses", "status", "expected", "failed"),
    [
        ((0, 0xA700, 0), 0xB000, (None, 2, 1, 0), ["1.2.3.2"]),
        ((0, 0xB000, 0), 0xB000, (None, 2, 0, 1), None),
        ((0xC000, 0xA900, 0x0122), 0xA702, (None, 0, 3, 0), ["1.2.3.1", "1.2.3.2", "1.2.3.3"]),
    ],
)
@pytest.mark.capability("1.3.2")
async def test_some_failed_is_a_warning_and_all_failed_a_failure(
    statuses: Sequence[int], status: int, expected: tuple[int, ...], failed: list[str] | None
) -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1", "1.2.3.2", "1.2.3.3"))
    async with dimse_server(archive) as (listener, _), associated(listener.port, GETTER) as peer:
        await peer.send(GET, DO_GET, STUDY)
        objects, responses = await take(peer, statuses)
        assert len(objects) == 3
        final, data = responses[-1]
        assert (final.status, counts(final)) == (status, expected)
        listed = read(data).FailedSOPInstanceUIDList if data else None
        assert listed == (failed[0] if failed and len(failed) == 1 else failed)


@pytest.mark.capability("1.3.2")
async def test_what_cannot_be_read_or_sent_fails_and_the_rest_goes_on() -> None:
    archive = MemoryArchive(
        objects=stored("1.2.3.1", "1.2.3.2") | stored("1.2.3.3", sop_class="1.2.840.10008.5.1.4.1.1.7")
    )
    archive.broken.add("1.2.3.1")
    async with dimse_server(archive) as (listener, _), associated(listener.port, GETTER) as peer:
        await peer.send(GET, DO_GET, STUDY)
        objects, responses = await take(peer)
        assert [m.sop_uid for m, _ in objects] == ["1.2.3.2"]
        final, data = responses[-1]
        assert (final.status, counts(final)) == (0xB000, (None, 1, 2, 0))
        assert read(data).FailedSOPInstanceUIDList == ["1.2.3.1", "1.2.3.3"]
        assert final.comment


@pytest.mark.capability("1.4.1")
async def test_without_the_scp_role_nothing_can_be_sent_back() -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1"))
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        final, _ = await peer.ask(GET, DO_GET, STUDY)
        assert (final.status, counts(final)) == (0xA702, (None, 0, 1, 0))


@pytest.mark.capability("1.4.1")
async def test_an_object_goes_out_as_stored_where_that_is_accepted_else_transcoded() -> None:
    objects = stored("1.2.3.1", syntax=JPEG) | stored("1.2.3.2", syntax=EXPLICIT) | stored("1.2.3.3", syntax=BIG)
    archive = MemoryArchive(objects=objects, transcodes=lambda item, syntax: b"made " + syntax.encode())
    asked = request([(GET, (IMPLICIT,)), (CT, (IMPLICIT,)), (CT, (JPEG,))], roles=(Role(CT, False, True),))
    async with dimse_server(archive) as (listener, _), associated(listener.port, asked) as peer:
        await peer.send(GET, DO_GET, STUDY)
        sent, _ = await take(peer)
        assert [data for _, data in sent] == [b"data of 1.2.3.1"] + [b"made " + IMPLICIT.encode()] * 2


@pytest.mark.capability("1.3.1")
async def test_a_retrieve_can_be_cancelled() -> None:
    archive = MemoryArchive(objects=stored(*[f"1.2.3.{n}" for n in range(100)]))
    async with dimse_server(archive) as (listener, _), associated(listener.port, GETTER) as peer:
        await peer.send(GET, DO_GET, STUDY)
        await peer.message()
        await peer.send(GET, CCancelRq(responding_to=7))
        await peer.send(CT, CStoreRsp(responding_to=1, status=0))
        _, responses = await take(peer)
        final = responses[-1][0]
        assert final.status == 0xFE00
        assert final.remaining + final.completed == 100
        assert final.completed < 10


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (GET, identifier(QueryRetrieveLevel="STUDY")),
        (GET, identifier(StudyInstanceUID="1.2.3")),
        (GET, identifier(QueryRetrieveLevel="PATIENT", PatientID="1")),
        (GET, identifier(QueryRetrieveLevel="SERIES", SeriesInstanceUID="1.2")),
        (GET, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="*")),
        (MOVE, identifier(QueryRetrieveLevel="IMAGE", SOPInstanceUID="1.2")),
        (PATIENT_ROOT.get, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2")),
        (PATIENT_ROOT.move, identifier(QueryRetrieveLevel="PATIENT")),
    ],
)
@pytest.mark.capability("1.3.1")
async def test_a_retrieve_identifier_that_does_not_fit_is_a900(model: str, query: bytes) -> None:
    kind = CMoveRq if model in (MOVE, PATIENT_ROOT.move) else CGetRq
    more = {"destination": "SINK"} if kind is CMoveRq else {}
    archive = MemoryArchive(devices={"SINK": device("SINK", 1)})
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        response, _ = await peer.ask(model, kind(message_id=1, sop_class=model, has_data=True, **more), query)
        assert response.status == 0xA900
        assert response.comment


async def test_nothing_found_is_success() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        final, _ = await peer.ask(GET, DO_GET, STUDY)
        assert (final.status, counts(final)) == (0, (None, 0, 0, 0))


@pytest.mark.capability("1.3.1", "1.3.3")
async def test_an_unknown_destination_is_a801_before_anything_is_opened() -> None:  # PS3.4 table C.4-2
    archive = MemoryArchive(objects=stored("1.2.3.1"))
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        response, _ = await peer.ask(MOVE, DO_MOVE, STUDY)
        assert (response.status, response.comment) == (0xA801, "SINK is not registered")


@pytest.mark.capability("1.3.3")
async def test_a_caller_may_have_its_own_destinations() -> None:
    archive = MemoryArchive(devices={"SINK": device("SINK", 1)})
    policy = DevicePolicy(destinations=frozenset({"OTHER"}))
    archive.devices["TEST"] = dataclasses.replace(device("TEST", 1), policy=policy)
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        assert (await peer.ask(MOVE, DO_MOVE, STUDY))[0].status == 0x0124


@pytest.mark.capability("1.3.1", "1.3.2")
async def test_move_sends_to_the_destination_and_names_its_originator() -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1", "1.2.3.2") | stored("1.2.3.3", sop_class=MR))
    async with dimse_server() as (sink, received), dimse_server(archive) as (listener, _):
        archive.devices["SINK"] = device("FILMROOM", sink.port)
        seen: list[Any] = []
        original = received.begin
        received.begin = lambda who, **k: seen.append(k) or original(who, **k)  # type: ignore[method-assign, func-returns-value]
        async with associated(listener.port) as peer:
            answers = await peer.answers(MOVE, DO_MOVE, STUDY)
            final = answers[-1][0]
            assert (final.status, counts(final)) == (0, (None, 3, 0, 0))
            assert {uid: o.data for uid, o in received.objects.items()} == {
                u: o.data for u, o in archive.objects.items()
            }
            assert [k["source"] for k in seen] == ["FILMROOM"] * 3


@pytest.mark.capability("1.3.2")
async def test_a_destination_that_is_not_there_fails_everything() -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1", "1.2.3.2"), devices={"SINK": device("SINK", 1)})
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        final, data = (await peer.answers(MOVE, DO_MOVE, STUDY))[-1]
        assert (final.status, counts(final)) == (0xA702, (None, 0, 2, 0))
        assert read(data).FailedSOPInstanceUIDList == ["1.2.3.1", "1.2.3.2"]
        assert "cannot be reached" in final.comment


@pytest.mark.capability("1.3.2")
async def test_a_destination_that_refuses_one_gets_the_rest() -> None:
    archive = MemoryArchive(objects=stored("1.2.3.1", "1.2.3.2", "1.2.3.3"))
    received = MemoryArchive(objects={"1.2.3.2": MemoryObject(CT, "1.2.3.2", IMPLICIT, b"other content")})
    async with dimse_server(received) as (sink, _), dimse_server(archive) as (listener, _):
        archive.devices["SINK"] = device("FILMROOM", sink.port)
        async with associated(listener.port) as peer:
            final, data = (await peer.answers(MOVE, DO_MOVE, STUDY))[-1]
            assert (final.status, counts(final)) == (0xB000, (None, 2, 1, 0))
            assert read(data).FailedSOPInstanceUIDList == "1.2.3.2"


@pytest.mark.capability("1.3.2")
async def test_a_destination_that_drops_out_in_between_gets_the_rest() -> None:
    archive = MemoryArchive(objects=stored(*[f"1.2.3.{n}" for n in range(5)]))
    dropped: list[str] = []
    async with dimse_server() as (sink, received), dimse_server(archive) as (listener, _):
        original = received.begin

        def begin(who: Any, **k: Any) -> Any:
            if k["sop_uid"] == "1.2.3.2" and not dropped:
                dropped.append(k["sop_uid"])
                for association in sink.associations:
                    association.abort()
            return original(who, **k)

        received.begin = begin  # type: ignore[method-assign]
        archive.devices["SINK"] = device("FILMROOM", sink.port)
        async with associated(listener.port) as peer:
            final, data = (await peer.answers(MOVE, DO_MOVE, STUDY))[-1]
            assert (final.status, counts(final)) == (0xB000, (None, 4, 1, 0))
            assert read(data).FailedSOPInstanceUIDList == "1.2.3.2"


@pytest.mark.capability("1.3.2", "1.4.2")
async def test_more_contexts_than_one_association_holds() -> None:
    objects: dict[str, MemoryObject] = {}
    for number in range(1, 101):
        objects |= stored(f"1.2.3.{number}", sop_class=f"1.2.840.10008.5.1.4.1.1.9999.{number}", syntax=EXPLICIT)
    archive = MemoryArchive(objects=objects)
    async with dimse_server() as (sink, received), dimse_server(archive) as (listener, _):
        archive.devices["SINK"] = device("FILMROOM", sink.port)
        async with associated(listener.port) as peer:
            final, _ = (await peer.answers(MOVE, DO_MOVE, STUDY))[-1]
            assert (final.status, final.completed) == (0, 100)
            assert len(received.objects) == 100


async def test_two_messages_in_one_write_and_one_in_many() -> None:
    echo = CEchoRq(message_id=1, sop_class=VERIFICATION)
    async with dimse_server() as (listener, archive), associated(listener.port) as peer:
        store = b"".join(
            command_parts(peer.contexts[CT], STORE.encode(), 40) + data_parts(peer.contexts[CT], b"data", 2, last=True)
        )
        ping = b"".join(command_parts(peer.contexts[VERIFICATION], echo.encode(), 1000))
        await peer.write(ping + store)
        assert [(await peer.message())[0].status for _ in range(2)] == [0, 0]
        for byte in ping:
            await peer.write(bytes((byte,)))
        assert (await peer.message())[0].status == 0
        assert archive.objects["1.2.3"].data == b"data"
