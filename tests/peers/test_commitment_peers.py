"""Storage commitment with pynetdicom and Orthanc, each on both sides; and across kill -9 of a real server."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bench import dimse
from bench.corpus import Object, Study, fresh_run, objects
from bench.servers import Filmroom, Server, free_port
from bench.waiting import until
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]
from tests.fixtures.orthanc import OrthancPeer
from tests.fixtures.outgoing import Site, open_site
from tests.fixtures.storing import storing

from filmroom.db.pool import Database
from filmroom.net.dimse.models import COMMITMENT_INSTANCE
from filmroom.security.principals import SYSTEM

PUSH = StorageCommitmentPushModel


def asking(uid: str, items: list[Object], *more: tuple[str, str]) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = uid
    dataset.ReferencedSOPSequence = []
    for sop_class, sop_uid in [*((each.sop_class, each.sop_uid) for each in items), *more]:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_uid
        dataset.ReferencedSOPSequence.append(item)
    return dataset


def store(server: Server, items: list[Object]) -> None:
    with dimse.Association.open(server.dicom, server.ae, sorted({item.sop_class for item in items})) as association:
        for item in items:
            assert association.store(item) == dimse.SUCCESS


@dataclass
class Modality:
    """pynetdicom as SCU: asks on its own association and hears there or at its own port."""

    ae: str
    port: int
    heard: list[tuple[int, Dataset]] = field(default_factory=list)
    come: threading.Event = field(default_factory=threading.Event)

    def on_report(self, event: evt.Event) -> tuple[int, None]:
        self.heard.append((event.event_type, event.event_information))
        self.come.set()
        return 0, None

    def ask(self, server: Server, dataset: Dataset, *, stay: bool) -> int:
        entity = AE(ae_title=self.ae)
        entity.add_requested_context(PUSH)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self.on_report)]
        association = entity.associate("127.0.0.1", server.dicom_port, ae_title=server.ae, evt_handlers=handlers)
        assert association.is_established
        status, _ = association.send_n_action(dataset, 1, PUSH, COMMITMENT_INSTANCE)
        if stay:
            assert self.come.wait(20)
        association.release()
        return int(status.Status)


@contextmanager
def modality(ae: str = "MODALITY") -> Iterator[Modality]:
    made = Modality(ae, free_port())
    entity = AE(ae_title=ae)
    entity.add_supported_context(PUSH, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, made.on_report)]
    server = entity.start_server(("127.0.0.1", made.port), block=False, evt_handlers=handlers)
    try:
        yield made
    finally:
        server.shutdown()


@pytest.mark.parametrize("stay", [True, False])
@pytest.mark.capability("1.6.1", "1.6.2")
def test_pynetdicom_asks_and_hears_on_its_association_or_on_ours(filmroom: Filmroom, stay: bool) -> None:
    made = list(objects("ct", Study(fresh_run(), 1), 5))
    store(filmroom, made)
    uid = generate_uid()
    with modality(f"MODALITY{stay:d}") as scu:
        filmroom.add_destination(scu.ae, scu.port)
        assert scu.ask(filmroom, asking(uid, made), stay=stay) == 0
        assert scu.come.wait(20)
    ((kind, result),) = scu.heard
    assert (kind, result.TransactionUID, len(result.ReferencedSOPSequence)) == (1, uid, 5)
    assert "FailedSOPSequence" not in result


@pytest.mark.capability("1.6.1", "1.6.3")
def test_a_thousand_references_are_judged_while_the_association_stands(filmroom: Filmroom) -> None:
    """From the request to the report, each object's digest taken from its bytes."""
    made = list(objects("tiny", Study(fresh_run(), 1), 1000))
    store(filmroom, made)
    with modality("MODALITY9") as scu:
        filmroom.add_destination(scu.ae, scu.port)
        dataset = asking(generate_uid(), made)
        assert scu.ask(filmroom, dataset, stay=True) == 0
    assert len(scu.heard[0][1].ReferencedSOPSequence) == 1000


@pytest.mark.timeout(180)
@pytest.mark.capability("1.6.2")
def test_a_report_that_is_owed_survives_kill_9(tmp_path: Path) -> None:
    server = Filmroom(tmp_path / "archive")
    server.start()
    try:
        made = list(objects("tiny", Study(fresh_run(), 1), 2))
        store(server, made)
        scu = Modality("MODALITY", free_port())
        server.add_destination(scu.ae, scu.port)
        uid = generate_uid()
        assert scu.ask(server, asking(uid, made), stay=False) == 0
        server.kill()
        with modality() as there:
            server.start()
            server.add_destination(there.ae, there.port)
            assert there.come.wait(90)
        assert there.heard[0][1].TransactionUID == uid
    finally:
        server.stop()


@pytest.mark.timeout(180)
@pytest.mark.capability("4.2.1")
def test_a_delivery_survives_kill_9(tmp_path: Path) -> None:
    """Every object arrives, and none twice without being said."""
    server = Filmroom(tmp_path / "archive")
    server.start()
    try:
        made = list(objects("ct", Study(fresh_run(), 1), 60))
        store(server, made)
        with storing() as peer:
            server.add_destination("STORER", peer.port)
            server.cli("queue", "tune", "STORER", "--kb-per-s", "8000")
            assert "60 objects" in server.cli("push", "STORER", made[0].study_uid)
            until(lambda: len(peer.taken) > 10, what="some objects sent")
            server.kill()
            server.start()
            server.cli("queue", "tune", "STORER")
            until(lambda: "60/60" in server.cli("queue", "list"), what="the delivery ended", timeout_s=60, every_s=0.5)
            shown = server.cli("queue", "show", "1")
        twice = [uid for uid in set(peer.taken) if peer.taken.count(uid) > 1]
        assert set(peer.taken) == {each.sop_uid for each in made}
        flat = "".join(shown.split())
        said = flat.count("perhapstwice")
        assert len(twice) <= said <= 16
    finally:
        server.stop()


