"""Our own AE titles, the versions of what is changed, and what is seen, on a real database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.corpus import Object, Study, fresh_run, objects

from filmroom.archive.devices import BadDevice, ChangedSince, Devices
from filmroom.archive.devices_local import LocalAes, NoSuchLocalAe
from filmroom.base.errors import Forbidden
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.dicom.question import Level, Question
from filmroom.security.principals import SYSTEM
from filmroom.security.principals import device as as_principal
from filmroom.security.view import View
from fixtures.served import Served, serve

OWN, READING = AeTitle("FILMROOM"), AeTitle("READING")


@pytest.mark.capability("1.0.2")
async def test_the_title_of_the_settings_is_there_until_it_is_changed(database: Database) -> None:
    local = LocalAes(database, "FILMROOM")
    own = await local.find("FILMROOM")
    assert own is not None
    assert (own.version, await local.find("READING")) == (0, None)
    await local.patch(OWN, {"policy": {"read_only": True}}, who=SYSTEM)
    await local.replace(READING, {"description": "for readers"}, who=SYSTEM)
    changed = await local.find("FILMROOM")
    assert changed is not None
    assert (changed.version, changed.policy.read_only) == (1, True)
    assert [each.ae_title for each in await local.list()] == ["FILMROOM", "READING"]
    await local.remove(READING, who=SYSTEM)
    assert await local.find("READING") is None
    with pytest.raises(NoSuchLocalAe):
        await local.patch(READING, {}, who=SYSTEM)
    with pytest.raises(BadDevice):
        await local.replace(READING, {"policy": {"services": ["fly"]}}, who=SYSTEM)
    with pytest.raises(Forbidden):
        await local.replace(READING, {}, who=as_principal(READING))


@pytest.mark.capability("1.0.1")
async def test_a_change_made_on_an_old_version_is_refused(database: Database) -> None:
    devices, title = Devices(database), AeTitle("CT1")
    made = await devices.replace(title, {"host": "a", "port": 104}, expected=0, who=SYSTEM)
    with pytest.raises(ChangedSince):
        await devices.replace(title, {"host": "a", "port": 104}, expected=0, who=SYSTEM)
    same = await devices.patch(title, {"host": "a"}, expected=made.version, who=SYSTEM)
    assert same.version == made.version
    later = await devices.patch(title, {"site": "North", "department": "CT"}, expected=made.version, who=SYSTEM)
    assert (later.version, later.site, later.department) == (made.version + 1, "North", "CT")
    with pytest.raises(ChangedSince):
        await devices.remove(title, expected=made.version, who=SYSTEM)
    await devices.remove(title, expected=later.version, who=SYSTEM)
    journal = await devices.changes(title, who=SYSTEM)
    assert [each.action for each in journal] == ["device.removed", "device.changed", "device.registered"]
    assert journal[1].before is not None
    assert journal[1].after is not None
    assert (journal[1].before["site"], journal[1].after["site"], journal[1].who) == ("", "North", "system")


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("view", "sees"),
    [
        (View(), True),
        (View(modalities=frozenset({"CT", "SR"})), True),
        (View(modalities=frozenset({"XA"})), False),
        (View(stations=frozenset({"NOWHERE"})), False),
        (View(departments=frozenset({"NOWHERE"})), False),
        (View(max_age_days=40_000), True),
        (View(max_age_days=1), False),
        (View(show_rejected=True), True),
    ],
    ids=["all", "ct-sr", "xa", "station", "department", "old", "young", "rejected"],
)
@pytest.mark.capability("1.0.2")
async def test_a_view_narrows_what_is_found_at_every_level_and_retrieved(
    served: Served, view: View, sees: bool
) -> None:
    study = Study(fresh_run(), 0)
    items: list[Object] = list(objects("tiny", study, 1))
    assert (await served.store(items)).status_code == 200
    who = replace(as_principal(AeTitle("CT1")), view=view)
    query = served.services.query
    for level in Level:
        found, _ = await query.page(who, Question(level=level))
        assert bool(found) is sees, level
        assert await query.count(who, Question(level=level)) == len(found)  # type: ignore[attr-defined]
    everything, _ = await query.page(SYSTEM, Question(level=Level.STUDY))
    uid = everything[0]["0020000D"]["Value"][0]
    assert bool(await served.services.retrieve.locate(who, studies=[uid])) is sees
