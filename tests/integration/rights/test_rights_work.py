"""Every role and scope at the doors beside the studies: worklists, orders, work items, performed steps, deliveries,
commitments, exports, the journal, quarantine, changes. What one hides, no other shows, counts included.

Each study of the population has an order with the same site, department and patient, so the oracle is the same.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.scoped import CASES, ROLES, SCOPES, Case, expected, filled, somebody

from filmroom.archive.changes import Changes
from filmroom.archive.commitment import Commitments
from filmroom.archive.corrections import Corrections
from filmroom.archive.corrections_model import Target
from filmroom.archive.devices import Devices
from filmroom.archive.export import Exports
from filmroom.archive.quarantine import Quarantine
from filmroom.archive.sending import Sending
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.base.facts import OrderScheduled
from filmroom.base.ids import StudyUid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch
from filmroom.db.feed_tail import FeedTail
from filmroom.db.pool import Database
from filmroom.ops.work import Work
from filmroom.security.policy import may
from filmroom.security.principals import SYSTEM, Principal
from filmroom.security.roles import READY, Action
from filmroom.settings import DeliverySettings
from filmroom.workflow.asking import read
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.model import (
    NoSuchOrder,
    Ordered,
    OrderedPatient,
    OrderedProcedure,
    OrderedStep,
    StepEvent,
    StepStatus,
)
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.orders import Orders
from filmroom.workflow.sight import expected_in_sight
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions
from filmroom.workflow.ups_model import GLOBAL

pytestmark = [pytest.mark.capability("6.3.2"), pytest.mark.asyncio(loop_scope="module")]

ALL = Candidates(statuses=frozenset(StepStatus))
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def population(database_url: str) -> AsyncIterator[Database]:
    async for database in filled(database_url):
        for case in CASES:
            await _ordered(database, case)
            async with database.transaction() as tx:
                await _worked_on(tx, case)
        yield database


async def _ordered(database: Database, case: Case) -> None:
    async with database.connection() as connection:
        site = await connection.fetchval("SELECT pk FROM site WHERE name = $1", case.site)
        department = await connection.fetchval("SELECT pk FROM department WHERE name = $1", case.department)
    steps = tuple(OrderedStep(modality=each, start=datetime(2026, 11, 23, 8)) for each in case.modalities)  # noqa: DTZ001
    order = Ordered(
        patient=OrderedPatient(id=case.patient, name=f"Patient^{case.patient}"),
        procedures=(OrderedProcedure(steps=steps, study_uid=case.uid),),
        accession=f"ORD{case.number}",
        referring=case.referring,
        site_pk=site,
        department_pk=department,
    )
    await Orders(database).add(SYSTEM, order)


async def _worked_on(tx: Any, case: Case) -> None:
    """A work item and a performed step of the study; a delivery, a commitment, an export of each series; entries of the
    journal; an object of it in quarantine."""
    held = {"00100020": {"vr": "LO", "Value": [case.patient]}, "0020000D": {"vr": "UI", "Value": [case.uid]}}
    await tx.execute(
        "INSERT INTO workitem (sop_uid, state, patient_id, study_uid, attributes, created_at, updated_at, start_at)"
        " VALUES ($1, 'SCHEDULED', $2, $3, $4, $5, $5, '20261123')",
        f"{case.uid}.77", case.patient, case.uid, held, NOW,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO performed_step (sop_uid, status, study_uids, attributes, created_at, updated_at)"
        " VALUES ($1, 'IN PROGRESS', $2, $3, $4, $4)",
        f"{case.uid}.78", [case.uid], held, NOW,
    )  # fmt: skip
    for n in range(1, len(case.modalities) + 1):
        series = f"{case.uid}.{n}"
        delivery = await tx.fetchval(
            "INSERT INTO delivery (ae_title, principal, n_items, created_at, retry_until, reason)"
            " VALUES ('PEER', 'person:1', 1, $1, $1, $2) RETURNING pk",
            NOW, series,
        )  # fmt: skip
        await tx.execute(
            "INSERT INTO delivery_item (delivery_pk, n, part, series_uid, sop_class, sop_uid)"
            " VALUES ($1, 1, 0, $2, '1.2', $3)",
            delivery, series, f"{series}.1",
        )  # fmt: skip
        commitment = await tx.fetchval(
            "INSERT INTO commitment (side, peer, our_ae, transaction_uid, state, asked_at)"
            " VALUES ('scp', 'PEER', 'US', $1, 'reported', $2) RETURNING pk",
            series, NOW,
        )  # fmt: skip
        await tx.execute("INSERT INTO commitment_item VALUES ($1, 1, '1.2', $2, 0)", commitment, f"{series}.1")
        await _quarantined(tx, f"{series}.1")
    export = await tx.fetchval(
        "INSERT INTO export (kind, destination, principal, reason, total, trust, created_at)"
        " VALUES ('zip', '', 'person:7', $1, 1, false, $2) RETURNING pk",
        case.uid, NOW,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO export_item (export_pk, n, study_uid, sop_uid) VALUES ($1, 1, $2, 'x')", export, case.uid
    )
    await tx.execute(
        "INSERT INTO journal (at, who, why, action, target, after) VALUES ($1, 'ada', 'typo', 'correct', $2, $3)",
        NOW, f"study:{case.uid}", {"attributes": {}},
    )  # fmt: skip
    fact = OrderScheduled(
        order_id=case.number, accession=f"A{case.number}", study_uids=(StudyUid(case.uid),), step_ids=()
    )
    await feed.append(tx, [fact], NOW)


async def _quarantined(tx: Any, sop_uid: str) -> None:
    await tx.execute(
        "INSERT INTO quarantine (at, door, reason, sop_uid, key, size_bytes, digest)"
        " VALUES ($1, 'stow', 'conflict', $2, 'k', 1, '')",
        NOW, sop_uid,
    )  # fmt: skip


class Works:
    """The use cases behind the doors."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock, delivery = SystemClock(), DeliverySettings()
        self.database = database
        self.orders, self.worklist = Orders(database), Worklist(database)
        self.items, self.subscriptions = Workitems(database), Subscriptions(database)
        self.performed = PerformedSteps(database)
        devices = Devices(database)
        self.sending = Sending(database, None, devices, delivery, clock)  # type: ignore[arg-type]
        self.commitments = Commitments(database, None, devices, delivery, clock, ae_title="US")  # type: ignore[arg-type]
        self.exports = Exports(database, None, devices, None, clock, root=folder)  # type: ignore[arg-type]
        self.corrections = Corrections(database, clock)
        self.quarantine = Quarantine(database, None, None, clock)  # type: ignore[arg-type]
        self.changes = Changes(database, FeedTail(database, FeedWatch(database)), expected=expected_in_sight)
        self.work = Work(database, clock)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def works(population: Database, tmp_path_factory: pytest.TempPathFactory) -> Works:
    return Works(population, tmp_path_factory.mktemp("works"))