# We ask others


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(database, tmp_path / "store") as opened:
        yield opened


@contextmanager
def committing(
    same: bool, our_port: int, judge: Callable[[list[Any]], set[str]] = lambda items: set()
) -> Iterator[tuple[int, list[str]]]:
    """pynetdicom as SCP of storage and commitment; ``judge`` names the UIDs that it does not commit to."""
    stored: list[str] = []
    entity = AE(ae_title="ARCHIVE")

    def on_store(event: evt.Event) -> int:
        stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    def report(association: Any, asked: Dataset) -> None:
        bad = judge(list(asked.ReferencedSOPSequence))
        told = Dataset()
        told.TransactionUID = asked.TransactionUID
        told.ReferencedSOPSequence = [i for i in asked.ReferencedSOPSequence if i.ReferencedSOPInstanceUID not in bad]
        failed = [i for i in asked.ReferencedSOPSequence if i.ReferencedSOPInstanceUID in bad]
        for item in failed:
            item.FailureReason = 0x0110
        if failed:
            told.FailedSOPSequence = failed
        association.send_n_event_report(told, 2 if failed else 1, PUSH, COMMITMENT_INSTANCE)

    def elsewhere(asked: Dataset) -> None:
        from pynetdicom import build_role

        entity.requested_contexts = []
        entity.add_requested_context(PUSH)
        association = entity.associate(
            "127.0.0.1", our_port, ae_title="FILMROOM", ext_neg=[build_role(PUSH, scp_role=True)]
        )
        report(association, asked)
        association.release()

    def on_action(event: evt.Event) -> tuple[int, None]:
        asked = event.action_information
        work = (lambda: report(event.assoc, asked)) if same else (lambda: elsewhere(asked))
        threading.Timer(0.2, work).start()
        return 0, None

    entity.supported_contexts = list(StoragePresentationContexts)
    entity.add_supported_context(PUSH, scu_role=True, scp_role=True)
    port = free_port()
    handlers: list[Any] = [(evt.EVT_C_STORE, on_store), (evt.EVT_N_ACTION, on_action)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield port, stored
    finally:
        server.shutdown()


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.capability("1.6.5")
async def test_commitment_is_asked_after_sending_and_heard_either_way(site: Site, same: bool) -> None:
    made = await site.file(6)
    bad = {made[2].sop_uid}
    with committing(same, site.port, lambda items: bad) as (port, stored):
        await site.know("ARCHIVE", port)
        pk = await site.sending.order(SYSTEM, "ARCHIVE", studies=[made[0].study_uid], commit=True)
        assert (await site.ended(pk)).sent == 6
        answered = await site.transaction("answered", side="scu")
    assert stored == [each.sop_uid for each in made]
    assert (answered.delivery_pk, answered.peer, answered.committed, answered.failed) == (pk, "ARCHIVE", 5, 1)
    result = await site.asked.result(answered.pk)
    assert [(each.reference.sop_uid, each.reason) for each in result.failed] == [(made[2].sop_uid, 0x0110)]


@pytest.mark.capability("1.6.5")
async def test_a_device_without_storage_commitment_is_said_to_have_none(site: Site) -> None:
    made = await site.file(2)
    with storing() as peer:
        await site.know("STORER", peer.port)
        pk = await site.sending.order(SYSTEM, "STORER", studies=[made[0].study_uid], commit=True)
        await site.ended(pk)
        refused = await site.transaction("refused", side="scu")
    assert refused.trouble == "the device does not offer storage commitment"


# Orthanc


@pytest.mark.capability("1.6.1", "1.6.2")
def test_orthanc_asks_us(filmroom: Filmroom, orthanc: OrthancPeer) -> None:
    made = list(objects("ct", Study(fresh_run(), 1), 3))
    store(filmroom, made)
    pairs = [[each.sop_class, each.sop_uid] for each in made] + [[made[0].sop_class, "1.2.3.4.5"]]
    asked = orthanc.call("POST", "/modalities/archive/storage-commitment", {"DicomInstances": pairs})

    def told() -> Any:
        answer = orthanc.call("GET", f"/storage-commitment/{asked['ID']}")
        return answer if answer["Status"] != "Pending" else None

    # One of them has not arrived: we wait for it before we say so.
    answer = until(told, what="the report at Orthanc", timeout_s=60)
    assert answer["Status"] == "Failure"
    assert {each["SOPInstanceUID"] for each in answer["Success"]} == {each.sop_uid for each in made}
    assert [each["SOPInstanceUID"] for each in answer["Failures"]] == ["1.2.3.4.5"]


@pytest.mark.capability("1.6.5")
def test_we_ask_orthanc_after_sending(filmroom: Filmroom, orthanc: OrthancPeer) -> None:
    made = list(objects("ct", Study(fresh_run(), 1), 3))
    store(filmroom, made)
    said = filmroom.cli("push", orthanc.ae, made[0].study_uid, "--commit", "--priority", "high")
    number = said.split(":")[0].split()[-1]
    shown = until(
        lambda: (text := filmroom.cli("queue", "show", number)) and "commitment answered" in text and text,
        what="Orthanc's report here",
        timeout_s=60,
        every_s=0.5,
    )
    assert "commitment answered: 3 of 3, 0 not" in shown
    assert orthanc.has_study(made[0].study_uid) == 3
