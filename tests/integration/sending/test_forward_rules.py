"""Sending on by rule: each object to each destination once, whatever is killed or said twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Object
from tests.fixtures.outgoing import ScriptedSender, Site, open_site

from filmroom.archive.corrections import Corrections
from filmroom.archive.corrections_model import Target
from filmroom.archive.devices import NoSuchDevice
from filmroom.archive.sending_rules_book import ForwardRules
from filmroom.archive.sending_rules_work import Forwarding
from filmroom.base.errors import Forbidden, NotFound, NotReadable
from filmroom.base.facts import StudyComplete
from filmroom.base.ids import StudyUid
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.dicom.conditions_parse import BadCondition
from filmroom.security.principals import SYSTEM, person


@pytest.fixture
def sender() -> ScriptedSender:
    return ScriptedSender()


@pytest.fixture
async def site(database: Database, tmp_path: Path, sender: ScriptedSender) -> AsyncIterator[Site]:
    async with open_site(database, tmp_path / "store", sender=sender) as opened:
        for title in ("READING", "RESEARCH", "TEST"):
            await opened.know(title)
        yield opened


@pytest.fixture
def book(site: Site) -> ForwardRules:
    return ForwardRules(site.rig.database, site.retrieve, site.rig.blobs, site.clock)


@pytest.fixture
def forwarding(site: Site) -> Forwarding:
    rig = site.rig
    return Forwarding(rig.database, rig.feed, site.retrieve, rig.blobs, site.devices, site.sending, site.clock)


async def complete(site: Site, made: list[Object], version: int = 1) -> None:
    fact = StudyComplete(study_uid=StudyUid(made[0].study_uid), version=version, reason="quiet")
    async with site.rig.database.transaction() as tx:
        await feed.append(tx, [fact], site.clock.now())


async def all_sent(site: Site) -> list[tuple[str, str, int]]:
    """Every delivery once it has ended: where it went, why, and how many objects."""
    for each in await site.sending.deliveries(SYSTEM):
        await site.ended(each.pk)
    return sorted((each.ae_title, each.reason, each.sent) for each in await site.sending.deliveries(SYSTEM))


def row(**more: Any) -> dict[str, Any]:
    return {"event": "complete", "destinations": ["READING"], **more}


@pytest.mark.capability("1.1.17")
async def test_what_fits_goes_when_its_study_is_complete_and_only_once(
    site: Site, book: ForwardRules, forwarding: Forwarding, sender: ScriptedSender
) -> None:
    before = await site.file(2, kind="ct", number=1)
    await complete(site, before)
    await book.put(SYSTEM, "ct", row(condition="Modality = CT", destinations=["READING", "RESEARCH"]))
    ct, mr = await site.file(3, kind="ct", number=2), await site.file(2, kind="mr", number=3)
    await forwarding.catch_up()
    assert await all_sent(site) == []
    await complete(site, ct)
    await complete(site, mr)
    await forwarding.catch_up()
    once = [("READING", "rule: ct", 3), ("RESEARCH", "rule: ct", 3)]
    assert await all_sent(site) == once
    await complete(site, ct, version=2)
    await forwarding.catch_up()
    assert await all_sent(site) == once
    assert sorted(sender.sent) == sorted((to, each.sop_uid) for to in ("READING", "RESEARCH") for each in ct)


async def test_what_arrives_late_goes_alone(site: Site, book: ForwardRules, forwarding: Forwarding) -> None:
    await book.put(SYSTEM, "all", row())
    made = await site.file(4, run=7)
    await complete(site, made)
    await forwarding.catch_up()
    await site.file(6, run=7)
    await complete(site, made, version=2)
    await forwarding.catch_up()
    assert await all_sent(site) == [("READING", "rule: all", 2), ("READING", "rule: all", 4)]


@pytest.mark.capability("1.1.17")
async def test_on_arrival_in_rank_with_stop_and_not_back_to_the_sender(
    site: Site, book: ForwardRules, forwarding: Forwarding
) -> None:
    arrival = row(event="arrival", condition="calling = TEST")
    await book.put(SYSTEM, "first", arrival | {"rank": 5, "stop": True, "destinations": ["TEST", "READING"]})
    await book.put(SYSTEM, "second", arrival | {"destinations": ["RESEARCH"]})
    await book.put(SYSTEM, "off", arrival | {"rank": 9, "stop": True, "enabled": False})
    await site.file(3)
    await forwarding.catch_up()
    assert await all_sent(site) == [("READING", "rule: first", 3)]
    assert [each.name for each in await book.rules(SYSTEM)] == ["off", "first", "second"]


async def test_a_rule_sees_what_was_corrected(site: Site, book: ForwardRules, forwarding: Forwarding) -> None:
    made = await site.file(2, kind="ct")
    corrections = Corrections(site.rig.database, site.clock)
    await corrections.correct(SYSTEM, Target.STUDY, made[0].study_uid, {"StudyDescription": "TRAUMA"}, why="a test")
    await book.put(SYSTEM, "trauma", row(condition="StudyDescription = trauma"))
    await complete(site, made)
    await forwarding.catch_up()
    assert await all_sent(site) == [("READING", "rule: trauma", 2)]


@pytest.mark.capability("1.1.17")
async def test_a_trial_says_what_would_go_and_sends_nothing(
    site: Site, book: ForwardRules, forwarding: Forwarding
) -> None:
    await book.put(SYSTEM, "ct", row(condition="Modality = CT"))
    ct, mr = await site.file(3, kind="ct", number=2), await site.file(2, kind="mr", number=3)
    await complete(site, ct)
    await forwarding.catch_up()
    found = await book.try_out(SYSTEM, row(condition="Modality in (CT, MR)", destinations=["READING"]), studies=10)
    assert found.complete
    assert [(one.study_uid, one.objects, one.sent, one.already) for one in found.studies] == [
        (mr[0].study_uid, 2, {"READING": 2}, {"READING": 0}),
        (ct[0].study_uid, 3, {"READING": 3}, {"READING": 3}),
    ]
    assert len(await all_sent(site)) == 1


async def test_what_cannot_be_a_rule(site: Site, book: ForwardRules) -> None:
    for wrong, error in (
        (row(condition="Modality ="), BadCondition),
        (row(event="never"), NotReadable),
        (row(destinations=[]), NotReadable),
        (row(destinations=["NOBODY"]), NoSuchDevice),
        (row(priority=7), NotReadable),
        (row(delay_s=-1), NotReadable),
    ):
        with pytest.raises(error):
            await book.put(SYSTEM, "x", wrong)
    with pytest.raises(NotFound):
        await book.remove(SYSTEM, "x")
    with pytest.raises(Forbidden):
        await book.rules(person(1, "nobody", frozenset()))
    assert await book.rules(SYSTEM) == []


async def test_two_processes_send_it_once(site: Site, book: ForwardRules, forwarding: Forwarding) -> None:
    rig = site.rig
    other = Forwarding(rig.database, rig.feed, site.retrieve, rig.blobs, site.devices, site.sending, site.clock)
    await book.put(SYSTEM, "all", row(event="arrival"))
    for number in range(1, 6):
        await site.file(2, number=number)
    await asyncio.gather(forwarding.catch_up(), other.catch_up())
    await forwarding.catch_up()
    assert sum(each[2] for each in await all_sent(site)) == 10
