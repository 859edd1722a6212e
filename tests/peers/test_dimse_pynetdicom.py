"""pynetdicom as requestor and as acceptor, against the DIMSE edge over an archive in memory."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pydicom.config
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.dsutils import encode
from tests.fixtures.dimse_archive import MemoryArchive, MemoryObject, device, dimse_server
from tests.fixtures.dimse_wire import CT, EXPLICIT, IMPLICIT, JPEG, MR

from filmroom.net.dimse.errors import (
    AssociationLost,
    AssociationRejected,
    ContextMissing,
    PeerTimeout,
    PeerUnreachable,
)
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.models import STUDY_ROOT, VERIFICATION
from filmroom.net.dimse.outgoing import Originator
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.scu import Association, Peer, Proposal, Received, for_retrieval
from filmroom.net.dimse.sender import Sender
from filmroom.wire.dimse.messages import CFindRsp, CMoveRsp


@pytest.fixture(autouse=True)
def odd_values_are_allowed() -> Iterator[None]:
    before = pydicom.config.settings.writing_validation_mode
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    yield
    pydicom.config.settings.writing_validation_mode = before


def entity(*contexts: tuple[str, Any]) -> AE:
    ae = AE(ae_title="PYNET")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    for abstract, syntaxes in contexts:
        ae.add_requested_context(abstract, syntaxes)
    return ae


def associate(ae: AE, port: int, **more: Any) -> Any:
    association = ae.associate("127.0.0.1", port, ae_title="FILMROOM", **more)
    assert association.is_established
    return association


def study_query(**keys: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    for name, value in keys.items():
        setattr(dataset, name, value)
    return dataset


def raw(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    encoded = encode(dataset, syntax == IMPLICIT, True)
    assert encoded is not None
    return encoded


# pynetdicom asks us


@pytest.mark.capability("1.5.1", "1.1.4")
async def test_it_echoes_and_stores() -> None:
    def work(port: int) -> list[int]:
        association = associate(entity((VERIFICATION, None), (CT, None), (MR, None)), port)
        statuses = [association.send_c_echo().Status]
        for name in ("CT_small.dcm", "MR_small.dcm", "CT_small.dcm"):
            statuses.append(association.send_c_store(pydicom.dcmread(str(get_testdata_file(name)))).Status)
        association.release()
        return statuses

    async with dimse_server() as (listener, archive):
        assert await asyncio.to_thread(work, listener.port) == [0, 0, 0, 0]
        assert len(archive.objects) == 2


@pytest.mark.capability("1.0.4", "1.1.1")
async def test_it_proposes_all_it_knows() -> None:
    def work(port: int) -> tuple[int, int]:
        ae = entity()
        ae.requested_contexts = [*AllStoragePresentationContexts[:127], build_context(VERIFICATION)]
        association = associate(ae, port)
        counts = len(association.accepted_contexts), len(association.rejected_contexts)
        association.release()
        return counts

    async with dimse_server() as (listener, _):
        assert await asyncio.to_thread(work, listener.port) == (128, 0)


@pytest.mark.capability("1.2.1")
async def test_it_finds() -> None:
    def work(port: int) -> list[Any]:
        association = associate(entity((STUDY_ROOT.find, None)), port)
        found = list(association.send_c_find(study_query(PatientName="*", StudyInstanceUID=""), STUDY_ROOT.find))
        association.release()
        return found

    matches = [{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "张^伟"}]}} for _ in range(50)]
    async with dimse_server(MemoryArchive(matches=matches)) as (listener, _):
        found = await asyncio.to_thread(work, listener.port)
        assert [s.Status for s, _ in found] == [0xFF00] * 50 + [0]
        assert found[0][1].PatientName == "A^B=张^伟"


@pytest.mark.capability("1.4.1")
async def test_it_gets() -> None:
    def work(port: int) -> tuple[list[int], list[str]]:
        taken: list[str] = []

        def keep(event: Any) -> int:
            taken.append(event.request.AffectedSOPInstanceUID)
            return 0

        ae = entity((STUDY_ROOT.get, None), (CT, None))
        association = associate(
            ae, port, ext_neg=[build_role(CT, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, keep)]
        )
        query = study_query(StudyInstanceUID="1.2.3")
        statuses = [status.Status for status, _ in association.send_c_get(query, STUDY_ROOT.get)]
        association.release()
        return statuses, taken

    data = raw(pydicom.dcmread(str(get_testdata_file("CT_small.dcm"))))
    objects = {f"1.2.3.{n}": MemoryObject(CT, f"1.2.3.{n}", EXPLICIT, data) for n in range(20)}
    async with dimse_server(MemoryArchive(objects=objects)) as (listener, _):
        statuses, taken = await asyncio.to_thread(work, listener.port)
        assert statuses[-1] == 0
        assert taken == list(objects)


@pytest.mark.capability("1.2.10")
async def test_it_cancels() -> None:
    def work(port: int) -> int:
        association = associate(entity((STUDY_ROOT.find, None)), port)
        last = 0
        query = study_query(StudyInstanceUID="")
        for count, (status, _) in enumerate(association.send_c_find(query, STUDY_ROOT.find, msg_id=9)):
            last = status.Status
            if count == 3:
                association.send_c_cancel(9, query_model=STUDY_ROOT.find)
                assert archive.gate is not None
                loop.call_soon_threadsafe(archive.gate.set)
        association.release()
        return last

    async def trickle() -> AsyncIterator[Any]:
        for number in range(100_000):
            if number == 5:
                assert archive.gate is not None
                await archive.gate.wait()
            await asyncio.sleep(0.03 if number < 10 else 0)
            yield {"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}}

    loop = asyncio.get_running_loop()
    archive = MemoryArchive(gate=asyncio.Event())
    archive._find = lambda question: trickle()  # type: ignore[method-assign]
    async with dimse_server(archive) as (listener, _):
        assert await asyncio.to_thread(work, listener.port) == 0xFE00


# We ask pynetdicom


@contextmanager
def acceptor(handlers: list[tuple[Any, Callable[..., Any]]], contexts: dict[str, Any], **more: Any) -> Iterator[Peer]:
    ae = AE(ae_title="SCP")
    for name, value in more.items():
        setattr(ae, name, value)
    for abstract, syntaxes in contexts.items():
        ae.add_supported_context(abstract, syntaxes, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield Peer("127.0.0.1", server.server_address[1], "SCP")
    finally:
        server.shutdown()


async def test_we_echo() -> None:
    with acceptor([(evt.EVT_C_ECHO, lambda event: 0)], {VERIFICATION: None}) as peer:
        async with await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US") as association:
            assert await association.echo() == 0
            assert await association.echo() == 0
            with pytest.raises(ContextMissing):
                await association.store(CT, "1.2.3", IMPLICIT, b"")


async def test_we_store_from_bytes_and_from_chunks() -> None:
    data = raw(pydicom.dcmread(str(get_testdata_file("CT_small.dcm"))))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    got: list[bytes] = []

    def keep(event: Any) -> int:
        got.append(event.request.DataSet.getvalue())
        return 0 if len(got) < 3 else 0xA700

    with acceptor([(evt.EVT_C_STORE, keep)], {CT: [EXPLICIT]}, maximum_pdu_size=4096) as peer:
        async with await Association.open(peer, [Proposal(CT)], calling_ae="US") as association:
            assert (await association.store(CT, "1.2.3.1", EXPLICIT, data)).status == 0
            assert (await association.store(CT, "1.2.3.2", EXPLICIT, chunks())).status == 0
            assert (await association.store(CT, "1.2.3.3", EXPLICIT, chunks())).status == 0xA700
    assert got == [data] * 3


async def test_we_find_and_stop_early() -> None:
    def answers(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(1000):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, study_query(StudyInstanceUID=f"1.2.{number}")

    with acceptor([(evt.EVT_C_FIND, answers)], {STUDY_ROOT.find: [EXPLICIT]}) as peer:
        async with await Association.open(peer, [Proposal(STUDY_ROOT.find)], calling_ae="US") as association:
            query = raw(study_query(StudyInstanceUID=""))
            found = [a async for a in association.find(STUDY_ROOT.find, query)]
            assert [a.response.status for a in found] == [0xFF00] * 1000 + [0]
            assert all(isinstance(a.response, CFindRsp) for a in found)
            assert pydicom.dcmread(BytesIO(found[7][1] if isinstance(found[7], tuple) else found[7].data), force=True)
            finding = association.find(STUDY_ROOT.find, query)
            async for _ in finding:
                break
            await finding.aclose()
            assert len([a async for a in association.find(STUDY_ROOT.find, query)]) == 1001


async def test_we_move_and_get() -> None:
    def moved(event: Any) -> Iterator[Any]:
        yield None, None

    def got(event: Any) -> Iterator[Any]:
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        yield 2
        yield 0xFF00, dataset
        yield 0xFF00, dataset

    kept: list[Received] = []

    async def keep(received: Received) -> int:
        kept.append(received)
        return 0

    handlers = [(evt.EVT_C_MOVE, moved), (evt.EVT_C_GET, got)]
    contexts = {STUDY_ROOT.move: None, STUDY_ROOT.get: None, CT: [ExplicitVRLittleEndian, ImplicitVRLittleEndian]}
    query = study_query(StudyInstanceUID="1.2.3")
    with acceptor(handlers, contexts) as peer:
        proposals = [Proposal(STUDY_ROOT.move), Proposal(STUDY_ROOT.get), *for_retrieval([CT])]
        async with await Association.open(peer, proposals, calling_ae="US", receiver=keep) as association:
            syntax = association.line.context_for(STUDY_ROOT.move).transfer_syntax
            (final,) = [a async for a in association.move(STUDY_ROOT.move, raw(query, syntax), "NOWHERE")]
            assert isinstance(final.response, CMoveRsp)
            assert final.response.status == 0xA801
            counts = [a.response async for a in association.get(STUDY_ROOT.get, raw(query, syntax))]
            assert counts[-1].status == 0
    assert [(k.sop_class, len(k.data) > 30_000) for k in kept] == [(CT, True)] * 2


async def test_a_peer_that_is_not_there() -> None:
    with pytest.raises(PeerUnreachable, match="cannot be reached"):
        await Association.open(Peer("127.0.0.1", 1, "X"), [Proposal(VERIFICATION)], calling_ae="US")


async def test_a_peer_that_does_not_know_us() -> None:
    with (
        acceptor([], {VERIFICATION: None}, require_calling_aet=["OTHER"]) as peer,
        pytest.raises(AssociationRejected, match="does not know our AE title"),
    ):
        await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US")


async def test_a_peer_that_accepts_nothing_of_it() -> None:
    with acceptor([], {MR: None}) as peer:
        association = await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US")
        with pytest.raises(ContextMissing):
            await association.echo()
        await association.release()


@pytest.mark.capability("1.0.8")
async def test_a_peer_that_does_not_answer() -> None:
    free = threading.Event()
    limits = ChannelLimits(response_timeout_s=0.3, artim_timeout_s=0.3)
    with acceptor([(evt.EVT_C_ECHO, lambda event: int(not free.wait(5)))], {VERIFICATION: None}) as peer:
        association = await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US", limits=limits)
        with pytest.raises(PeerTimeout):
            await association.echo()
        free.set()


@pytest.mark.capability("1.0.8")
async def test_a_peer_that_takes_the_connection_and_says_nothing() -> None:
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: taken.append(writer), "127.0.0.1", 0)
    limits = ChannelLimits(response_timeout_s=0.3, artim_timeout_s=0.3)
    async with server:
        peer = Peer("127.0.0.1", server.sockets[0].getsockname()[1], "X")
        with pytest.raises(PeerTimeout):
            await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US", limits=limits)
        for writer in taken:
            writer.close()
            await writer.wait_closed()


async def test_a_peer_that_aborts() -> None:
    def abort(event: Any) -> int:
        event.assoc.abort()
        return 0

    with acceptor([(evt.EVT_C_ECHO, abort)], {VERIFICATION: None}) as peer:
        association = await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="US")
        with pytest.raises(AssociationLost):
            await association.echo()
        with pytest.raises(AssociationLost):
            await association.echo()


@pytest.mark.capability("1.1.17", "1.3.2")
async def test_we_send_what_it_takes_and_transcode_the_rest() -> None:
    got: list[tuple[str, str]] = []
    asked_by: set[tuple[str, int]] = set()

    def keep(event: Any) -> int:
        request = event.request
        got.append((request.AffectedSOPInstanceUID, event.context.transfer_syntax))
        asked_by.add((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return 0 if event.request.AffectedSOPInstanceUID != "1.2.4" else 0xC001

    objects = [
        MemoryObject(CT, "1.2.3", JPEG, b"jpeg"),
        MemoryObject(CT, "1.2.4", EXPLICIT, b"explicit"),
        MemoryObject(MR, "1.2.5", JPEG, b"jpeg"),
        MemoryObject("1.2.840.10008.5.1.4.1.1.7", "1.2.6", EXPLICIT, b"not taken"),
    ]
    archive = MemoryArchive(transcodes=lambda item, syntax: b"made " + syntax.encode())
    limits = ChannelLimits()
    sender = Sender(archive, calling_ae="US", limits=limits, reactor=Reactor.for_timeouts(limits.timeouts_s()))
    with acceptor([(evt.EVT_C_STORE, keep)], {CT: [JPEG, EXPLICIT], MR: [IMPLICIT]}) as peer:
        sending = sender.send(device("SCP", peer.port), objects, originator=Originator("WORKSTATION", 77))
        results = [sent async for sent in sending]
    assert [(s.sop_uid, s.status) for s in results] == [("1.2.3", 0), ("1.2.4", 0xC001), ("1.2.5", 0), ("1.2.6", None)]
    assert got == [("1.2.3", JPEG), ("1.2.4", EXPLICIT), ("1.2.5", IMPLICIT)]
    assert asked_by == {("WORKSTATION", 77)}  # PS3.7 9.1.1.1: (0000,1030) and (0000,1031)
    assert results[3].comment == "the peer takes no objects of this SOP class"
