"""PS3.4 annex CC, a test a sentence: pynetdicom pushes, pulls, watches and queries work items over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, Association
from tests.fixtures.admitted import eventually
from tests.fixtures.clinic import Clinic, open_clinic

from filmroom.archive.devices import Devices
from filmroom.base.clock import SystemClock
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.net.dimse.models import UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH
from filmroom.net.dimse.scp.ups import UPS_STATUS
from filmroom.security.principals import SYSTEM
from filmroom.workflow.ups_events import Subscriptions
from filmroom.workflow.ups_model import FILTERED_GLOBAL, GLOBAL, NEXT, Ask, Fault, State
from filmroom.workflow.ups_provider import ProviderStatus

pytestmark = pytest.mark.capability("1.7.9")


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(database) as opened:
        await Devices(database).put(AeTitle("WATCHER"), "127.0.0.1", 11113)
        yield opened


def work(**more: object) -> Dataset:
    """A creation of table CC.2.5-3."""
    made = Dataset()
    made.ScheduledProcedureStepPriority = "MEDIUM"
    made.ProcedureStepLabel = "Find nodules"
    made.WorklistLabel = "AI"
    made.ScheduledProcedureStepStartDateTime = "20260706093000"
    made.InputReadinessState = "READY"
    made.ProcedureStepState = "SCHEDULED"
    made.PatientName, made.PatientID = "DOE^JANE", "P1"
    made.ProcedureStepProgressInformationSequence, made.UnifiedProcedureStepPerformedProcedureSequence = [], []
    for keyword, value in more.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str = "meaning") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99LOCAL", meaning
    return item


def performed(key: str) -> Dataset:
    """What COMPLETED needs."""
    item = Dataset()
    item.PerformedStationNameCodeSequence = [code("AI1")]
    item.PerformedProcedureStepStartDateTime, item.PerformedProcedureStepEndDateTime = (
        "20260706093100",
        "20260706093200",
    )
    item.PerformedWorkitemCodeSequence = [code("CAD")]
    item.OutputInformationSequence = []
    changed = Dataset()
    changed.TransactionUID = key
    changed.UnifiedProcedureStepPerformedProcedureSequence = [item]
    return changed


def action(state: str = "", key: str = "", **more: object) -> Dataset:
    told = Dataset()
    if state:
        told.ProcedureStepState = state
    if key:
        told.TransactionUID = key
    for keyword, value in more.items():
        setattr(told, keyword, value)
    return told


async def talk(clinic: Clinic, work: Callable[[Association], Any]) -> Any:
    def run() -> Any:
        entity = AE(ae_title="PERFORMER")
        for sop_class in (UPS_PUSH, UPS_PULL, UPS_WATCH, UPS_QUERY):
            entity.add_requested_context(sop_class)
        association = entity.associate("127.0.0.1", clinic.port, ae_title=clinic.ae)
        assert association.is_established
        try:
            return work(association)
        finally:
            association.release()

    return await asyncio.to_thread(run)


async def push(clinic: Clinic, made: Dataset | None = None, uid: str = "") -> tuple[int, str]:
    uid = uid or generate_uid()
    status, _ = await talk(clinic, lambda a: a.send_n_create(made or work(), UPS_PUSH, uid))
    return int(status.Status), uid


async def act(clinic: Clinic, uid: str, kind: int, told: Dataset, model: str = UPS_PULL) -> int:
    status, _ = await talk(
        clinic, lambda a: a.send_n_action(told if len(told) else None, kind, UPS_PUSH, uid, meta_uid=model)
    )
    return int(status.Status)


async def change(clinic: Clinic, uid: str, changed: Dataset) -> int:
    status, _ = await talk(clinic, lambda a: a.send_n_set(changed, UPS_PUSH, uid, meta_uid=UPS_PULL))
    return int(status.Status)


async def fetch(clinic: Clinic, uid: str, *tags: int) -> tuple[int, Dataset]:
    status, held = await talk(clinic, lambda a: a.send_n_get(list(tags), UPS_PUSH, uid, meta_uid=UPS_PULL))
    return int(status.Status), held


async def find(clinic: Clinic, asked: Dataset, model: str = UPS_QUERY) -> tuple[list[Dataset], int]:
    answers = await talk(clinic, lambda a: list(a.send_c_find(asked, model)))
    return [held for _, held in answers if held is not None], int(answers[-1][0].Status)


async def claimed(clinic: Clinic) -> tuple[str, str]:
    """An item in progress, and its key."""
    _, uid = await push(clinic)
    key = generate_uid()
    assert await act(clinic, uid, 1, action("IN PROGRESS", key)) == 0
    return uid, key


async def state(clinic: Clinic, uid: str) -> str:
    return str((await fetch(clinic, uid, 0x00741000))[1].ProcedureStepState)


def test_every_fault_has_a_status_and_every_ask_a_row() -> None:
    assert set(UPS_STATUS) == set(Fault)
    assert {(state, ask) for state in (None, *State) for ask in Ask} == set(NEXT)


async def test_cc_2_5_3_an_instance_is_created_scheduled(clinic: Clinic) -> None:
    status, uid = await push(clinic)
    assert status == 0
    status, held = await fetch(clinic, uid)
    assert (status, held.ProcedureStepState, held.SOPClassUID) == (0, "SCHEDULED", UPS_PUSH)
    assert held.ScheduledProcedureStepModificationDateTime


async def test_cc_2_5_4_another_state_at_creation_is_c309(clinic: Clinic) -> None:
    assert (await push(clinic, work(ProcedureStepState="IN PROGRESS")))[0] == 0xC309


async def test_cc_1_1_2_a_second_creation_is_0111(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    assert (await push(clinic, uid=uid))[0] == 0x0111


async def test_cc_2_5_3_a_missing_type_1_attribute_is_0120_and_an_empty_one_0121(clinic: Clinic) -> None:
    made = work()
    del made.ProcedureStepLabel
    assert (await push(clinic, made))[0] == 0x0120
    assert (await push(clinic, work(ProcedureStepLabel="")))[0] == 0x0121
    assert (await push(clinic, work(InputReadinessState="PERHAPS")))[0] == 0x0106


async def test_cc_2_5_3_the_provider_fills_in_a_worklist_label(clinic: Clinic) -> None:
    _, uid = await push(clinic, work(WorklistLabel=""))
    assert (await fetch(clinic, uid))[1].WorklistLabel == "FILMROOM"


async def test_table_cc_2_5_3_progress_told_at_creation_is_dropped_with_b300(clinic: Clinic) -> None:
    progress = Dataset()
    progress.ProcedureStepProgress = "50"
    status, uid = await push(clinic, work(ProcedureStepProgressInformationSequence=[progress]))
    assert status == 0xB300
    assert not (await fetch(clinic, uid))[1].ProcedureStepProgressInformationSequence


async def test_table_cc_1_1_2_in_progress(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    assert await act(clinic, "1.2.3.4", 1, action("IN PROGRESS", generate_uid())) == 0xC307
    assert await act(clinic, uid, 1, action("IN PROGRESS")) == 0xC301
    assert await act(clinic, uid, 1, action("COMPLETED", generate_uid())) == 0xC310
    assert await act(clinic, uid, 1, action("CANCELED", generate_uid())) == 0xC310
    assert await act(clinic, uid, 1, action("SCHEDULED", generate_uid())) == 0xC303
    assert await act(clinic, uid, 1, action("IN PROGRESS", generate_uid())) == 0
    assert await act(clinic, uid, 1, action("IN PROGRESS", generate_uid())) == 0xC302


async def test_table_cc_1_1_2_the_lock_is_needed_to_end(clinic: Clinic) -> None:
    uid, key = await claimed(clinic)
    assert await act(clinic, uid, 1, action("COMPLETED", generate_uid())) == 0xC301
    assert await act(clinic, uid, 1, action("CANCELED")) == 0xC301
    assert await act(clinic, uid, 1, action("COMPLETED", key)) == 0xC304
    assert await change(clinic, uid, performed(key)) == 0
    assert await act(clinic, uid, 1, action("COMPLETED", key)) == 0
    assert await act(clinic, uid, 1, action("COMPLETED", key)) == 0xB306
    assert await act(clinic, uid, 1, action("CANCELED", key)) == 0xC300
    assert await act(clinic, uid, 1, action("IN PROGRESS", key)) == 0xC300
    assert await act(clinic, uid, 2, action(), UPS_PUSH) == 0xC311
    assert await change(clinic, uid, performed(key)) == 0xC300


async def test_table_cc_1_1_2_cancelled_by_its_performer(clinic: Clinic) -> None:
    uid, key = await claimed(clinic)
    assert await act(clinic, uid, 1, action("CANCELED", key)) == 0xC304  # no reason
    progress = Dataset()
    progress.ProcedureStepDiscontinuationReasonCodeSequence = [code("110514")]
    changed = Dataset()
    changed.TransactionUID, changed.ProcedureStepProgressInformationSequence = key, [progress]
    assert await change(clinic, uid, changed) == 0
    assert await act(clinic, uid, 1, action("CANCELED", key)) == 0
    held = (await fetch(clinic, uid))[1]
    assert held.ProcedureStepProgressInformationSequence[0].ProcedureStepCancellationDateTime
    assert await act(clinic, uid, 1, action("CANCELED", key)) == 0xB304
    assert await act(clinic, uid, 2, action(), UPS_WATCH) == 0xB304


async def test_cc_2_2_3_a_cancel_request_ends_a_scheduled_item_and_asks_of_one_in_progress(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    assert await act(clinic, uid, 2, action(ReasonForCancellation="wrong patient"), UPS_PUSH) == 0
    held = (await fetch(clinic, uid))[1]
    assert held.ProcedureStepState == "CANCELED"
    assert held.ProcedureStepProgressInformationSequence[0].ReasonForCancellation == "wrong patient"
    uid, _ = await claimed(clinic)
    watch = action(ReceivingAE="WATCHER", DeletionLock="FALSE")
    assert await act(clinic, uid, 3, watch, UPS_WATCH) == 0
    assert await act(clinic, uid, 2, action(), UPS_WATCH) == 0
    assert await state(clinic, uid) == "IN PROGRESS"


async def test_cc_2_2_3_a_cancel_request_of_which_no_performer_would_hear_is_c312(clinic: Clinic) -> None:
    uid, _ = await claimed(clinic)
    assert await act(clinic, uid, 2, action(), UPS_WATCH) == 0xC312
    assert await state(clinic, uid) == "IN PROGRESS"


async def test_table_cc_2_3_3_an_archive_that_sends_no_event_reports_answers_c315(database: Database) -> None:
    async with open_clinic(database, subscriptions=Subscriptions(database, event_reports=False)) as silent:
        await Devices(database).put(AeTitle("WATCHER"), "127.0.0.1", 11113)
        _, uid = await push(silent)
        watch = action(ReceivingAE="WATCHER", DeletionLock="FALSE")
        assert await act(silent, uid, 3, watch, UPS_WATCH) == 0xC315


async def test_every_status_of_the_ups_tables_is_one_of_ours() -> None:
    """PS3.4 tables CC.2.1-2, CC.2.2-2, CC.2.3-3, CC.2.5-4: C300 to C315 without C305 and C306, which are nobody's."""
    of_ups = {code for code in UPS_STATUS.values() if code >= 0xC300}
    assert of_ups == {*range(0xC300, 0xC305), *range(0xC307, 0xC30A), *range(0xC310, 0xC316)}


