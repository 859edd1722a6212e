"""Orders in the database: placed, extended, called off, moved; identifiers that never collide."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest
from tests.fixtures.clinic import DAY, order, step

from filmroom.base.errors import Forbidden
from filmroom.base.facts import OrderCancelled, OrderScheduled, StepChanged
from filmroom.base.ids import is_uid
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM, person
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.model import (
    BadOrder,
    NoSuchOrder,
    OrderExists,
    OrderRules,
    StepEvent,
    StepStatus,
    StudyUidRule,
    WrongState,
)
from filmroom.workflow.orders import Orders

ALL = Candidates(statuses=frozenset(StepStatus))


@pytest.fixture
def orders(database: Database) -> Orders:
    return Orders(database)


@pytest.mark.capability("1.7.5")
async def test_what_an_order_lacks_is_generated(orders: Orders) -> None:
    placed = await orders.add(SYSTEM, order())
    assert 0 < len(placed.accession) <= 16
    assert is_uid(placed.study_uids[0])
    (found,) = await orders.steps(SYSTEM, ALL)
    assert (found.accession, found.procedure_id, found.step_id) == (
        placed.accession,
        placed.procedure_ids[0],
        placed.step_ids[0],
    )
    assert (found.patient_id, found.patient_name, found.status) == ("P1", "DOE^JANE", StepStatus.SCHEDULED)


@pytest.mark.capability("1.7.5")
async def test_what_an_order_brings_is_kept(orders: Orders) -> None:
    brought = order(step(id="S7"), accession="A7")
    procedure = dataclasses.replace(brought.procedures[0], id="R7", study_uid="1.2.3.7")
    placed = await orders.add(SYSTEM, dataclasses.replace(brought, procedures=(procedure,)))
    assert (placed.accession, placed.procedure_ids, placed.step_ids, placed.study_uids) == (
        "A7",
        ("R7",),
        ("S7",),
        ("1.2.3.7",),
    )


@pytest.mark.capability("1.7.5")
async def test_a_made_accession_number_avoids_those_of_other_systems(database: Database) -> None:
    orders = Orders(database, rules=OrderRules(accession="X{n}"))
    for n in (1, 2, 3):
        await orders.add(SYSTEM, order(accession=f"X{n}"))
    assert (await orders.add(SYSTEM, order())).accession == "X4"


@pytest.mark.capability("1.7.5")
async def test_orders_at_the_same_moment_get_different_numbers(orders: Orders) -> None:
    placed = await asyncio.gather(*(orders.add(SYSTEM, order(patient_id=f"P{n % 3}")) for n in range(20)))
    assert len({one.accession for one in placed}) == 20
    assert len({one.step_ids for one in placed}) == 20


@pytest.mark.capability("1.7.5")
async def test_a_study_uid_can_follow_from_the_accession_number(database: Database) -> None:
    orders = Orders(database, rules=OrderRules(study_uid=StudyUidRule.FROM_ACCESSION, procedure_id="RP"))
    first = await orders.add(SYSTEM, order(accession="A1"))
    again = await orders.add(SYSTEM, order(accession="A1", accession_issuer="OTHER"))
    assert first.study_uids != again.study_uids
    demanding = Orders(database, rules=OrderRules(study_uid=StudyUidRule.REQUIRE))
    with pytest.raises(BadOrder):
        await demanding.add(SYSTEM, order())


@pytest.mark.capability("1.7.5")
async def test_one_accession_number_may_have_several_procedures_of_several_steps(orders: Orders) -> None:
    await orders.add(SYSTEM, order(step(id="S1"), step(id="S2"), accession="A1"))
    with pytest.raises(OrderExists):
        await orders.add(SYSTEM, order(accession="A1"))
    await orders.add(SYSTEM, order(step("MR", "MR1"), accession="A1"), extend=True)
    with pytest.raises(OrderExists):
        await orders.add(SYSTEM, order(patient_id="ELSE", accession="A1"), extend=True)
    found = await orders.steps(SYSTEM, ALL)
    assert len(found) == 3
    assert len({one.study_uid for one in found}) == 2
    assert {one.accession for one in found} == {"A1"}


@pytest.mark.capability("1.7.2", "1.7.5")
async def test_the_patient_is_made_once(orders: Orders, database: Database) -> None:
    for _ in range(2):
        await orders.add(SYSTEM, order(name="王^小东", patient_id="P9"))
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT name_alphabetic, name_terms, birth_date, sex FROM patient")
    assert len(rows) == 1
    assert (rows[0]["birth_date"], rows[0]["sex"]) == ("19700102", "F")
    assert "wangxiaodong" in rows[0]["name_terms"]


@pytest.mark.capability("1.7.3")
async def test_placing_and_cancelling_are_told_and_recorded(orders: Orders, database: Database) -> None:
    placed = await orders.add(SYSTEM, order())
    assert await orders.cancel(SYSTEM, placed.accession, why="not needed") == list(placed.step_ids)
    facts = [each.fact for each in await feed.read(database, 0)]
    assert [type(fact) for fact in facts] == [OrderScheduled, StepChanged, OrderCancelled]
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT action, why FROM journal ORDER BY pk")
    assert [row["action"] for row in rows] == ["order-placed", "step-cancelled", "order-cancelled"]
    assert rows[2]["why"] == "not needed"
    assert await orders.steps(SYSTEM, Candidates()) == []


@pytest.mark.capability("1.7.3")
async def test_a_step_under_way_is_discontinued_when_its_order_is_cancelled(orders: Orders) -> None:
    placed = await orders.add(SYSTEM, order(step(), step()))
    first, _ = await orders.steps(SYSTEM, ALL)
    assert await orders.tell(SYSTEM, first.pk, StepEvent.BEGUN) is StepStatus.STARTED
    await orders.cancel(SYSTEM, placed.accession)
    assert {one.status for one in await orders.steps(SYSTEM, ALL)} == {StepStatus.DISCONTINUED, StepStatus.CANCELLED}


@pytest.mark.capability("1.7.3")
async def test_a_step_moves_until_it_has_begun(orders: Orders) -> None:
    await orders.add(SYSTEM, order())
    (one,) = await orders.steps(SYSTEM, ALL)
    await orders.reschedule(SYSTEM, one.pk, start=DAY + timedelta(days=1), stations=["CT2", "CT3"])
    (moved,) = await orders.steps(SYSTEM, ALL)
    assert (moved.start_date, moved.stations) == ("20260707", ("CT2", "CT3"))
    assert moved.attributes["00400001"]["Value"] == ["CT2", "CT3"]
    await orders.tell(SYSTEM, one.pk, StepEvent.BEGUN)
    with pytest.raises(WrongState):
        await orders.reschedule(SYSTEM, one.pk, start=DAY)


async def test_what_no_worklist_could_show_is_refused(orders: Orders) -> None:
    for bad in (
        order(name="^"),
        order(patient_id=" "),
        order(step(modality="")),
        order(step(station="A STATION NAME TOO LONG")),
        order(accession="0123456789ABCDEFG"),
        dataclasses.replace(order(), procedures=()),
    ):
        with pytest.raises(BadOrder):
            await orders.add(SYSTEM, bad)
    assert await orders.steps(SYSTEM, ALL) == []


async def test_who_may_not_store_places_no_order(orders: Orders) -> None:
    reader = person(1, "viewer", frozenset({"viewer"}))
    with pytest.raises(Forbidden):
        await orders.add(reader, order())
    with pytest.raises(NoSuchOrder):
        await orders.cancel(SYSTEM, "NONE")
    with pytest.raises(NoSuchOrder):
        await orders.tell(SYSTEM, 999, StepEvent.BEGUN)
