"""A modality without MPPS: the same that others hear of one with it, from its first image and from completeness."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.clinic import order, step
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.devices import DevicePolicy, Devices
from filmroom.base.clock import SystemClock
from filmroom.base.facts import StudyComplete
from filmroom.base.ids import AeTitle, StudyUid
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM
from filmroom.workflow.model import Ordered, OrderedProcedure
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mpps_derived import READER, DerivedSteps
from filmroom.workflow.orders import Orders

pytestmark = pytest.mark.capability("1.7.7")


def ordered(study_uid: str) -> Ordered:
    procedure = OrderedProcedure(steps=(step("CT"),), description="Head", study_uid=study_uid)
    return Ordered(patient=order().patient, procedures=(procedure,))


async def say_complete(rig: Rig, study_uid: str) -> None:
    async with rig.database.transaction() as tx:
        fact = StudyComplete(study_uid=StudyUid(study_uid), version=1, reason="quiet")
        await feed.append(tx, [fact], datetime.now(UTC))


async def told(rig: Rig) -> list[tuple[Any, ...]]:
    """What programs and people hear: kinds of facts, with the status they tell."""
    return await rig.rows(
        "SELECT kind, coalesce(body ->> 'after', body ->> 'status') FROM fact "
        "WHERE kind IN ('StepChanged', 'StepPerformed') ORDER BY seq"
    )


async def test_a_device_without_mpps_begins_and_ends_its_step_by_images(database: Database, tmp_path: Path) -> None:
    await Devices(database).put(AeTitle("TEST"), "127.0.0.1", 104, policy=DevicePolicy(mpps_from_images=True))
    acquired = Study(fresh_run(), 1)
    derived_from = list(objects("ct", acquired, 2))
    study = derived_from[0].study_uid
    await Orders(database).add(SYSTEM, ordered(study))
    async with taking_in(database, tmp_path / "store") as rig:
        derived = DerivedSteps(database, rig.feed, PerformedSteps(database))
        await rig.store_all(derived_from)
        await derived.catch_up()
        assert await rig.value("SELECT status FROM scheduled_step") == "STARTED"
        assert await rig.rows("SELECT status, source, study_uids FROM performed_step") == [
            ("IN PROGRESS", "TEST", [study])
        ]
        await say_complete(rig, study)
        await derived.catch_up()
        assert await rig.value("SELECT status FROM scheduled_step") == "COMPLETED"
        held = await rig.value("SELECT attributes FROM performed_step")
        (series,) = held["00400340"]["Value"]
        spoken_of = {one["00081155"]["Value"][0] for one in series["00081140"]["Value"]}
        assert spoken_of == {each.sop_uid for each in derived_from}
        assert await told(rig) == [
            ("StepChanged", "STARTED"),
            ("StepPerformed", "IN PROGRESS"),
            ("StepChanged", "COMPLETED"),
            ("StepPerformed", "COMPLETED"),
        ]
        # A crash before the cursor was written: the feed is read again, and nothing is done twice.
        async with database.connection() as connection:
            await connection.execute("UPDATE feed_cursor SET seq = 0 WHERE reader = $1", READER)
        await derived.catch_up()
        assert await rig.value("SELECT count(*) FROM performed_step") == 1
        # More images after the end are a further performed step.
        await rig.store(next(objects("ct", acquired, 1, first=3)))
        await derived.catch_up()
        assert await rig.value("SELECT count(*) FROM performed_step WHERE status = 'IN PROGRESS'") == 1


async def test_a_device_that_sends_its_own_is_left_to_it(database: Database, tmp_path: Path) -> None:
    await Devices(database).put(AeTitle("TEST"), "127.0.0.1", 104)
    (sent,) = objects("ct", Study(fresh_run(), 1), 1)
    async with taking_in(database, tmp_path / "store", clock=SystemClock()) as rig:
        derived = DerivedSteps(database, rig.feed, PerformedSteps(database))
        await rig.store(sent)
        await say_complete(rig, sent.study_uid)
        await derived.catch_up()
        assert await rig.value("SELECT count(*) FROM performed_step") == 0