EVERYBODY = [(role, scope, device) for role in ROLES for scope in SCOPES for device in (False, True)]


@pytest.mark.parametrize(("role", "scope", "device"), EVERYBODY)
async def test_worklists_and_orders_show_what_studies_show(works: Works, role: str, scope: str, device: bool):
    who = somebody(role, SCOPES[scope], device=device)
    seen = expected(who)
    steps = sorted(
        (uid, case.modalities[int(series.rsplit(".", 1)[1]) - 1])
        for uid, of_study in seen.items()
        for series in of_study
        for case in CASES
        if case.uid == uid
    )
    assert sorted((each.study_uid, each.modality) for each in await works.orders.steps(who, ALL)) == steps
    assert len(await works.orders.page(who, ALL, 500)) == len(steps)
    first = await works.orders.page(who, ALL, 1)
    assert len(first) == min(1, len(steps)), "decided before paging, not after"
    asked = read({"0020000D": {"vr": "UI"}}, calling_ae="CT1")
    answers = [each["0020000D"]["Value"][0] async for each in works.worklist.find(who, asked)]
    assert sorted(answers) == [uid for uid, _ in steps]
    accessions = {f"ORD{case.number}" for case in CASES if case.uid in seen}
    assert {each.accession for each in await works.orders.listed(who)} == accessions
    for case in CASES:
        if case.uid not in seen:
            with pytest.raises(NoSuchOrder):
                await works.orders.order(who, f"ORD{case.number}")


@pytest.mark.parametrize(("role", "scope", "device"), EVERYBODY)
async def test_work_on_a_study_is_in_sight_with_it(works: Works, role: str, scope: str, device: bool):
    who = somebody(role, SCOPES[scope], device=device)
    seen = expected(who)
    found = [each["0020000D"]["Value"][0] async for each in works.items.find(who, {"0020000D": {"vr": "UI"}})]
    assert sorted(found) == sorted(seen)
    performed = {each.sop_uid for each in await works.performed.listed(who)}
    assert performed == {f"{uid}.78" for uid in seen}
    for case in CASES:
        there = case.uid in seen
        assert ((await works.items.get(who, f"{case.uid}.77")).finding is None) is there
        assert ((await works.performed.get(who, f"{case.uid}.78")).finding is None) is there
    page = await works.changes.page(who, after=0, limit=500, kinds=["OrderScheduled"])
    told = {each.data["study_uids"][0] for each in page.changes if each.data["order_id"] < 100}
    assert told & {case.uid for case in CASES} == set(seen)


