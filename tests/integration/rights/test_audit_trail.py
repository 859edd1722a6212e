"""The audit trail: what is written stays, and whoever changes, adds or takes away a record is found out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden
from filmroom.db.pool import Database
from filmroom.security.audit import AuditKind, AuditPatient, about
from filmroom.security.audit_reading import Asked, AuditReading
from filmroom.security.audit_trail import AuditTrail
from filmroom.security.ports import AccountEvent
from filmroom.security.principals import SYSTEM, person

pytestmark = pytest.mark.capability("7.3.2")

RITA = person(7, "rita", frozenset({"radiologist"}))
AUDITOR = person(8, "arthur", frozenset({"auditor"}))
CLOCK = SystemClock()


def look(number: int) -> Any:
    return about(
        RITA,
        AuditKind.ACCESSED,
        CLOCK.now(),
        studies=(f"1.2.{number}",),
        patients=(AuditPatient(f"P{number % 3}", "", "Wang^Xiaoming=王^小明"),),
    )


@pytest.fixture
async def trail(database: Database, tmp_path: Path) -> AsyncIterator[AuditTrail]:
    made = AuditTrail(database, CLOCK, tmp_path / "audit", follows=False)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def reading(database: Database, trail: AuditTrail) -> AuditReading:
    for number in range(100):
        await trail.record(look(number))
    await trail.flush()
    return AuditReading(database, CLOCK, trail)


async def _tamper(database: Database, *statements: str) -> None:
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        for statement in statements:
            await tx.execute(statement)
        await tx.execute("ALTER TABLE audit_event ENABLE TRIGGER ALL")


async def test_what_was_written_verifies(reading: AuditReading):
    verdict = await reading.verify(AUDITOR)
    assert verdict.good, verdict.faults
    assert verdict.records == 100


async def test_only_auditors_read(reading: AuditReading):
    for asking in (reading.verify(RITA), reading.search(RITA, Asked()), reading.who_saw(RITA, "P1")):
        with pytest.raises(Forbidden):
            await asking


async def test_rows_cannot_be_changed_by_the_way(database: Database, reading: AuditReading):
    for statement in ("UPDATE audit_event SET who = 'x'", "DELETE FROM audit_event", "TRUNCATE audit_event"):
        with pytest.raises(Exception, match="only added to"):
            async with database.transaction() as tx:
                await tx.execute(statement)


PUT_IN = (
    "INSERT INTO audit_event SELECT 101, gen_random_uuid(), at, kind, outcome, who, who_name, door, patients, studies,"
    " body, hash FROM audit_event WHERE seq = 50"
)


@pytest.mark.parametrize(
    ("statements", "seq", "what"),
    [
        (["UPDATE audit_event SET body = replace(body, 'rita', 'nobody') WHERE seq = 42"], 42, "does not fit"),
        (["UPDATE audit_event SET who_name = 'nobody' WHERE seq = 42"], 42, "column"),
        (["UPDATE audit_event SET patients = '{}' WHERE seq = 42"], 42, "column"),
        (["DELETE FROM audit_event WHERE seq = 42"], 42, "record 42 is missing"),
        (["DELETE FROM audit_event WHERE seq <= 10"], 1, "record 1 to 10 is missing"),
        (["DELETE FROM audit_event WHERE seq = 100"], 100, "at the end are missing"),
        (["DELETE FROM audit_event WHERE seq > 90"], 91, "records 91 to 100 at the end are missing"),
        (["DELETE FROM audit_event"], 1, "records 1 to 100 at the end are missing"),
        (
            [
                "UPDATE audit_event SET seq = 1000 WHERE seq = 10",
                "UPDATE audit_event SET seq = 10 WHERE seq = 11",
                "UPDATE audit_event SET seq = 11 WHERE seq = 1000",
            ],
            10,
            "does not fit",
        ),
        ([PUT_IN, "UPDATE audit_head SET seq = 101"], 101, "does not fit"),
    ],
)
async def test_tampering_is_found_and_named(
    database: Database, reading: AuditReading, statements: list[str], seq: int, what: str
):
    await _tamper(database, *statements)
    verdict = await reading.verify(AUDITOR)
    assert any(fault.seq == seq and what in fault.what for fault in verdict.faults), verdict.faults


async def test_the_last_records_are_missed_even_when_the_head_is_set_back(
    database: Database, trail: AuditTrail, reading: AuditReading
):
    async with database.connection() as connection:
        before = await connection.fetchrow("SELECT * FROM audit_head")
    for number in range(5):
        await trail.record(look(number))
    await trail.flush()
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        await tx.execute("DELETE FROM audit_event WHERE seq > $1", before["seq"])
        await tx.execute(
            "UPDATE audit_head SET seq = $1, hash = $2, at = $3, signature = $4",
            before["seq"], before["hash"], before["at"], before["signature"],
        )  # fmt: skip
        await tx.execute("ALTER TABLE audit_event ENABLE TRIGGER ALL")
    verdict = await reading.verify(AUDITOR)
    assert any("records 101 to 105 at the end are missing" in fault.what for fault in verdict.faults)
    for number in range(50):  # written on over the gap: still found out
        await trail.record(look(number))
    await trail.flush()
    verdict = await reading.verify(AUDITOR)
    assert any(fault.seq == 105 and "written anew" in fault.what for fault in verdict.faults), verdict.faults


async def test_a_chain_forged_from_the_start_does_not_have_our_signature(
    database: Database, tmp_path: Path, reading: AuditReading
):
    await _tamper(database, "DELETE FROM audit_event", "DELETE FROM audit_checkpoint")
    async with database.connection() as connection:
        await connection.execute("UPDATE audit_head SET seq = 0, hash = '', signature = NULL")
    forger = AuditTrail(database, CLOCK, tmp_path / "forger", follows=False)
    await forger.start()
    for number in range(100):
        await forger.record(look(number))
    await forger.stop()
    verdict = await reading.verify(AUDITOR)
    assert any("not signed by this archive" in fault.what for fault in verdict.faults)
    assert any(fault.seq == 100 and "written anew" in fault.what for fault in verdict.faults)


async def test_who_saw_this_patient(reading: AuditReading, trail: AuditTrail):
    rows = await reading.who_saw(AUDITOR, "P1")
    assert [(row["who"], row["times"]) for row in rows] == [("person:7", 33)]
    found = await reading.search(AUDITOR, Asked(patient="P1"), limit=5)
    assert len(found) == 5
    assert found[0].event.patients[0].name == "Wang^Xiaoming=王^小明"
    await trail.flush()
    kinds = [each.event.what for each in await reading.search(AUDITOR, Asked(kinds=(AuditKind.AUDIT_READ,)))]
    assert kinds == ["search", "who saw"]


async def test_records_of_a_killed_process_are_taken_over(database: Database, tmp_path: Path):
    folder = tmp_path / "audit"
    killed = AuditTrail(database, CLOCK, folder, follows=False)  # never started: nothing gets into the database
    await killed.record(look(1))
    await killed.record(look(2))
    killed._spool.close(empty=False)  # as the system does at a kill
    next_one = AuditTrail(database, CLOCK, folder, follows=False)
    await next_one.start()
    await next_one.stop()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit_event") == 2
    assert not list((folder / "spool").iterdir())


async def test_a_record_in_a_transaction_shares_its_fate(database: Database, trail: AuditTrail):
    async def failing() -> None:
        async with database.transaction() as tx:
            await trail(tx, look(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    async with database.transaction() as tx:
        await trail(tx, look(2))
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(studies[1]) FROM audit_event") == ["1.2.2"]


async def test_signing_in_is_recorded(database: Database, trail: AuditTrail):
    await trail.record(AccountEvent(kind="login-refused", who=None, about="mallory", worked=False, peer="10.0.0.9"))
    await trail.flush()
    found = await AuditReading(database, CLOCK, trail).search(AUDITOR, Asked())
    event = found[0].event
    assert (event.kind, event.who_name, event.outcome, event.address) == (
        AuditKind.LOGIN_REFUSED,
        "mallory",
        4,
        "10.0.0.9",
    )


async def test_the_journal_is_taken_over_once(database: Database, trail: AuditTrail):
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO journal (at, who, why, action, target)"
            " VALUES (now(), 'person:7', 'typo', 'correct', 'patient:5')"
        )
    assert await trail.follow() == 1
    assert await trail.follow() == 0
    found = await AuditReading(database, CLOCK, trail).search(AUDITOR, Asked(kinds=(AuditKind.CHANGED,)))
    assert [(each.event.who, each.event.what, each.event.detail["why"]) for each in found] == [
        ("person:7", "correct", "typo")
    ]


async def test_what_is_forgotten_in_time_leaves_a_chain_that_verifies(database: Database, reading: AuditReading):
    async with database.connection() as connection:
        middle = await connection.fetchval("SELECT at FROM audit_event WHERE seq = 51")
    assert await reading.forget(SYSTEM, middle) == 50
    verdict = await reading.verify(AUDITOR)
    assert verdict.good, verdict.faults
    await _tamper(database, "DELETE FROM audit_event WHERE seq = 51")
    assert not (await reading.verify(AUDITOR)).good


async def test_ten_thousand_records_are_written_and_verified(database: Database, trail: AuditTrail):
    for number in range(10_000):
        await trail.record(look(number))
    await trail.flush()
    verdict = await AuditReading(database, CLOCK, trail).verify(AUDITOR)
    assert verdict.good, verdict.faults
    assert verdict.records == 10_000
