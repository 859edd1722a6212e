"""When a study is complete, and what other nodes hear: notices sent to a real pynetdicom peer."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynetdicom import AE, evt
from tests.fixtures.clinic import Clinic, open_clinic

from filmroom.archive.devices import DevicePolicy, Devices
from filmroom.archive.lanes import Lanes
from filmroom.archive.quiet import QuietWatch
from filmroom.base.clock import FixedClock, SystemClock
from filmroom.base.facts import Fact, StepPerformed, StudyComplete, StudyQuiet
from filmroom.base.ids import AeTitle, SopUid, StudyUid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.models import AVAILABILITY, MPPS, MPPS_NOTIFICATION, UPS_EVENT
from filmroom.net.dimse.notices import NoticeCaller
from filmroom.net.dimse.reactor import Reactor
from filmroom.security.principals import SYSTEM
from filmroom.settings import WorkflowSettings
from filmroom.workflow.availability import Availability, CompletenessReader, Noted
from filmroom.workflow.housekeeping import Housekeeping
from filmroom.workflow.notices import Notices
from filmroom.workflow.ups_model import GLOBAL


def new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


NOW = datetime(2026, 7, 6, 9, 30, tzinfo=UTC)


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(database) as opened:
        yield opened


async def store(database: Database, study: str, uids: list[str], source: str = "CT1", version: int = 1) -> None:
    """A study as filing leaves it."""
    async with database.transaction() as tx:
        pk = await tx.fetchval(
            "INSERT INTO study (study_uid, patient_pk, acquired_patient_pk, n_instances, version, received_first, "
            "received_last) VALUES ($1, 1, 1, $2, $3, $4, $4) ON CONFLICT (study_uid) DO UPDATE SET "
            "n_instances = study.n_instances + $2, version = study.version + 1, received_last = $4 RETURNING pk",
            study,
            len(uids),
            version,
            NOW,
        )
        series = await tx.fetchval(
            "INSERT INTO series (series_uid, study_pk, received_last) VALUES ($1, $2, $3) RETURNING pk",
            new_uid(),
            pk,
            NOW,
        )
        for uid in uids:
            await tx.execute(
                "INSERT INTO instance (sop_uid, series_pk, study_pk, sop_class, transfer_syntax, dataset_offset, "
                "header_bytes, size_bytes, digest, source, received_at) "
                "VALUES ($1, $2, $3, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 0, 0, 0, '', $4, $5)",
                uid,
                series,
                pk,
                source,
                NOW,
            )
        await tx.execute("INSERT INTO study_settling VALUES ($1) ON CONFLICT DO NOTHING", pk)


async def happened(database: Database, *facts: Fact) -> None:
    async with database.transaction() as tx:
        await feed.append(tx, list(facts), NOW)


async def completed(database: Database) -> list[tuple[int, str]]:
    facts = [each.fact for each in await feed.read(database, 0)]
    return [(fact.version, fact.reason) for fact in facts if isinstance(fact, StudyComplete)]


def reader(database: Database) -> CompletenessReader:
    return CompletenessReader(database, FeedWatch(database), SystemClock())


async def performed(clinic: Clinic, study: str, uids: list[str], status: str = "COMPLETED") -> str:
    """A performed step that speaks of objects."""
    item = {"0020000D": {"vr": "UI", "Value": [study]}}
    made: dict[str, Any] = {
        "00400270": {"vr": "SQ", "Value": [item]},
        "00400253": {"vr": "SH", "Value": ["PPS1"]},
        "00400241": {"vr": "AE", "Value": ["CT1"]},
        "00400244": {"vr": "DA", "Value": ["20260706"]},
        "00400245": {"vr": "TM", "Value": ["0930"]},
        "00400252": {"vr": "CS", "Value": ["IN PROGRESS"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
    }
    uid = new_uid()
    done = await clinic.performed.create(SYSTEM, uid, made, source="CT1")
    assert done.finding is None
    images = [
        {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}, "00081155": {"vr": "UI", "Value": [one]}}
        for one in uids
    ]
    series = {
        "00181030": {"vr": "LO", "Value": ["HEAD"]},
        "0020000E": {"vr": "UI", "Value": [new_uid()]},
        "00081140": {"vr": "SQ", "Value": images},
    }
    ended = {
        "00400252": {"vr": "CS", "Value": [status]},
        "00400250": {"vr": "DA", "Value": ["20260706"]},
        "00400251": {"vr": "TM", "Value": ["0945"]},
        "00400340": {"vr": "SQ", "Value": [series]},
    }
    done = await clinic.performed.set(SYSTEM, uid, ended)
    assert done.finding is None
    return uid


@pytest.mark.capability("1.1.15")
async def test_a_quiet_study_is_complete_once_a_version_and_after_a_restart(database: Database) -> None:
    study = new_uid()
    await store(database, study, [new_uid()])
    await happened(database, StudyQuiet(study_uid=StudyUid(study), version=1))
    await reader(database).catch_up()
    await happened(database, StudyQuiet(study_uid=StudyUid(study), version=1))
    await reader(database).catch_up()
    assert await completed(database) == [(1, "quiet")]
    await store(database, study, [new_uid()])
    await happened(database, StudyQuiet(study_uid=StudyUid(study), version=2))
    await reader(database).catch_up()
    assert await completed(database) == [(1, "quiet"), (2, "quiet")]


@pytest.mark.capability("1.1.15")
async def test_a_study_is_complete_when_all_that_was_performed_is_here(clinic: Clinic) -> None:
    database, study, uids = clinic.database, new_uid(), [new_uid() for _ in range(3)]
    await store(database, study, uids[:2])
    await performed(clinic, study, uids)
    await reader(database).catch_up()
    assert await completed(database) == []
    await store(database, study, uids[2:])
    told = StepPerformed(sop_uid=SopUid("1.2"), status="COMPLETED", study_uids=(StudyUid(study),), step_ids=())
    await happened(database, told, told)
    await reader(database).catch_up()
    assert await completed(database) == [(2, "performed")]


@pytest.mark.capability("1.1.15")
async def test_a_study_is_complete_when_it_has_as_many_objects_as_are_expected(database: Database) -> None:
    study = new_uid()
    await store(database, study, [new_uid() for _ in range(2)])
    availability = Availability(database)
    await availability.expect(SYSTEM, study, 3)
    assert await completed(database) == []
    await availability.expect(SYSTEM, study, 2)
    assert await completed(database) == [(1, "expected")]


@pytest.mark.capability("1.1.15")
async def test_a_device_may_have_a_quiet_time_of_its_own(database: Database) -> None:
    slow, fast = new_uid(), new_uid()
    await store(database, slow, [new_uid()], "CT1")
    await store(database, fast, [new_uid()], "US1")
    await Devices(database).put(AeTitle("US1"), "127.0.0.1", 104, policy=DevicePolicy.from_row({"quiet_s": 10}))
    watch = QuietWatch(database, FixedClock(NOW + timedelta(seconds=30)), 60)
    assert await watch.sweep() == 1
    assert [each.fact.study_uid for each in await feed.read(database, 0)] == [fast]  # type: ignore[attr-defined]


@pytest.mark.capability("1.7.8")
async def test_r_3_a_notification_is_recorded_once(database: Database) -> None:
    availability, uid = Availability(database), new_uid()
    given = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00081115": {"vr": "SQ", "Value": [{}]}}
    assert (await availability.note(SYSTEM, uid, given, source="PACS2"))[0] is Noted.TAKEN
    assert (await availability.note(SYSTEM, uid, given))[0] is Noted.DUPLICATE
    assert (await availability.note(SYSTEM, new_uid(), {}))[0] is Noted.INCOMPLETE
    assert (await availability.note(SYSTEM, "x", given))[0] is Noted.BAD_INSTANCE


@dataclass
class Heard:
    """What a peer was told: message, instance, event type and data set."""

    port: int = 0
    messages: list[tuple[str, str, int, Any]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Heard]:
    """pynetdicom, which takes every notice."""
    heard = Heard()

    def created(event: Any) -> tuple[int, Any]:
        heard.messages.append(("create", event.request.AffectedSOPInstanceUID, 0, event.attribute_list))
        return 0x0000, event.attribute_list

    def was_set(event: Any) -> tuple[int, Any]:
        heard.messages.append(("set", event.request.RequestedSOPInstanceUID, 0, event.modification_list))
        return 0x0000, event.modification_list

    def reported(event: Any) -> tuple[int, None]:
        request = event.request
        told = event.event_information if request.EventInformation else None
        heard.messages.append(("event", request.AffectedSOPInstanceUID, request.EventTypeID, told))
        return 0x0000, None

    entity = AE(ae_title="RIS")
    for sop_class in (AVAILABILITY, MPPS):
        entity.add_supported_context(sop_class)
    for sop_class in (UPS_EVENT, MPPS_NOTIFICATION):
        entity.add_supported_context(sop_class, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_N_CREATE, created), (evt.EVT_N_SET, was_set), (evt.EVT_N_EVENT_REPORT, reported)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    heard.port = server.socket.getsockname()[1]
    try:
        yield heard
    finally:
        server.shutdown()


async def delivered(database: Database, heard: Heard, count: int) -> None:
    """Let the lanes work until the peer has heard so much."""
    limits, clock = ChannelLimits(), SystemClock()
    peer = NoticeCaller(calling_ae="FILMROOM", limits=limits, reactor=Reactor.for_timeouts(limits.timeouts_s()))
    notices = Notices(database, Devices(database), peer, clock, ae_title="FILMROOM", new_uid=new_uid)
    lanes = Lanes(database, clock, notices.handlers(), name="test", look_every_s=0.05)
    await lanes.start()
    try:
        async with asyncio.timeout(20):
            while len(heard.messages) < count or await waiting(database):
                await asyncio.sleep(0.05)
    finally:
        await lanes.stop()


async def waiting(database: Database) -> int:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT state, last_error FROM job WHERE queue = 'send:RIS'")
    assert not [row for row in rows if row["state"] == "dead"], rows
    return sum(row["state"] != "done" for row in rows)


@pytest.mark.capability("1.7.8")
async def test_a_complete_study_is_notified(clinic: Clinic) -> None:
    study, uids = new_uid(), [new_uid(), new_uid()]
    with listening() as heard:
        policy = DevicePolicy.from_row({"notify_ian": True})
        await Devices(clinic.database).put(AeTitle("RIS"), "127.0.0.1", heard.port, policy=policy)
        await store(clinic.database, study, uids)
        await happened(clinic.database, StudyQuiet(study_uid=StudyUid(study), version=1))
        await reader(clinic.database).catch_up()
        await delivered(clinic.database, heard, 1)
    (kind, _, _, told) = heard.messages[0]
    assert (kind, told.StudyInstanceUID) == ("create", study)
    assert not told.ReferencedPerformedProcedureStepSequence
    objects = told.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [one.ReferencedSOPInstanceUID for one in objects] == uids
    assert {(one.InstanceAvailability, one.RetrieveAETitle) for one in objects} == {("ONLINE", "FILMROOM")}


@pytest.mark.capability("1.7.6")
async def test_performed_steps_are_passed_on_and_told_of(clinic: Clinic) -> None:
    devices = Devices(clinic.database)
    with listening() as heard:
        await devices.put(AeTitle("CT1"), "127.0.0.1", 104, policy=DevicePolicy.from_row({"forward_mpps": ["RIS"]}))
        policy = DevicePolicy.from_row({"notify_mpps": True})
        await devices.put(AeTitle("RIS"), "127.0.0.1", heard.port, policy=policy)
        uid = await performed(clinic, new_uid(), [new_uid()])
        await delivered(clinic.database, heard, 4)
    forwarded = [(kind, sop, told.PerformedProcedureStepStatus) for kind, sop, _, told in heard.messages if told]
    assert forwarded == [("create", uid, "IN PROGRESS"), ("set", uid, "COMPLETED")]
    assert sorted(event for kind, _, event, _ in heard.messages if kind == "event") == [1, 2]


@pytest.mark.capability("1.7.9")
async def test_cc_2_4_events_reach_their_subscriber(clinic: Clinic) -> None:
    from filmroom.workflow.ups import Workitems
    from filmroom.workflow.ups_events import Subscriptions

    with listening() as heard:
        await Devices(clinic.database).put(AeTitle("RIS"), "127.0.0.1", heard.port)
        done = await Subscriptions(clinic.database).subscribe(SYSTEM, GLOBAL, "RIS", must_be_device=True)
        assert done.finding is None
        given = {
            "00741200": {"vr": "CS", "Value": ["HIGH"]},
            "00741204": {"vr": "LO", "Value": ["Read"]},
            "00404005": {"vr": "DT", "Value": ["20260706093000"]},
            "00404041": {"vr": "CS", "Value": ["READY"]},
            "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
        }
        made = await Workitems(clinic.database).create(SYSTEM, "", given)
        await Workitems(clinic.database).request_cancel(SYSTEM, made.sop_uid, {})
        await delivered(clinic.database, heard, 4)
    assert {uid for _, uid, _, _ in heard.messages} == {made.sop_uid}
    assert [event for *_, event, _ in heard.messages] == [1, 2, 1, 1]
    states = [told.ProcedureStepState for *_, event, told in heard.messages if event == 1]
    assert states == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


async def test_old_work_is_put_away_and_what_is_overdue_marked(database: Database) -> None:
    async with database.transaction() as tx:
        for state, side, asked in (("asked", "scu", NOW), ("answered", "scu", NOW - timedelta(days=90))):
            await tx.execute(
                "INSERT INTO commitment (side, peer, our_ae, transaction_uid, state, asked_at, finished_at) "
                "VALUES ($1, 'PACS2', 'FILMROOM', $2, $3, $4, $5)",
                side,
                new_uid(),
                state,
                asked,
                asked if state == "answered" else None,
            )
    done = await Housekeeping(database, WorkflowSettings(), FixedClock(NOW + timedelta(days=2))).round()
    assert (done["overdue"], done["commitments"]) == (1, 1)