@pytest.mark.parametrize(("role", "scope", "device"), EVERYBODY)
async def test_queues_show_what_is_in_sight_as_a_whole(works: Works, role: str, scope: str, device: bool):
    who = somebody(role, SCOPES[scope], device=device)
    series = {uid for each in expected(who).values() for uid in each}
    assert {each.reason for each in await works.sending.deliveries(who, limit=500)} == series
    found = {each.transaction_uid for each in await works.commitments.transactions(who, limit=500)}
    assert found == series
    if may(who, Action.EXPORT) and not device:
        everybody = {case.uid for case in CASES} if may(who, Action.ADMINISTER) else set()
        mine = {each.reason for each in await works.exports.listed(who, limit=500)}
        assert mine == set(expected(who)) & (everybody | mine)
    if may(who, Action.EDIT):
        journal = await works.corrections.journal(who, limit=500)
        assert {each.target for each in journal if each.action == "correct"} == {f"study:{u}" for u in expected(who)}
    if may(who, Action.ADMINISTER):
        waiting = {entry.sop_uid for entry in await works.quarantine.list(who, limit=500)}
        assert waiting == {f"{uid}.1" for uid in series}
        assert await works.quarantine.count(who) == len(series)


@pytest.mark.parametrize("scope", ["site", "modality", "nothing"])
async def test_what_is_out_of_sight_cannot_be_changed(works: Works, scope: str):
    who = somebody("administrator", SCOPES[scope])
    seen = expected(who)
    hidden = next(case for case in CASES if case.uid not in seen)
    with pytest.raises(NoSuchOrder):
        await works.orders.cancel(who, f"ORD{hidden.number}")
    async with works.database.connection() as connection:
        pk = await connection.fetchval(
            "SELECT s.pk FROM scheduled_step s JOIN requested_procedure r ON r.pk = s.procedure_pk"
            " WHERE r.study_uid = $1",
            hidden.uid,
        )
    with pytest.raises(NoSuchOrder):
        await works.orders.tell(who, pk, StepEvent.ARRIVED)
    with pytest.raises(NotFound):
        await works.corrections.correct(who, Target.STUDY, hidden.uid, {"StudyDescription": "x"}, why="test")
    with pytest.raises(NotFound):
        await works.corrections.correct(who, Target.PATIENT, hidden.patient, {"PatientComments": "x"}, why="test")
    assert (await works.items.set(who, f"{hidden.uid}.77", {})).finding is not None
    async with works.database.connection() as connection:
        delivery = await connection.fetchval("SELECT pk FROM delivery WHERE reason = $1", f"{hidden.uid}.1")
    for act in (works.sending.cancel, works.sending.resend, works.sending.items, works.sending.get):
        with pytest.raises(NotFound):
            await act(who, delivery)
    with pytest.raises(Forbidden):
        await works.subscriptions.subscribe(who, GLOBAL, "PEER")


async def test_other_peoples_jobs_are_listed_without_what_they_are_about(works: Works):
    async with works.database.transaction() as tx:
        from filmroom.db import jobs

        await jobs.add(tx, "something", {"study": "1.9.2"}, at=NOW + timedelta(days=999), principal="person:99")
    narrow, whole = somebody("administrator", SCOPES["site"]), somebody("administrator", SCOPES["whole"])
    assert {each.principal: dict(each.body) for each in await works.work.list(narrow)}["person:99"] == {}
    assert {each.principal: dict(each.body) for each in await works.work.list(whole)}["person:99"] == {"study": "1.9.2"}


@pytest.mark.parametrize(
    ("action", "role"), [(Action.EDIT, "data-manager"), (Action.MERGE, "data-manager"), (Action.EDIT, "administrator")]
)
async def test_corrections_ask_for_their_own_rights(action: Action, role: str):
    assert action in READY[role].actions


async def test_who_administers_but_may_not_edit_corrects_nothing(works: Works):
    from dataclasses import replace

    who: Principal = replace(somebody("administrator", SCOPES["whole"]), only=frozenset({Action.ADMINISTER}))
    with pytest.raises(Forbidden):
        await works.corrections.correct(who, Target.STUDY, CASES[0].uid, {"StudyDescription": "x"}, why="test")
    with pytest.raises(Forbidden):
        await works.corrections.merge(who, "A", "B", why="test")
    assert await works.corrections.journal(who, limit=1)