async def status_told(clinic: Clinic) -> list[tuple[str, str, str]]:
    """What everybody was told of the provider itself: SCP status, of the subscription list, of the item list."""
    async with clinic.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT attributes FROM workitem_event WHERE event_type = 4 AND sop_uid = $1 ORDER BY pk", GLOBAL
        )
    return [tuple(row[0][tag]["Value"][0] for tag in ("00741242", "00741244", "00741246")) for row in rows]


async def test_cc_2_4_3_subscribers_are_told_when_the_provider_restarts_and_goes_down(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    await act(clinic, uid, 3, action(ReceivingAE="WATCHER", DeletionLock="FALSE"), UPS_WATCH)
    provider = ProviderStatus(clinic.database, SystemClock(), retry_hours=1, settle_s=0.05)
    await provider.start()
    await eventually(lambda: status_told(clinic))
    again = ProviderStatus(clinic.database, SystemClock(), retry_hours=1, settle_s=0.05)
    await again.start()  # two processes that begin together are one start
    await again.stop()
    async with clinic.database.connection() as connection:
        await connection.execute("UPDATE job SET state = 'done' WHERE kind = 'ups-event'")
    await provider.stop()
    warm = ("WARM START", "WARM START")
    assert (await status_told(clinic))[0] == ("RESTARTED", *warm)
    assert {each[0] for each in (await status_told(clinic))[1:]} == {"GOING DOWN"}


async def test_cc_2_4_3_a_process_among_others_says_nothing(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    await act(clinic, uid, 3, action(ReceivingAE="WATCHER", DeletionLock="FALSE"), UPS_WATCH)
    async with clinic.database.connection() as connection:
        await connection.execute(
            "INSERT INTO live_node (node, seen_at, started_at) VALUES "
            "('other', now() + interval '1 h', now() - interval '1 h'), ('this', now() + interval '1 h', now())"
        )
    provider = ProviderStatus(clinic.database, SystemClock(), retry_hours=1, settle_s=0.01)
    await provider.start()
    assert provider._task is not None
    async with asyncio.timeout(10):
        await provider._task
    await provider.stop()
    assert await status_told(clinic) == []


async def test_cc_2_6_3_a_set_needs_the_lock_in_progress_and_none_before(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    label = Dataset()
    label.ProcedureStepLabel = "Other"
    assert await change(clinic, uid, label) == 0
    keyed = Dataset()
    keyed.ProcedureStepLabel, keyed.TransactionUID = "Other", generate_uid()
    assert await change(clinic, uid, keyed) == 0xC310
    assert await change(clinic, "1.2.3", label) == 0xC307
    uid, _ = await claimed(clinic)
    assert await change(clinic, uid, label) == 0xC301


async def test_cc_2_6_2_the_state_is_not_set(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    changed = Dataset()
    changed.ProcedureStepState = "COMPLETED"
    assert await change(clinic, uid, changed) == 0x0106
    changed = Dataset()
    changed.PatientID = "P2"
    assert await change(clinic, uid, changed) == 0x0107
    assert (await fetch(clinic, uid))[1].PatientID == "P1"


async def test_cc_2_7_3_the_transaction_uid_is_never_returned(clinic: Clinic) -> None:
    uid, _ = await claimed(clinic)
    assert "TransactionUID" not in (await fetch(clinic, uid))[1]
    status, held = await fetch(clinic, uid, 0x00081195, 0x00741000)
    assert status == 0x0001
    assert "TransactionUID" not in held
    asked = Dataset()
    asked.TransactionUID, asked.ProcedureStepState = "", ""
    assert all("TransactionUID" not in one for one in (await find(clinic, asked))[0])
    assert (await fetch(clinic, "1.2.3"))[0] == 0xC307


async def test_cc_2_8_matching_and_return_keys(clinic: Clinic) -> None:
    await push(clinic, work(PatientName="ROE^RICHARD", PatientID="P2", ScheduledStationNameCodeSequence=[code("MR")]))
    await push(clinic, work(ScheduledProcedureStepStartDateTime="20260708"))
    await push(clinic)
    asked = Dataset()
    asked.ProcedureStepState, asked.PatientName, asked.ScheduledProcedureStepStartDateTime = "SCHEDULED", "ROE*", ""
    found, status = await find(clinic, asked)
    assert (status, [str(one.PatientName) for one in found]) == (0, ["ROE^RICHARD"])
    assert {element.keyword for element in found[0]} == {
        "ProcedureStepState",
        "PatientName",
        "ScheduledProcedureStepStartDateTime",
    }
    asked = Dataset()
    asked.ScheduledProcedureStepStartDateTime = "20260707-"
    assert len((await find(clinic, asked, UPS_PULL))[0]) == 1
    asked = Dataset()
    asked.ScheduledStationNameCodeSequence = [code("MR")]
    del asked.ScheduledStationNameCodeSequence[0].CodeMeaning
    assert len((await find(clinic, asked, UPS_WATCH))[0]) == 1


async def test_cc_3_1_an_instance_is_of_the_push_class_only(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    status, _ = await talk(clinic, lambda a: a.send_n_get([], UPS_PULL, uid, meta_uid=UPS_PULL))
    assert int(status.Status) == 0x0119


async def test_tables_cc_2_an_action_of_another_class_is_0123(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    assert await act(clinic, uid, 1, action("IN PROGRESS", generate_uid()), UPS_PUSH) == 0x0123
    assert await act(clinic, uid, 3, action(ReceivingAE="WATCHER", DeletionLock="TRUE"), UPS_PULL) == 0x0123


async def told(clinic: Clinic) -> list[tuple[str, int]]:
    """What WATCHER was told: item and event type, in order; each is a job in its lane."""
    async with clinic.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT e.sop_uid, e.event_type FROM workitem_event e "
            "JOIN job j ON (j.body ->> 'event')::bigint = e.pk AND j.queue = 'send:WATCHER' ORDER BY e.pk"
        )
    return [tuple(row) for row in rows]


async def test_cc_2_3_subscribing_to_one_item(clinic: Clinic) -> None:
    _, uid = await push(clinic)
    watch = action(ReceivingAE="WATCHER", DeletionLock="FALSE")
    assert await act(clinic, uid, 3, action(ReceivingAE="NOBODY", DeletionLock="FALSE"), UPS_WATCH) == 0xC308
    assert await act(clinic, "1.2.3", 3, watch, UPS_WATCH) == 0xC307
    assert await act(clinic, uid, 5, watch, UPS_WATCH) == 0xC314
    assert await act(clinic, uid, 3, watch, UPS_WATCH) == 0
    assert await told(clinic) == [(uid, 1)]
    key = generate_uid()
    await act(clinic, uid, 1, action("IN PROGRESS", key))
    await act(clinic, uid, 2, action(), UPS_WATCH)
    await change(clinic, uid, performed(key))
    assert await told(clinic) == [(uid, 1), (uid, 1), (uid, 2)]
    assert await act(clinic, uid, 4, watch, UPS_WATCH) == 0
    await act(clinic, uid, 1, action("COMPLETED", key))
    assert len(await told(clinic)) == 3


async def test_table_cc_2_3_2_global_subscription_and_its_suspension(clinic: Clinic) -> None:
    _, before = await push(clinic)
    everything = action(ReceivingAE="WATCHER", DeletionLock="TRUE")
    assert await act(clinic, GLOBAL, 3, everything, UPS_WATCH) == 0
    _, after = await push(clinic)
    assert await told(clinic) == [(before, 1), (after, 1)]
    assert await act(clinic, GLOBAL, 5, everything, UPS_WATCH) == 0
    _, unheard = await push(clinic)
    assert await act(clinic, before, 2, action(), UPS_WATCH) == 0
    assert unheard not in [uid for uid, _ in await told(clinic)]
    assert (before, 2) in await told(clinic)
    assert await act(clinic, GLOBAL, 4, everything, UPS_WATCH) == 0
    count = len(await told(clinic))
    await act(clinic, after, 2, action(), UPS_WATCH)
    assert len(await told(clinic)) == count


async def test_cc_2_3_3_1_a_filtered_subscription_hears_of_what_matches(clinic: Clinic) -> None:
    wanted = action(ReceivingAE="WATCHER", DeletionLock="FALSE", WorklistLabel="CAD")
    assert await act(clinic, FILTERED_GLOBAL, 3, wanted, UPS_WATCH) == 0
    await push(clinic)
    _, uid = await push(clinic, work(WorklistLabel="CAD"))
    assert await told(clinic) == [(uid, 1)]


async def test_cc_2_1_3_a_finished_item_stays_while_it_is_locked(clinic: Clinic) -> None:
    from datetime import timedelta

    from filmroom.workflow.ups import Workitems

    workitems = Workitems(clinic.database)
    _, uid = await push(clinic)
    locked = action(ReceivingAE="WATCHER", DeletionLock="TRUE")
    await act(clinic, uid, 3, locked, UPS_WATCH)
    await act(clinic, uid, 2, action(), UPS_WATCH)
    assert await workitems.expire(timedelta(0)) == 0
    assert await act(clinic, uid, 4, locked, UPS_WATCH) == 0
    assert await workitems.expire(timedelta(0)) == 1
    assert (await fetch(clinic, uid))[0] == 0xC307
    assert (await workitems.get(SYSTEM, uid)).finding is not None
