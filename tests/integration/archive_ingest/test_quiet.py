"""A study comes to rest once, whoever looks, also after a restart."""

import asyncio
from datetime import timedelta

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import Rig

from filmroom.archive.quiet import QuietWatch
from filmroom.base.clock import FixedClock, SystemClock
from filmroom.base.facts import StudyQuiet
from filmroom.db import feed


async def told(rig: Rig) -> list[StudyQuiet]:
    return [each.fact for each in await feed.read(rig.database, 0) if isinstance(each.fact, StudyQuiet)]


@pytest.mark.capability("1.1.15")
async def test_a_study_is_quiet_once_and_again_after_more_has_come(rig: Rig) -> None:
    clock = FixedClock(SystemClock().now())
    watch = QuietWatch(rig.database, clock, 60)
    study = Study(fresh_run(), 1)
    one, two = objects("tiny", study, 2)
    await rig.store(one)
    assert await watch.sweep() == 0
    clock.at += timedelta(seconds=70)
    assert await QuietWatch(rig.database, clock, 60).sweep() == 1
    assert await watch.sweep() == 0
    await rig.store(two)
    assert await watch.sweep() == 1
    assert [(each.study_uid, each.version) for each in await told(rig)] == [(study.uid, 1), (study.uid, 2)]


@pytest.mark.capability("1.1.15")
async def test_several_who_look_tell_each_study_once(rig: Rig) -> None:
    run = fresh_run()
    await rig.store_all([each for number in range(30) for each in objects("tiny", Study(run, number), 1)])
    clock = FixedClock(SystemClock().now() + timedelta(hours=1))
    counts = await asyncio.gather(*(QuietWatch(rig.database, clock, 60).sweep() for _ in range(4)))
    assert sum(counts) == 30
    assert len({each.study_uid for each in await told(rig)}) == 30
