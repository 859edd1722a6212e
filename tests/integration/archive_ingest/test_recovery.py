"""Bytes that no row knows are brought back, once, and their place is given back."""

import subprocess
from pathlib import Path

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.consistency import Finding
from filmroom.archive.model import Stored
from filmroom.archive.recovery import Recovery
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM


async def forget_everything(rig: Rig) -> None:
    """As a database that was restored from before they came."""
    await rig.rows("TRUNCATE location, instance, series, study, patient, patient_identifier CASCADE")


async def orphans(rig: Rig) -> list[Finding]:
    return [each async for each in rig.consistency.orphans(SYSTEM)]


@pytest.mark.capability("2.3.1", "3.3.1")
async def test_a_lost_database_is_filled_again_from_the_store(database: Database, tmp_path: Path) -> None:
    run = fresh_run()
    sent = [*objects("tiny", Study(run, 1), 4), *objects("cine-small", Study(run, 2), 1)]
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(sent)
        await forget_everything(rig)
    async with taking_in(database, tmp_path) as rig:
        recovery = Recovery(rig.consistency, rig.online, rig.blobs, rig.ingest)
        found = await orphans(rig)
        assert len(found) == len(sent)
        outcomes = [await recovery.adopt(SYSTEM, each) for each in found]
        assert {each.result for each in outcomes if each} == {Stored.NEW}
        for each in sent:
            assert (await rig.stored(each.sop_uid))[1] == each.dataset
    async with taking_in(database, tmp_path) as rig:
        assert await orphans(rig) == []
        assert await rig.faults() == []
    for pack in (tmp_path / "pack").rglob("*.tar"):
        subprocess.run(["tar", "-tf", str(pack)], check=True, capture_output=True)


@pytest.mark.capability("3.3.1")
async def test_what_a_row_knows_by_now_is_not_adopted(database: Database, tmp_path: Path) -> None:
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(list(objects("tiny", Study(fresh_run(), 1), 2)))
    async with taking_in(database, tmp_path) as rig:
        await rig.rows("CREATE TABLE aside AS SELECT * FROM location WHERE start = (SELECT min(start) FROM location)")
        await rig.rows("DELETE FROM location WHERE start = (SELECT start FROM aside)")
        (orphan,) = await orphans(rig)
        await rig.rows("INSERT INTO location SELECT * FROM aside")
        recovery = Recovery(rig.consistency, rig.online, rig.blobs, rig.ingest)
        assert await recovery.adopt(SYSTEM, orphan) is None
        assert await rig.faults() == []


@pytest.mark.capability("3.3.1")
async def test_young_bytes_are_left_alone(database: Database, tmp_path: Path) -> None:
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(list(objects("cine-small", Study(fresh_run(), 1), 1)))
        (tmp_path / "file" / "stray.dcm").write_bytes(b"stray")
        assert [each async for each in rig.consistency.orphans(SYSTEM, min_age_s=600)] == []
        assert len(await orphans(rig)) == 1


@pytest.mark.capability("3.3.1")
async def test_a_missing_copy_is_written_down_and_so_is_its_return(rig: Rig) -> None:
    await rig.store_all(list(objects("cine-small", Study(fresh_run(), 1), 1)))
    path = rig.online.root / await rig.value("SELECT key FROM location")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    rig.online.store.close()
    await rig.faults()
    assert await rig.value("SELECT state FROM location") == "missing"
    aside.rename(path)
    await rig.faults()
    assert await rig.value("SELECT state FROM location") == "good"
